"""Residual networks as encoders, which take the weights of PyTorch's."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray, Shaped

from idml_jax.models.layers import drawn_normal
from idml_jax.typing import Array, Images

Depth: TypeAlias = Literal[18, 34, 50]

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
}
"""Blocks of each stage: K. He et al. 2016, table 1."""

DEPTHS: dict[str, Depth] = {"resnet18": 18, "resnet34": 34, "resnet50": 50}
"""By the names that options have for them."""

STAGES = (64, 128, 256, 512)
"""Channels inside the blocks of each stage."""


class ResNet(nnx.Module):
    """What each resolution of a residual network makes of images, the finest first.

    Half, a quarter, an eighth, a sixteenth and a thirty-second of the image's sides. Layers and
    paddings are those of torchvision's, so that weights of theirs give the same features.

    Parameters
    ----------
    in_features : int
        Channels of an image.
    depth : {18, 34, 50}
        Layers; of 50, blocks of three convolutions, which quadruple the channels.
    dtype : dtype, optional
        Type that the convolutions compute in; the parameters stay float32.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR
       2016. In blocks of three the second convolution strides, as in torchvision.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = ResNet(1, 18, rngs=nnx.Rngs(0))
    >>> [x.shape for x in network(jnp.zeros((1, 64, 96, 1), jnp.float32))][::2]
    [(1, 32, 48, 64), (1, 8, 12, 128), (1, 2, 3, 512)]
    """

    def __init__(
        self,
        in_features: int,
        depth: Depth,
        *,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        if depth not in BLOCKS:
            raise ValueError(f"`depth` (={depth}) is one of {', '.join(map(str, BLOCKS))}.")
        options = {"dtype": dtype, "rngs": rngs}
        kind = BottleneckBlock if depth == 50 else BasicBlock
        self.in_features = in_features
        self.conv1 = _conv(in_features, STAGES[0], 7, 2, **options)
        self.bn1 = _norm(STAGES[0], rngs)
        before, stages = STAGES[0], []
        for number, (width, count) in enumerate(zip(STAGES, BLOCKS[depth], strict=True)):
            blocks = []
            for place in range(count):
                stride = 2 if number and not place else 1
                blocks.append(kind(before, width, stride, **options))
                before = width * kind.expansion
            stages.append(nnx.List(blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.features = (STAGES[0], *(width * kind.expansion for width in STAGES))

    def __call__(self, images: Images) -> tuple[Float[Array, "batch _ _ _"], ...]:
        x: Array = nnx.relu(self.bn1(self.conv1(jnp.asarray(images))))
        found: list[Array] = [x]
        x = _pooled(x)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                x = block(x)
            found.append(x)
        return tuple(found)


class BasicBlock(nnx.Module):
    """Two convolutions with a shortcut around them."""

    expansion = 1

    def __init__(
        self,
        in_features: int,
        width: int,
        stride: int,
        *,
        dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ):
        options = {"dtype": dtype, "rngs": rngs}
        self.conv1, self.bn1 = _conv(in_features, width, 3, stride, **options), _norm(width, rngs)
        self.conv2, self.bn2 = _conv(width, width, 3, 1, **options), _norm(width, rngs)
        self.downsample = nnx.List(_shortcut(in_features, width, stride, **options))

    def __call__(self, x: Float[jax.Array, "batch rows cols in"]) -> Float[Array, "batch _ _ out"]:
        found = nnx.relu(self.bn1(self.conv1(x)))
        found = self.bn2(self.conv2(found))
        return nnx.relu(found + _through(self.downsample, x))


class BottleneckBlock(nnx.Module):
    """A convolution between two of single pixels, with a shortcut around them."""

    expansion = 4

    def __init__(
        self,
        in_features: int,
        width: int,
        stride: int,
        *,
        dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ):
        options, wide = {"dtype": dtype, "rngs": rngs}, 4 * width
        self.conv1, self.bn1 = _conv(in_features, width, 1, 1, **options), _norm(width, rngs)
        self.conv2, self.bn2 = _conv(width, width, 3, stride, **options), _norm(width, rngs)
        self.conv3, self.bn3 = _conv(width, wide, 1, 1, **options), _norm(wide, rngs)
        self.downsample = nnx.List(_shortcut(in_features, wide, stride, **options))

    def __call__(self, x: Float[jax.Array, "batch rows cols in"]) -> Float[Array, "batch _ _ out"]:
        found = nnx.relu(self.bn1(self.conv1(x)))
        found = nnx.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        return nnx.relu(found + _through(self.downsample, x))


def pytorch_parameters(network: ResNet) -> dict[str, nnx.Variable]:
    """Every parameter and running moment by the name that torchvision has for it."""
    found: dict[str, nnx.Variable] = {}
    for path, variable in nnx.to_flat_state(nnx.state(network)):
        *parents, leaf = map(str, path)
        found[".".join([*parents, _LEAVES[leaf]])] = variable
    return found


def load_pytorch_weights(
    network: ResNet, weights: Mapping[str, Shaped[np.ndarray, "..."]]
) -> list[str]:
    """Give a network the weights of a PyTorch one, in place.

    Parameters
    ----------
    network : ResNet
    weights : mapping from str to array
        A state dict of torchvision's layout, under any prefix. Of a network of one channel the
        three of the first kernel are added up: a grey image is three equal channels.

    Returns
    -------
    unused : list of str
        Names of weights that this network has no place for: of a classifier's last layer.

    Raises
    ------
    ValueError
        If one is missing, or has another shape.
    """
    wanted = pytorch_parameters(network)
    prefix = _prefix(weights)
    given = {name.removeprefix(prefix): np.asarray(value) for name, value in weights.items()}
    if missing := [name for name in wanted if name not in given]:
        raise ValueError(
            f"{len(missing)} weights are missing, {missing[0]} among them: these are not of a "
            "residual network of this depth."
        )
    for name, variable in wanted.items():
        value = given[name].astype(np.float32)
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        if name == "conv1.weight" and network.in_features == 1 and value.shape[2] == 3:
            value = value.sum(axis=2, keepdims=True)
        if value.shape != variable.shape:
            raise ValueError(f"{name} has the shape {value.shape}, and here {variable.shape}.")
        variable[...] = jnp.asarray(value)
    return sorted(set(given) - set(wanted))


def pytorch_weights(network: ResNet) -> dict[str, Float[np.ndarray, "..."]]:
    """The weights of a network as torchvision lays them out: a state dict of arrays.

    Examples
    --------
    >>> from flax import nnx
    >>> network = ResNet(1, 18, rngs=nnx.Rngs(0))
    >>> pytorch_weights(network)["conv1.weight"].shape
    (64, 1, 7, 7)
    >>> load_pytorch_weights(ResNet(1, 18, rngs=nnx.Rngs(1)), pytorch_weights(network))
    []
    """
    found = {name: np.array(value[...]) for name, value in pytorch_parameters(network).items()}
    return {
        name: np.ascontiguousarray(value.transpose(3, 2, 0, 1)) if value.ndim == 4 else value
        for name, value in found.items()
    }


_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
"""What PyTorch calls parameters and moments."""


def _prefix(weights: Mapping[str, object]) -> str:
    """What stands before the names of all layers: "encoder." or "module.", or nothing."""
    first = [name for name in weights if name.endswith("conv1.weight") and "layer" not in name]
    return first[0].removesuffix("conv1.weight") if first else ""


def _conv(
    in_features: int,
    out_features: int,
    side: int,
    stride: int,
    *,
    dtype: DTypeLike | None,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """A convolution without bias, padded as much on both sides, whatever the stride."""
    return nnx.Conv(
        in_features,
        out_features,
        (side, side),
        strides=stride,
        padding=[(side // 2, side // 2)] * 2,
        use_bias=False,
        kernel_init=_drawn,
        dtype=dtype,
        rngs=rngs,
    )


def _drawn(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """He's initial values, by what goes out, as torchvision draws them."""
    scale = math.sqrt(2 / (math.prod(shape[:2]) * shape[3]))
    return (scale * drawn_normal(key, shape)).astype(dtype)


def _norm(features: int, rngs: nnx.Rngs) -> nnx.BatchNorm:
    return nnx.BatchNorm(features, momentum=0.9, epsilon=1e-5, rngs=rngs)


def _shortcut(
    in_features: int,
    out_features: int,
    stride: int,
    *,
    dtype: DTypeLike | None,
    rngs: nnx.Rngs,
) -> list[nnx.Module]:
    """What makes the shortcut as wide and coarse as what it goes around; nothing where it is."""
    if stride == 1 and in_features == out_features:
        return []
    conv = _conv(in_features, out_features, 1, stride, dtype=dtype, rngs=rngs)
    return [conv, _norm(out_features, rngs)]


def _through(
    layers: Sequence[Any], x: Float[jax.Array, "batch _ _ _"]
) -> Float[Array, "batch _ _ _"]:
    for layer in layers:
        x = layer(x)
    return x


def _pooled(x: Float[Array, "batch rows cols f"]) -> Float[Array, "batch _ _ f"]:
    """The largest of three by three, at every second pixel."""
    padding = ((1, 1), (1, 1))
    return nnx.max_pool(x, (3, 3), strides=(2, 2), padding=padding)  # pyright: ignore[reportArgumentType]
