"""The progressive GAN at its last level and its adversarial step in PyTorch.

What idml_jax computes, layer by layer and cast by cast; parts have the names of `idml_jax.models`.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from idml_jax.training import Recipe

leaky = functools.partial(functional.leaky_relu, negative_slope=0.2)


class EqualizedConv(nn.Module):
    """Convolution whose kernel is scaled at each call.

    With `within`, resampling is part of the convolution, which then has a stride of two and a
    kernel of 4 x 4 pixels (`fused_scale` in the program of Karras et al. 2018).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        side: int = 3,
        *,
        resample: str | None = None,
        within: bool = False,
        gain: float = math.sqrt(2),
        periodic: bool = False,
        dtype: torch.dtype = torch.float32,
    ):
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(out_features, in_features, side, side))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = gain / math.sqrt(in_features * side * side)
        self.resample, self.within = resample, within and resample is not None
        self.margin, self.periodic, self.dtype = side // 2, periodic, dtype

    def forward(self, x: Float[Tensor, "batch in r c"]) -> Float[Tensor, "batch out r2 c2"]:
        kernel, bias, margin = self.scale * self.kernel, self.bias.to(self.dtype), self.margin
        x = x.to(self.dtype)
        if self.within:
            corners = [(left, 1 - left, up, 1 - up) for left in (0, 1) for up in (0, 1)]
            kernel = torch.stack([functional.pad(kernel, corner) for corner in corners]).sum(dim=0)
        elif self.resample == "up":
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        if self.periodic:
            x, margin = wrapped(x, margin), 0
        if self.within and self.resample == "up":
            turned = kernel.flip(2, 3).transpose(0, 1).to(self.dtype)
            padding = 3 if self.periodic else 1
            return functional.conv_transpose2d(x, turned, bias, stride=2, padding=padding)
        if self.within:
            return functional.conv2d(x, (kernel / 4).to(self.dtype), bias, stride=2, padding=margin)
        x = functional.conv2d(x, kernel.to(self.dtype), bias, padding=margin)
        return functional.avg_pool2d(x, 2) if self.resample == "down" else x


class EqualizedLinear(nn.Module):
    """Dense layer whose kernel is scaled at each call, in float32."""

    def __init__(self, in_features: int, out_features: int, *, gain: float = math.sqrt(2)):
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = gain / math.sqrt(in_features)

    def forward(self, x: Float[Tensor, "batch in"]) -> Float[Tensor, "batch out"]:
        return functional.linear(x, self.scale * self.kernel, self.bias)


def wrapped(x: Float[Tensor, "b f r c"], margin: int) -> Float[Tensor, "b f r2 c2"]:
    """The image continued by its opposite sides; unlike PyTorch's own, channels stay last."""
    x = torch.cat([x[:, :, -margin:], x, x[:, :, :margin]], dim=2)
    return torch.cat([x[..., -margin:], x, x[..., :margin]], dim=3)


