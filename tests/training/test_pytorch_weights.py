"""Weights of PyTorch from files, and files that are something else."""

import numpy as np
import pytest
import safetensors.numpy
import torch
from flax import nnx

from idml_jax.errors import InputError
from idml_jax.models import EncoderUNet, ResNetClassifier, UNet, pytorch_weights
from idml_jax.training import read_pytorch_weights, write_encoder
from idml_jax.training.pytorch_weights import load_encoder

WEIGHTS = {"conv1.weight": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "count": np.float32(3)}


@pytest.mark.parametrize("inside", [None, "state_dict", "model"])
def test_what_torch_saved_is_read_whatever_it_lies_in(tmp_path, inside):
    state = {name: torch.tensor(value) for name, value in WEIGHTS.items()}
    torch.save(state if inside is None else {inside: state, "epoch": 3}, tmp_path / "w.pth")
    found = read_pytorch_weights(tmp_path / "w.pth")
    assert found.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], value)


def test_safetensors_are_read(tmp_path):
    arrays = {name: np.asarray(value) for name, value in WEIGHTS.items()}
    safetensors.numpy.save_file(arrays, tmp_path / "w.safetensors")
    found = read_pytorch_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(found["conv1.weight"], WEIGHTS["conv1.weight"])


def test_an_encoder_is_written_for_others_to_begin_with(tmp_path):
    path = tmp_path / "encoder.safetensors"
    network = ResNetClassifier(1, 3, 18, rngs=nnx.Rngs(0))
    write_encoder(path, network)
    other = EncoderUNet(1, 2, 18, features=(4, 4, 4, 4, 4), rngs=nnx.Rngs(1))
    load_encoder(other, path)
    expected, found = (pytorch_weights(each.encoder) for each in (network, other))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    with pytest.raises(ValueError, match="a UNet has no residual encoder"):
        write_encoder(path, UNet(1, 2, features=(4, 8), rngs=nnx.Rngs(0)))


class Trap:
    """What a file must not be able to do."""

    def __reduce__(self):
        return (open, ("trap", "w"))


def test_code_in_a_file_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Trap()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="no file of weights alone"):
        read_pytorch_weights(tmp_path / "w.pth")
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("w.safetensors", b"nothing", "no safetensors file"),
        ("w.pth", b"nothing", "no file of weights alone"),
        ("w.pth", b"", "no file of weights alone"),
    ],
)
def test_other_files_are_one_line(tmp_path, name, content, rule):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rule) as caught:
        read_pytorch_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_holds_no_names_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_pytorch_weights(tmp_path / "nothing.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds no arrays by name"):
        read_pytorch_weights(tmp_path / "list.pth")
