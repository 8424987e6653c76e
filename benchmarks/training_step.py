"""One adversarial training step at full size beside the same step in PyTorch, in one run.

    python -m benchmarks.training_step                  # 64 pixels, on two CPU cores
    python -m benchmarks.training_step --size 256 --precision bfloat16 --compile --peak-tflops 989
                                                        # on a GPU, here an H200 and its peak

A step updates the discriminator, with R1 on a quarter of the images, then the generator, both by
Adam, then the generator's average: at the last level of `Recipe.of_size`, nothing faded in or
augmented. Ours also looks for numbers that are not finite, and reports what a record holds.

PyTorch has the same networks (`benchmarks/torch_progressive_gan.py`) with our parameters, channels
last in memory, and resamples beside its convolutions or by their stride of two. Before anything is
timed all are shown to compute the same in float32: images, scores, and the losses of two steps.
The real images of each lie on the device. On a CPU the process is kept to `--threads` cores, which
is how many threads XLA starts, and PyTorch is told to use as many. A device is idle for the share
of the time that is saved where the steps are dispatched together and not waited for one by one.
Quote the ratios: they carry over to another machine.
"""

import argparse
import collections
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from jaxtyping import Float

from benchmarks.processors import shared_device
from benchmarks.timing import median_seconds, print_table
from benchmarks.torch_progressive_gan import Losses, Training
from idml_jax.models import AddedNoise
from idml_jax.training import Growth, Recipe, adversarial_step, initial_state

TOLERANCE, TOLERANCE_AFTER = 1e-4, 1e-3
"""Of images, scores and losses, and of the next losses: Adam's first step is made of signs."""
BATCHES, SAMPLED, ROUNDS = 4, 64, 5
"""Batches on the device, images that are sampled together, and how often all is timed."""
OURS = "idml_jax"
HEAD = ("way", "images a second", "seconds per 1000", "ours is faster by", "largest difference")
HEAD += ("after an update", "first step, seconds", "sampled a second", "idle where waited for")


class Ours:
    """The step that `train_progressive_gan` makes, of real images that are there."""

    def __init__(self, recipe: Recipe, real: Float[np.ndarray, "count batch rows cols f"]):
        options, transform = recipe.step_options(len(recipe.features) - 1), recipe.transform()
        generator, discriminator = recipe.networks()
        # From their beginning at zero no strength of noise would show whether it is the same.
        for _, module in nnx.iter_modules(generator):
            if isinstance(module, AddedNoise):
                module.strength[...] += 0.2
        networks, self.state = initial_state(generator, discriminator, transform)
        self.real, self.number = jax.device_put(real), 0
        self.latents = (real.shape[1], recipe.latent_features)
        rate = jnp.float32(recipe.learning_rates[-1])

        def step(state: Any, real: Any, number: Any) -> tuple[Any, Losses]:
            given = state, real[number % len(real)], jax.random.key(number), jnp.float32(1), rate
            state, found = adversarial_step(networks, transform, options, *given, number)
            return state, Losses(*(getattr(found, name) for name in Losses._fields))

        def sample(average: Any, number: Any) -> Any:
            latents = jax.random.normal(jax.random.key(number), (SAMPLED, recipe.latent_features))
            return nnx.merge(networks.generator, average)(latents)

        self.networks, self.sampled = networks, jax.jit(sample)
        self.jitted = jax.jit(step, donate_argnums=0)

    @functools.cached_property
    def compiled(self) -> tuple[Any, float]:
        """The step, and its operations."""
        lowered = self.jitted.lower(self.state, self.real, jnp.int32(0))
        compiled = lowered.compile()
        # Once compiled, those that are left to cuDNN may not be counted.
        analyses = lowered.cost_analysis(), compiled.cost_analysis()
        return compiled, max(float((found or {}).get("flops", 0)) for found in analyses)

    def step(self) -> Losses:
        """Dispatch a step; it draws latents and noise itself."""
        self.state, losses = self.compiled[0](self.state, self.real, jnp.int32(self.number))
        self.number += 1
        return losses

    def step_of(self, drawn: "Drawn") -> Losses:
        """Dispatch a step of these draws, which are its own of that number."""
        return self.step()

    def drawn(self, number: int) -> "Drawn":
        """What a step draws."""
        keys = jax.random.split(jax.random.key(number), 7)
        latents = jax.random.normal(keys[0], self.latents, jnp.float32)
        generator = nnx.merge(self.networks.generator, self.state.generator)
        numbers = np.asarray(jax.random.bits(keys[3], self.latents[:1], jnp.uint32))
        fields = [field for field in generator.noise_fields(numbers) if field is not None]
        return Drawn(np.array(latents), numbers, [np.array(field) for field in fields])

    def parameters(self) -> list[dict[str, np.ndarray]]:
        """Of both networks, by their places."""
        return [
            {"/".join(map(str, place)): np.array(leaf) for place, leaf in flat}
            for flat in map(nnx.to_flat_state, (self.state.generator, self.state.discriminator))
        ]

    def seen(self, drawn: "Drawn") -> tuple[np.ndarray, np.ndarray]:
        """Generated images, and scores of the first real ones."""
        generator = nnx.merge(self.networks.generator, self.state.generator)
        discriminator = nnx.merge(self.networks.discriminator, self.state.discriminator)
        images = jax.jit(generator.__call__)(drawn.latents, noise=drawn.numbers)
        return np.asarray(images), np.asarray(jax.jit(discriminator.__call__)(self.real[0]))

    def sample(self) -> Any:
        """Dispatch a batch of new images."""
        return self.sampled(self.state.average, jnp.int32(self.number))

    def wait(self, found: Any) -> None:
        """Until what was dispatched is done."""
        jax.block_until_ready((self.state, found))