def pixel_norm(x: Float[Tensor, "b f *space"]) -> Float[Tensor, "b f *space"]:
    """Divide each feature vector by its root mean square, in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(dim=1, keepdim=True) + 1e-8)).to(x.dtype)


def append_minibatch_deviation(x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b f+1 r c"]:
    """Append one channel: how much the images of a group of four differ from each other."""
    batch, *shape = x.shape
    group = 4 if batch % 4 == 0 else batch
    grouped = x.float().reshape(group, batch // group, *shape)
    deviation = torch.sqrt(grouped.var(dim=0, unbiased=False) + 1e-8).mean(dim=(1, 2, 3))
    channel = deviation.to(x.dtype).repeat(group).reshape(batch, 1, 1, 1)
    return torch.cat([x, channel.expand(batch, 1, *shape[1:])], dim=1)


class AddedNoise(nn.Module):
    """Adds a noise field, by default a random one, times a strength that each channel learns."""

    def __init__(self, features: int):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(features))

    def forward(
        self, x: Float[Tensor, "b f r c"], noise: Float[Tensor, "b r c"] | None
    ) -> Float[Tensor, "b f r c"]:
        if noise is None:
            noise = torch.randn(len(x), *x.shape[2:], device=x.device)
        return x + (noise[:, None] * self.strength[:, None, None]).to(x.dtype)


class SynthesisBlock(nn.Module):
    """Upsampling and two convolutions."""

    def __init__(self, coarse: int, fine: int, *, noise: bool, **options: Any):
        super().__init__()
        self.conv1 = EqualizedConv(coarse, fine, resample="up", **options)
        self.conv2 = EqualizedConv(fine, fine, **options)
        self.noise1 = AddedNoise(fine) if noise else None
        self.noise2 = AddedNoise(fine) if noise else None

    def forward(
        self, x: Float[Tensor, "b f r c"], noise: Sequence[Tensor] | None
    ) -> Float[Tensor, "b f2 r2 c2"]:
        for number, (conv, add) in enumerate(
            ((self.conv1, self.noise1), (self.conv2, self.noise2))
        ):
            x = conv(x)
            if add is not None:
                x = add(x, noise[number] if noise else None)
            x = pixel_norm(leaky(x))
        return x


class AnalysisBlock(nn.Module):
    """Two convolutions and downsampling."""

    def __init__(self, fine: int, coarse: int, *, within: bool, dtype: torch.dtype):
        super().__init__()
        self.conv1 = EqualizedConv(fine, fine, dtype=dtype)
        self.conv2 = EqualizedConv(fine, coarse, resample="down", within=within, dtype=dtype)

    def forward(self, x: Float[Tensor, "b f r c"]) -> Float[Tensor, "b f2 r2 c2"]:
        return leaky(self.conv2(leaky(self.conv1(x))))


class Generator(nn.Module):
    """Latent vectors to images of the last level."""

    def __init__(self, recipe: Recipe, *, within: bool):
        super().__init__()
        self.fade = nn.Buffer(torch.ones(()))
        features, dtype = recipe.features, getattr(torch, recipe.precision)
        options: dict[str, Any] = {"periodic": recipe.periodic, "dtype": dtype, "within": within}
        self.shape = (*recipe.first_size, features[0])
        width = math.prod(self.shape)
        self.first = EqualizedLinear(recipe.latent_features, width, gain=math.sqrt(2) / 4)
        self.conv = EqualizedConv(features[0], features[0], **options)
        self.noise = AddedNoise(features[0]) if recipe.noise else None
        self.blocks = nn.ModuleList(
            SynthesisBlock(coarse, fine, noise=recipe.noise, **options)
            for coarse, fine in zip(features[:-1], features[1:], strict=True)
        )
        self.to_image = nn.ModuleList(
            EqualizedConv(width, recipe.channels, 1, gain=1.0, dtype=dtype) for width in features
        )

    def forward(
        self, latents: Float[Tensor, "b z"], noise: Sequence[Tensor] | None = None
    ) -> Float[Tensor, "b f r c"]:
        x = leaky(self.first(pixel_norm(latents))).reshape(-1, *self.shape).permute(0, 3, 1, 2)
        x = self.conv(pixel_norm(x))
        if self.noise is not None:
            x = self.noise(x, noise[0] if noise else None)
        coarser = x = pixel_norm(leaky(x))
        for number, block in enumerate(self.blocks):
            fields = noise[2 * number + 1 : 2 * number + 3] if noise else None
            coarser, x = x, block(x, fields)
        image = 0.5 + 0.5 * self.to_image[-1](x).float()
        below = 0.5 + 0.5 * self.to_image[-2](coarser).float()
        below = functional.interpolate(below, scale_factor=2.0, mode="nearest")
        return below + self.fade * (image - below)


class Discriminator(nn.Module):
    """Images of the last level to scores."""

    def __init__(self, recipe: Recipe, *, within: bool):
        super().__init__()
        self.fade = nn.Buffer(torch.ones(()))
        features, dtype = recipe.features, getattr(torch, recipe.precision)
        self.from_image = nn.ModuleList(
            EqualizedConv(recipe.channels, width, 1, dtype=dtype) for width in features
        )
        self.blocks = nn.ModuleList(
            AnalysisBlock(fine, coarse, within=within, dtype=dtype)
            for coarse, fine in zip(features[:-1], features[1:], strict=True)
        )
        width = features[0]
        self.conv = EqualizedConv(width + 1, width, dtype=dtype)
        self.hidden = EqualizedLinear(math.prod(recipe.first_size) * width, width)
        self.score = EqualizedLinear(width, 1, gain=1.0)

    def forward(self, images: Float[Tensor, "b f r c"]) -> Float[Tensor, " b"]:
        images = 2 * images - 1
        x = self.blocks[-1](leaky(self.from_image[-1](images)))
        below = leaky(self.from_image[-2](functional.avg_pool2d(images, 2)))
        x = below + self.fade.to(x.dtype) * (x - below)
        for block in list(self.blocks)[-2::-1]:
            x = block(x)
        x = leaky(self.conv(append_minibatch_deviation(x)))
        x = leaky(self.hidden(x.permute(0, 2, 3, 1).reshape(len(x), -1).float()))
        return self.score(x)[:, 0]


class Losses(NamedTuple):
    """Of a step; the generator's is that of the discriminator already updated."""

    generator_loss: Any
    discriminator_loss: Any
    gradient_penalty: Any


