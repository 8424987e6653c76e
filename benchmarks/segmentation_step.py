"""Training and inference of segmenters beside the same networks in PyTorch, in one run.

    python -m benchmarks.segmentation_step                       # on two CPU cores
    python -m benchmarks.segmentation_step --smp                 # segmentation_models_pytorch too
    python -m benchmarks.segmentation_step --size 512 --batch 32 --precision bfloat16 --compile
                                                                 # on a GPU

Two networks: a U-Net whose way down is a residual network of 18 layers, and the default U-Net
(`--size` and `--batch` are of both; by default 256 pixels and 4 images, 160 pixels and 8). A step
is cross-entropy, its gradient and Adam.

PyTorch has the same networks (`benchmarks/torch_segmentation.py`) with our weights, channels last
in memory. Before anything is timed the logits of both stand beside each other in float32, by the
moments of the batch as in a training and by running ones as after it; and the gradients of the
logits' sum of squares by two images of 64 pixels, in double precision: in float32 rectifiers whose
input is almost zero let the gradient through in one and not in the other, and PyTorch's own differ
from those in double precision by up to 4 %.

`--smp` adds the U-Net of segmentation_models_pytorch with our encoder's weights; its way up has two
convolutions at each resolution where ours has three, so only what the encoder finds is compared. It
needs torchvision, of which PyPI has builds for CUDA alone: beside PyTorch for CPUs it does without
its own operators, which are not used here.

On a CPU the process is kept to `--threads` cores, which is how many threads XLA starts, and PyTorch
is told to use as many. Where other programs compute at the same time, set OMP_WAIT_POLICY=passive:
PyTorch's threads wait for each other by spinning. The seconds of CPU time are of all threads, and
change less when the machine is busy. Quote the ratios: they carry over to another machine.
"""

import argparse
import importlib
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx
from jaxtyping import Float, Int
from torch.nn import functional

from benchmarks.processors import shared_device
from benchmarks.timing import median_seconds, print_table
from benchmarks.torch_segmentation import channels_last, same_network, state_of
from idml_jax.models import EncoderUNet, UNet
from idml_jax.training import SegmenterRecipe

OURS, THEIRS, SMP = "idml_jax", "PyTorch", "segmentation_models_pytorch"
CLASSES, RATE, ROUNDS = 3, 1e-3, 5
TOLERANCE, TOLERANCE_OF_GRADIENTS = 1e-3, 1e-5
"""Of logits in float32 and gradients in double precision, as shares of the largest of them."""
PROVEN = (2, 64, 64, 1)
"""Images whose gradients are compared."""
HEAD = ("network", "way", "trained a second", "ours is faster by", "in CPU time")
HEAD += ("inferred a second", "ours is faster by", "values differ by", "gradients differ by")
HEAD += ("first step, seconds",)


class Case(NamedTuple):
    """What is compared."""

    name: str
    encoder: Any
    features: tuple[int, ...]
    size: int
    batch: int

    def network(self, precision: Any) -> UNet | EncoderUNet:
        """As a segmenter's recipe makes it."""
        recipe = SegmenterRecipe(encoder=self.encoder, features=self.features, precision=precision)
        network = recipe.network(1, CLASSES)
        assert isinstance(network, UNet | EncoderUNet)
        return network


CASES = (
    Case("U-Net with ResNet-18", 18, (128, 64, 48, 32, 16), 256, 4),
    Case("default U-Net", None, (16, 32, 64, 128), 160, 8),
)


class Ours:
    """The network, and its training by Adam."""

    def __init__(self, network: UNet | EncoderUNet, images: Any, labels: Any):
        self.images, self.labels = jax.device_put(images), jax.device_put(labels)
        transform = optax.adam(RATE)
        structure, parameters, others = nnx.split(network, nnx.Param, ...)
        parameters, others = jax.tree.map(jnp.copy, (parameters, others))
        self.state = parameters, transform.init(parameters), others

        def step(state: Any, images: Any, labels: Any) -> Any:
            parameters, moments, others = state

            def loss(parameters: Any) -> Any:
                trained = nnx.merge(structure, parameters, others, copy=True)
                logits = trained(images)
                each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
                return each.mean(), nnx.split(trained, nnx.Param, ...)[2]

            (value, others), slopes = jax.value_and_grad(loss, has_aux=True)(parameters)
            changes, moments = transform.update(slopes, moments, parameters)
            return (optax.apply_updates(parameters, changes), moments, others), value

        def infer(parameters: Any, others: Any, images: Any) -> Any:
            used = nnx.merge(structure, parameters, others)
            used.eval()
            return used(images).argmax(axis=-1)

        self.stepped, self.inferred = jax.jit(step, donate_argnums=0), jax.jit(infer)

    def step(self) -> None:
        """Train by one batch, and wait."""
        self.state, value = self.stepped(self.state, self.images, self.labels)
        jax.block_until_ready((self.state, value))

    def infer(self) -> None:
        """The classes of a batch, on the host."""
        np.asarray(self.inferred(self.state[0], self.state[2], self.images))


