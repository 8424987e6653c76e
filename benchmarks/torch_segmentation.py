"""The networks of segmentation in PyTorch: our layers in the layouts that PyTorch has for them.

Parts have the names of `idml_jax.models`, so that the weights of ours fit by their places.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from idml_jax.models import EncoderUNet, EqualizedConv, EqualizedLinear, UNet

BLOCKS, STAGES = (2, 2, 2, 2), (64, 128, 256, 512)
"""Of a residual network of 18 layers."""


class ConvolutionPair(nn.Module):
    """Two convolutions, each normalized and rectified."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.first = nn.Conv2d(in_features, out_features, 3, padding=1)
        self.second = nn.Conv2d(out_features, out_features, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(out_features) for _ in range(2))

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b f2 r c"]:
        first, second = self.norms
        x = functional.leaky_relu(first(self.first(x)), 0.2)
        return functional.leaky_relu(second(self.second(x)), 0.2)


class Upsampled(nn.Module):
    """What a coarse grid found, on one twice as fine."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, 3, padding=1)
        self.norm = nn.BatchNorm2d(out_features)

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b f2 r2 c2"]:
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return functional.leaky_relu(self.norm(self.conv(x)), 0.2)


class PlainUNet(nn.Module):
    """`UNet` as it is by default."""

    def __init__(self, in_features: int, classes: int, features: Sequence[int]):
        super().__init__()
        before = (in_features, *features[:-1])
        steps = list(zip(features[:0:-1], features[-2::-1], strict=True))
        self.down = nn.ModuleList(map(ConvolutionPair, before, features))
        self.lift = nn.ModuleList(Upsampled(coarse, fine) for coarse, fine in steps)
        self.up = nn.ModuleList(ConvolutionPair(2 * fine, fine) for _, fine in steps)
        self.last = nn.Conv2d(features[0], classes, 1)

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b classes r c"]:
        kept = []
        for number, pair in enumerate(self.down):
            x = pair(functional.avg_pool2d(x, 2) if number else x)
            kept.append(x)
        for number, (lift, pair) in enumerate(zip(self.lift, self.up, strict=True)):
            x = pair(torch.cat([kept[-2 - number], lift(x)], dim=1))
        return self.last(x)


class BasicBlock(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(self, in_features: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_features, width, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()
        if stride != 1 or in_features != width:
            self.downsample.append(nn.Conv2d(in_features, width, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(width))

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b f2 r2 c2"]:
        found = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(found)) + self.downsample(x))


class ResNet(nn.Module):
    """What each resolution of a residual network of 18 layers makes of images."""

    def __init__(self, in_features: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_features, STAGES[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGES[0])
        before = STAGES[0]
        for number, (width, count) in enumerate(zip(STAGES, BLOCKS, strict=True)):
            stage = nn.Sequential()
            for place in range(count):
                stage.append(BasicBlock(before, width, 2 if number and not place else 1))
                before = width
            setattr(self, f"layer{number + 1}", stage)

    def forward(self, x: Float[Tensor, "b f r c"]) -> list[Tensor]:
        x = torch.relu(self.bn1(self.conv1(x)))
        found = [x]
        x = functional.max_pool2d(x, 3, 2, 1)
        for number in range(len(STAGES)):
            x = getattr(self, f"layer{number + 1}")(x)
            found.append(x)
        return found


class ResidualUNet(nn.Module):
    """`EncoderUNet` of 18 layers."""

    def __init__(self, in_features: int, classes: int, features: Sequence[int]):
        super().__init__()
        self.encoder = ResNet(in_features)
        beside = (*STAGES[-2::-1], STAGES[0], 0)
        before = (STAGES[-1], *features[:-1])
        self.lift = nn.ModuleList(map(Upsampled, before, features))
        pairs = zip(features, beside, strict=True)
        self.up = nn.ModuleList(ConvolutionPair(fine + kept, fine) for fine, kept in pairs)
        self.last = nn.Conv2d(features[-1], classes, 1)

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b classes r c"]:
        *kept, x = self.encoder(x)
        for lift, pair in zip(self.lift, self.up, strict=True):
            x = lift(x)
            x = pair(torch.cat([kept.pop(), x], dim=1) if kept else x)
        return self.last(x)


def state_of(network: nnx.Module) -> dict[str, Tensor]:
    """Parameters and running moments of ours, as PyTorch calls and lays them out."""
    found: dict[str, Any] = {}
    for path, module in nnx.iter_modules(network):
        name = ".".join(map(str, path))
        if isinstance(module, EqualizedConv | EqualizedLinear | nnx.Conv):
            kernel = np.asarray(module.kernel[...]) * getattr(module, "scale", 1.0)
            kernel = kernel.reshape((1,) * (4 - kernel.ndim) + kernel.shape)
            found[f"{name}.weight"] = kernel.transpose(3, 2, 0, 1)
            if module.bias is not None:
                found[f"{name}.bias"] = module.bias[...]
        elif isinstance(module, nnx.BatchNorm):
            assert module.scale is not None and module.bias is not None
            found |= {
                f"{name}.weight": module.scale[...],
                f"{name}.bias": module.bias[...],
                f"{name}.running_mean": module.mean[...],
                f"{name}.running_var": module.var[...],
                f"{name}.num_batches_tracked": jnp.zeros((), jnp.int32),
            }
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


def same_network(network: UNet | EncoderUNet) -> nn.Module:
    """The same in PyTorch, with the same weights in their precision, channels last in memory."""
    features = [pair.second.bias.shape[0] for pair in network.up]
    if isinstance(network, EncoderUNet):
        found = ResidualUNet(network.in_features, network.classes, features)
    else:
        coarsest = network.down[-1].second.bias.shape[0]
        found = PlainUNet(network.in_features, network.classes, (*features[::-1], coarsest))
    weights = state_of(network)
    found.to(weights["last.weight"].dtype).load_state_dict(weights)
    return channels_last(found)


def channels_last(network: nn.Module) -> nn.Module:
    """The same, with its weights in that order in memory."""
    convert: Any = network.to  # in that form not in its annotations
    return convert(memory_format=torch.channels_last)