class Training:
    """Both networks, given parameters of ours by their places, and batches to train them on."""

    def __init__(
        self,
        recipe: Recipe,
        real: Float[np.ndarray, "count batch rows cols f"],
        parameters: Sequence[Mapping[str, np.ndarray]],
        *,
        device: str,
        compiled: bool,
        within: bool,
    ):
        self.options, self.device = recipe.step_options(len(recipe.features) - 1), device
        self.latents, self.number = (real.shape[1], recipe.latent_features), 0
        self.real = torch.from_numpy(real).permute(0, 1, 4, 2, 3).to(device)
        networks = Generator(recipe, within=within), Discriminator(recipe, within=within)
        for network, arrays in zip(networks, parameters, strict=True):
            for name, parameter in network.named_parameters():
                array = torch.from_numpy(arrays[name.replace(".", "/")])
                # Outputs come first here, and last in ours.
                turned = array.permute(3, 2, 0, 1) if array.ndim == 4 else array.t()
                four = torch.channels_last if parameter.ndim == 4 else torch.contiguous_format
                parameter.data = turned.reshape(parameter.shape).contiguous(memory_format=four)
            network.to(device)
        self.generator, self.discriminator = networks
        self.average = [p.detach().clone() for p in self.generator.parameters()]
        self.follow = get_ema_multi_avg_fn(self.options.decay)
        adam = functools.partial(torch.optim.Adam, lr=recipe.learning_rates[-1], betas=(0.5, 0.99))
        self.optimizers = [adam(network.parameters(), fused=True) for network in networks]
        wrap = torch.compile if compiled else lambda function: function
        self.synthesize, self.judge = wrap(self.generator), wrap(self._judge)
        self.convince = wrap(lambda fake: functional.softplus(-self.discriminator(fake)).mean())

    def step(self, latents: Tensor | None = None, noise: Sequence[Tensor] | None = None) -> Losses:
        """Dispatch a step, of given latents and noise or random ones."""
        real = self.real[self.number % len(self.real)]
        self.number += 1
        if latents is None:
            latents = torch.randn(self.latents, device=self.device)
        of_generator, of_discriminator = self.optimizers
        fake = self.synthesize(latents, noise)
        value, penalty = self.judge(real, fake.detach())
        of_discriminator.zero_grad()
        (value + self.options.penalty * penalty).backward()
        of_discriminator.step()
        self.discriminator.requires_grad_(False)
        loss = self.convince(fake)
        self.discriminator.requires_grad_(True)
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        self.follow(self.average, list(self.generator.parameters()), 0)
        return Losses(loss.detach(), value.detach(), penalty.detach())

    def _judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        score = self.discriminator
        value = functional.softplus(score(fake)) + functional.softplus(-score(real))
        # Of the ways to a gradient the one that is compiled and differentiated again.
        gradient = torch.func.grad(lambda x: score(x).sum())(real[: self.options.penalized])
        return value.mean(), gradient.square().sum(dim=(1, 2, 3)).mean()