class Theirs:
    """The same of a network of PyTorch's."""

    def __init__(
        self,
        network: torch.nn.Module,
        images: Any,
        labels: Any,
        device: str,
        precision: str,
        wrap: Any,
    ):
        self.device, self.precision = device, precision
        self.images, self.labels = put(images, device), torch.from_numpy(labels).long().to(device)
        self.network = network.to(device)
        self.called = wrap(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE, fused=True)

    def _logits(self) -> torch.Tensor:
        narrow = self.precision != "float32"
        with torch.autocast(self.device, getattr(torch, self.precision), enabled=narrow):
            return self.called(self.images).float()

    def step(self) -> None:
        """Train by one batch, and wait."""
        self.network.train()
        self.optimizer.zero_grad()
        functional.cross_entropy(self._logits(), self.labels).backward()
        self.optimizer.step()
        if self.device == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def infer(self) -> None:
        """The classes of a batch, on the host."""
        self.network.eval()
        self._logits().argmax(dim=1).cpu().numpy()


def put(images: Float[np.ndarray, "b r c f"], device: str) -> torch.Tensor:
    """Images on the device, channels last in memory and second in the shape."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(device)


def logits_apart(network: UNet | EncoderUNet, images: Any, device: str) -> float:
    """How far logits in float32 are apart, as a share of the largest."""
    structure, values = nnx.split(network)
    peer, found = same_network(network).to(device), []
    for training in (False, True):

        def infer(values: Any, images: Any, training: bool = training) -> Any:
            return _copied(structure, values, training)(images)

        with torch.no_grad():
            expected = peer.train(training)(put(images, device))
        found.append(_apart(jax.jit(infer)(values, images), expected))
    return float(np.max(found))


def gradients_apart(case: Case, device: str) -> float:
    """The same of the gradients by images, in double precision."""
    images, found = np.random.default_rng(1).normal(size=PROVEN), []
    with jax.enable_x64(True):
        structure, values = nnx.split(case.network("float64"))
        values = jax.tree.map(
            lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, values
        )
        network = nnx.merge(structure, values)
        network(jnp.asarray(images))  # so that running moments are not those of the beginning
        structure, values = nnx.split(network)
        peer = same_network(network).to(device)
        for training in (False, True):

            def squares(images: Any, values: Any, training: bool = training) -> Any:
                return jnp.square(_copied(structure, values, training)(images)).sum()

            given = put(images, device).requires_grad_()
            peer.train(training)(given).square().sum().backward()
            assert given.grad is not None
            slopes = jax.jit(jax.grad(squares))(jnp.asarray(images), values)
            found.append(_apart(slopes, given.grad))
    return float(np.max(found))


def _copied(structure: Any, values: Any, training: bool) -> Any:
    network = nnx.merge(structure, values, copy=True)
    network.train() if training else network.eval()
    return network


def _apart(ours: Any, theirs: torch.Tensor) -> float:
    beside = theirs.detach().permute(0, 2, 3, 1).cpu().numpy()
    return float(np.abs(np.asarray(ours) - beside).max() / np.abs(beside).max())


def peer_of(network: EncoderUNet, images: Any, device: str) -> tuple[torch.nn.Module, float]:
    """The U-Net of segmentation_models_pytorch with our encoder's weights, and what differs."""
    declared = let_torchvision_import()
    import segmentation_models_pytorch as package  # pyright: ignore[reportMissingImports]

    del declared
    features = [pair.second.bias.shape[0] for pair in network.up]
    options = {"encoder_weights": None, "in_channels": network.in_features, "classes": CLASSES}
    peer = channels_last(package.Unet("resnet18", decoder_channels=features, **options))
    encoder: Any = peer.encoder
    encoder.load_state_dict(state_of(network.encoder))
    with torch.no_grad():
        found = encoder.to(device).eval()(put(images, device))[1:]
    network.encoder.eval()
    expected = network.encoder(images)
    network.encoder.train()
    apart = [_apart(ours, theirs) for ours, theirs in zip(expected, found, strict=True)]
    return peer, float(np.max(apart))