class Drawn(NamedTuple):
    """What is random in a step: latents, and the noise of each layer by its number and itself."""

    latents: np.ndarray
    numbers: np.ndarray
    noise: list[np.ndarray]


class Theirs(Training):
    """The same in PyTorch."""

    def put(self, drawn: Drawn) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Latents and noise on the device."""
        latents, *noise = (
            torch.from_numpy(array).to(self.device) for array in (drawn.latents, *drawn.noise)
        )
        return latents, noise

    def step_of(self, drawn: Drawn) -> Losses:
        """Dispatch a step of these draws."""
        return self.step(*self.put(drawn))

    @torch.no_grad()
    def seen(self, drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
        """Generated images, and scores of the first real ones."""
        images = self.generator(*self.put(drawn)).permute(0, 2, 3, 1)
        return images.cpu().numpy(), self.discriminator(self.real[0]).cpu().numpy()

    @torch.no_grad()
    def sample(self) -> Any:
        """Dispatch a batch of new images."""
        return self.synthesize(torch.randn(SAMPLED, self.latents[1], device=self.device))

    def wait(self, found: Any) -> None:
        """Until what was dispatched is done."""
        if self.device == "cuda":
            torch.cuda.synchronize()


class Begun(NamedTuple):
    """A way that has made its first steps; largest differences from ours, and seconds."""

    way: Ours | Theirs
    difference: float
    after_update: float
    first_step: float


def begin(recipe: Recipe, real: np.ndarray, *, device: str, compiled: bool) -> dict[str, Begun]:
    """All ways, and how far what each finds first is from what ours does."""
    ways: dict[str, Ours | Theirs] = {OURS: (ours := Ours(recipe, real))}
    options: dict[str, Any] = {"device": device, "compiled": compiled}
    for name, within in (("PyTorch", False), ("PyTorch, resampling by stride", True)):
        ways[name] = Theirs(recipe, real, ours.parameters(), within=within, **options)
    drawn = ours.drawn(0), ours.drawn(1)
    begun, expected = {}, []
    for name, way in ways.items():
        found, began = list(way.seen(drawn[0])), time.perf_counter()
        losses = way.step_of(drawn[0])
        way.wait(losses)
        seconds = time.perf_counter() - began
        after = way.step_of(drawn[1])
        found += [np.array([float(loss) for loss in each]) for each in (losses, after)]
        expected = expected or found
        apart = [float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True)]
        begun[name] = Begun(way, max(apart[:-1]), apart[-1], seconds)
    return begun


def calls(name: str, way: Ours | Theirs, steps: int) -> dict[str, Callable[[], None]]:
    """What is timed of a way."""

    def one_by_one() -> None:
        for _ in range(steps):
            way.wait(way.step())

    return {
        f"together {name}": lambda: way.wait([way.step() for _ in range(steps)]),
        f"one by one {name}": one_by_one,
        f"sampling {name}": lambda: way.wait(way.sample()),
    }


def rows(begun: dict[str, Begun], batch: int, steps: int) -> list[tuple[str, ...]]:
    """Times of all ways, of steps that are dispatched together."""
    ways = [calls(name, each.way, steps) for name, each in begun.items()]
    seconds = median_seconds(dict(collections.ChainMap(*ways)), rounds=ROUNDS)
    found = []
    for name, (_, *differences, first_step) in begun.items():
        together, ratio = seconds[f"together {name}"], ("",) * 3
        if name != OURS:
            ratio = (
                f"{together / seconds[f'together {OURS}']:.2f}",
                *(f"{each:.1e}" for each in differences),
            )
        step, idle = together / steps, max(0.0, 1 - together / seconds[f"one by one {name}"])
        sampled = SAMPLED / seconds[f"sampling {name}"]
        rate = f"{batch / step:.3g}", f"{1000 * step / batch:.3g}"
        found.append((name, *rate, *ratio, f"{first_step:.0f}", f"{sampled:.0f}", f"{idle:.0%}"))
    return found


def main() -> None:
    """Show that both are the same, time them, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="side of the images")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2, help="on a CPU, of each")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="PyTorch by torch.compile")
    parser.add_argument("--peak-tflops", type=float, help="of the device, in the precision")
    given = parser.parse_args()
    device, gpu = shared_device(given.threads), jax.default_backend() == "gpu"
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False

    recipe = Recipe.of_size((given.size, given.size))
    growth = Growth(recipe.growth.images, (given.batch,) * len(recipe.features))
    recipe = dataclasses.replace(recipe, growth=growth)
    shape = (BATCHES, given.batch, *recipe.size, recipe.channels)
    real = np.random.default_rng(0).random(shape, np.float32)
    as_proven = given.precision == "float32" and not gpu
    with jax.default_matmul_precision("highest"):
        begun = begin(recipe, real, device=device, compiled=given.compile and as_proven)
    worst = max(each.difference for each in begun.values())
    after = max(each.after_update for each in begun.values())
    print(f"Images, scores and losses in float32 differ by {worst:.1e}, the next by {after:.1e}\n")
    if not (worst < TOLERANCE and after < TOLERANCE_AFTER):
        raise SystemExit(f"that is more than {TOLERANCE:.0e} and {TOLERANCE_AFTER:.0e}.")
    if not as_proven:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True  # as XLA does
        recipe = dataclasses.replace(recipe, precision=given.precision)
        begun = begin(recipe, real, device=device, compiled=given.compile)
    if gpu and device == "cpu":
        begun = {OURS: begun[OURS]}
    table = rows(begun, given.batch, steps=50 if gpu else 2)
    print_table(HEAD, table)
    way = begun[OURS].way
    assert isinstance(way, Ours)
    rate = way.compiled[1] / given.batch * float(table[0][1]) / 1e12
    share = f", {rate / given.peak_tflops:.1%} of the peak" if given.peak_tflops else ""
    print(f"\n{way.compiled[1] / 1e9:.1f} GFLOP in a step of ours: {rate:.3g} TFLOP/s{share}")


if __name__ == "__main__":
    main()
