"""Residual networks: the same features as a plain PyTorch copy of the published ones."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from idml_jax.models import ResNet, load_pytorch_weights, pytorch_weights

pytestmark = pytest.mark.usefixtures("standard_promotion")


class Block(nn.Module):
    """torchvision's blocks, written out."""

    def __init__(self, before, width, stride, wide):
        super().__init__()
        self.wide = wide
        after = 4 * width if wide else width
        sides = ((1, 1), (3, stride), (1, 1)) if wide else ((3, stride), (3, 1))
        widths = (before, width, width, after) if wide else (before, width, after)
        for number, (side, step) in enumerate(sides, 1):
            conv = nn.Conv2d(
                widths[number - 1], widths[number], side, step, padding=side // 2, bias=False
            )
            setattr(self, f"conv{number}", conv)
            setattr(self, f"bn{number}", nn.BatchNorm2d(widths[number]))
        if stride > 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        count = 3 if self.wide else 2
        for number in range(1, count + 1):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
            x = torch.relu(x) if number < count else x
        return torch.relu(x + shortcut)


class Plain(nn.Module):
    """torchvision's networks, with their last layer."""

    def __init__(self, depth, channels=3):
        super().__init__()
        wide = depth == 50
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        before = 64
        counts = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]
        for number, (width, count) in enumerate(zip((64, 128, 256, 512), counts, strict=True), 1):
            blocks = []
            for place in range(count):
                blocks.append(Block(before, width, 2 if number > 1 and not place else 1, wide))
                before = 4 * width if wide else width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        found = [x]
        x = nn.functional.max_pool2d(x, 3, 2, padding=1)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
            found.append(x)
        return found


def drawn(depth, channels=3):
    """A network of random weights and moments, none of them at its first value."""
    generator = torch.Generator().manual_seed(depth)
    network = Plain(depth, channels).eval()
    for name, tensor in network.state_dict().items():
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            low, high = (0.5, 1.5) if "weight" in name or "var" in name else (-0.2, 0.2)
            tensor.uniform_(low, high, generator=generator)
    return network


def arrays(network):
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_features_are_those_of_pytorch(depth):
    peer, ours = drawn(depth), ResNet(3, depth, rngs=nnx.Rngs(0))
    unused = load_pytorch_weights(ours, arrays(peer))
    assert [name for name in unused if "num_batches" not in name] == ["fc.bias", "fc.weight"]
    ours.eval()
    images = np.random.default_rng(0).random((1, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        expected = peer(torch.from_numpy(images.transpose(0, 3, 1, 2)))
    found = ours(images)
    assert tuple(each.shape[-1] for each in found) == ours.features
    for one, other in zip(found, expected, strict=True):
        other = other.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(one, other, atol=1e-4 * max(1, abs(other).max()))
    # And PyTorch is given them back.
    back = {name: torch.from_numpy(value) for name, value in pytorch_weights(ours).items()}
    missing, unknown = drawn(depth).load_state_dict(back, strict=False)
    assert not unknown and all("num_batches" in name or "fc." in name for name in missing)
    given = peer.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in back.items())


def test_a_grey_image_is_three_equal_channels():
    peer = drawn(18)
    colour, grey = (ResNet(channels, 18, rngs=nnx.Rngs(0)) for channels in (3, 1))
    for network in (colour, grey):
        prefixed = {f"encoder.{name}": value for name, value in arrays(peer).items()}
        load_pytorch_weights(network, prefixed)
        network.eval()
    image = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    for one, other in zip(grey(image), colour(image.repeat(3, axis=-1)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 * float(jnp.abs(other).max()))


def test_weights_of_another_network_are_refused():
    ours = ResNet(3, 34, rngs=nnx.Rngs(0))
    weights = arrays(drawn(18))
    with pytest.raises(ValueError, match="weights are missing"):
        load_pytorch_weights(ours, weights)
    with pytest.raises(ValueError, match=r"conv1.weight has the shape \(7, 7, 3, 64\), and here"):
        load_pytorch_weights(ResNet(2, 18, rngs=nnx.Rngs(0)), weights)


def test_a_depth_that_there_is_none_of_is_refused(unchecked):
    with pytest.raises(ValueError, match="18, 34, 50"):
        ResNet(1, 101, rngs=nnx.Rngs(0))