def let_torchvision_import() -> torch.library.Library | None:
    """Declare two operators that torchvision describes even where it has not loaded its own."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:  # "operator torchvision::nms does not exist"
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        return declared
    return None


def peers_of(
    case: Case, given: argparse.Namespace, images: Any, device: str
) -> tuple[dict[str, torch.nn.Module], dict[str, tuple[str, str]]]:
    """Networks that compute the same, and how far their values and gradients are from ours."""
    torch.backends.cudnn.allow_tf32 = False
    plain = case.network("float32")
    with jax.default_matmul_precision("highest"):
        plain(images)  # so that running moments are not those of the beginning
        apart = {THEIRS: logits_apart(plain, images, device)}
        peers = {THEIRS: same_network(plain)}
        if given.smp and isinstance(plain, EncoderUNet):
            peers[SMP], apart[SMP] = peer_of(plain, images, device)
    gradients = gradients_apart(case, device)
    values = float(np.max(list(apart.values())))
    if not (values < TOLERANCE and gradients < TOLERANCE_OF_GRADIENTS):
        raise SystemExit(
            f"{case.name}: values differ by {values:.1e} and gradients by "
            f"{gradients:.1e}, more than {TOLERANCE:.0e} and {TOLERANCE_OF_GRADIENTS:.0e}."
        )
    torch.backends.cudnn.allow_tf32 = True  # as XLA does
    shown = {name: (f"{value:.1e}", "") for name, value in apart.items()}
    shown[THEIRS] = shown[THEIRS][0], f"{gradients:.1e}"
    return peers, shown


def compare(case: Case, given: argparse.Namespace, device: str) -> list[tuple[str, ...]]:
    """Rows of one network."""
    size, batch = given.size or case.size, given.batch or case.batch
    random = np.random.default_rng(0)
    images = random.normal(size=(batch, size, size, 1)).astype(np.float32)
    labels: Int[np.ndarray, "b r c"] = random.integers(0, CLASSES, images.shape[:3], np.int32)
    peers, apart = peers_of(case, given, images, device)
    wrap = torch.compile if given.compile else lambda network: network
    ways: dict[str, Ours | Theirs] = {OURS: Ours(case.network(given.precision), images, labels)}
    if jax.default_backend() == "cpu" or device != "cpu":  # else ours alone has the GPU
        for name, peer in peers.items():
            ways[name] = Theirs(peer, images, labels, device, given.precision, wrap)
    first = {}
    for name, way in ways.items():
        began = time.perf_counter()
        way.step()
        first[name] = time.perf_counter() - began
    steps = {name: way.step for name, way in ways.items()}
    trained = median_seconds(steps, rounds=ROUNDS)
    spent = median_seconds(steps, rounds=ROUNDS, clock=time.process_time)
    inferred = median_seconds({name: way.infer for name, way in ways.items()}, rounds=ROUNDS)
    rows = []
    for name in ways:
        ratios = ("",) * 3
        if name != OURS:
            ratios = tuple(f"{of[name] / of[OURS]:.2f}" for of in (trained, spent, inferred))
        of_training = f"{batch / trained[name]:.3g}", *ratios[:2]
        of_inference = f"{batch / inferred[name]:.3g}", ratios[2]
        title = f"{case.name}, {batch} of {size}^2"
        cells = title, name, *of_training, *of_inference, *apart.get(name, ("", ""))
        rows.append((*cells, f"{first[name]:.0f}"))
    return rows


def main() -> None:
    """Show that both are the same, time them, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, help="side of the images, of both networks")
    parser.add_argument("--batch", type=int, help="images at a time, of both networks")
    parser.add_argument("--threads", type=int, default=2, help="on a CPU, of each")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="PyTorch by torch.compile")
    parser.add_argument("--smp", action="store_true", help="segmentation_models_pytorch too")
    given = parser.parse_args()
    device = shared_device(given.threads)
    torch.backends.cudnn.benchmark = True
    print_table(HEAD, [row for case in CASES for row in compare(case, given, device)])


if __name__ == "__main__":
    main()
