"""What a generator is told: the user's words and units into numbers, and back."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from idml_jax import training
from idml_jax.errors import InputError
from idml_jax.training.conditions import Condition, shown
from idml_jax.training.real_images import RealImages

HOURS = Condition.of("hours", [1.0, 2.0, 24.0, 2.0], source="table")
ETCH = Condition.of("etch", ["nital", "nital", "picral", "none"], source="table")
TOLD = training.Recipe.of_size((16, 16), conditions=4, meanings=(HOURS, ETCH))


def test_numbers_are_standardized_and_words_are_one_hot():
    wanted = [{"etch": "picral", "hours": value} for value in (1.0, 2.0, 24.0, 2.0)]
    told = training.encode_conditions(TOLD.meanings, wanted)
    assert told.dtype == np.float32 and told.shape == (4, 4)
    assert told[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert told[:, 0].std() == pytest.approx(1, rel=1e-6)
    assert (np.diff(told[[0, 1, 2], 0]) > 0).all()
    assert ETCH.classes == ("nital", "none", "picral")
    np.testing.assert_array_equal(told[:, 1:], np.tile([0, 0, 1], (4, 1)))
    # What is typed is a text.
    typed = training.encode_conditions(TOLD.meanings, [{"hours": "24", "etch": "picral"}])
    np.testing.assert_array_equal(typed[0], told[2])


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        ({"etch": "nital"}, "hours: is missing .* hours: a number, 1 to 24"),
        ({"etch": "nital", "hours": 2, "colour": 1}, "colour: nothing that .* etch: one of nital"),
        ({"etch": "Nital", "hours": 2}, "etch=Nital: no class .* nital, none, picral"),
        ({"etch": "nital", "hours": "two"}, "hours=two: 'hours' is a finite number, 1 to 24"),
        ({"etch": "nital", "hours": "inf"}, "hours=inf: 'hours' is a finite number"),
    ],
)
def test_what_cannot_be_wanted_is_refused_with_what_there_is(wanted, rule):
    with pytest.raises(InputError, match=rule) as refused:
        training.encode_conditions(TOLD.meanings, [wanted])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("found", [[3.0, 3.0], ["nital"] * 3])
def test_what_is_always_the_same_is_no_condition(found):
    with pytest.raises(InputError, match="'what': is .* so that it tells nothing"):
        Condition.of("what", found, source="table")


def test_examples_are_a_part_and_the_range_is_that_of_all():
    found = Condition.of("fraction", [0.5, 0.1, 0.3, 0.9], source="crop", examples=[2, 0])
    assert found.values == (0.3, 0.5)
    assert (found.low, found.high, found.mean) == pytest.approx((0.1, 0.9, 0.45))


def test_draws_keep_together_what_was_together_and_more_of_them_begin_alike():
    drawn = training.draw_conditions(TOLD.meanings, 400, seed=3)
    pairs = set(zip(HOURS.values, ETCH.values, strict=True))
    assert {(told["hours"], told["etch"]) for told in drawn} == pairs
    # Two of four examples: 200 are expected, with a deviation of 10.
    assert abs(sum(told["etch"] == "nital" for told in drawn) - 200) < 50
    assert training.draw_conditions(TOLD.meanings, 7, seed=3) == drawn[:7]
    assert training.draw_conditions(TOLD.meanings, 400, seed=4) != drawn


def test_a_recipe_keeps_what_its_conditions_mean(tmp_path):
    recipe = dataclasses.replace(TOLD, channels=2, output="phases", labels=(0, 255))
    assert training.Recipe.from_plain(json.loads(json.dumps(recipe.plain()))) == recipe
    gan = training.ProgressiveGAN(recipe.networks()[0], recipe)
    training.write_generator(tmp_path / "gan.safetensors", gan)
    assert training.load_generator(tmp_path / "gan.safetensors").recipe == recipe


def test_a_recipe_from_before_there_were_meanings_is_read_and_its_run_goes_on():
    recipe = training.Recipe(conditions=1)
    old = recipe.plain()
    assert not {"meanings", "labels"} & set(old)
    assert training.Recipe.from_plain(json.loads(json.dumps(old))) == recipe


def test_a_file_from_before_there_were_meanings_or_noise_is_loaded(tmp_path):
    recipe = training.Recipe.of_size((8, 8), width=8, conditions=1, noise=False)
    path = tmp_path / "gan.safetensors"
    gan = training.ProgressiveGAN(recipe.networks()[0], recipe)
    training.write_generator(path, gan)
    with safetensors.safe_open(str(path), framework="numpy") as file:
        texts = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    old = json.loads(texts["recipe"])
    del old["noise"]
    texts["recipe"] = json.dumps(old)
    path.write_bytes(safetensors.numpy.save(arrays, metadata=texts))
    loaded = training.load_generator(path)
    assert loaded.recipe == recipe
    latents, wanted = np.ones((2, 16), np.float32), np.ones((2, 1), np.float32)
    np.testing.assert_array_equal(loaded(latents, wanted), gan(latents, wanted))


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"conditions": 2, "meanings": (HOURS,)}, "stand for 1 numbers, and `conditions` are 2"),
        (
            {"conditions": 2, "meanings": (HOURS, dataclasses.replace(HOURS, values=(1.0,)))},
            "as many examples",
        ),
        ({"labels": (0, 1)}, "1 channels of grey"),
        ({"detector": True, "channels": 2, "output": "phases"}, "of grey values"),
        ({"channels": 2, "output": "phases", "labels": (0, 1, 2)}, "2 channels of phases"),
    ],
)
def test_what_does_not_go_together_is_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        training.Recipe(**options)


def test_what_is_known_of_micrographs_stands_before_what_is_found_in_crops():
    known = np.array([[1.0, -1.0], [2.0, -2.0]], np.float32)
    real = RealImages(training.Recipe(conditions=3), (known, lambda crops: crops.mean(axis=(1, 2))))
    real.check(2)
    crops = np.full((3, 4, 4, 1), 0.25, np.float32)
    told = real._conditions_of(crops, jax.numpy.array([1, 0, 1]))
    np.testing.assert_allclose(told, [[2, -2, 0.25], [1, -1, 0.25], [2, -2, 0.25]])


@pytest.mark.parametrize(
    ("conditions", "count"), [(np.ones((2, 3)), 2), (np.ones((3, 2)), 2), (np.ones((2, 2)), 0)]
)
def test_conditions_of_another_shape_are_refused(conditions, count):
    given = (conditions, lambda crops: crops) if count == 0 else conditions
    with pytest.raises(ValueError, match="one row a micrograph"):
        RealImages(training.Recipe(conditions=2), given).check(2)


@pytest.mark.parametrize("value", [24.0, 0.1, 1 / 3, 1e-9, 123456789.0, -2.5, 1e300])
def test_a_number_that_is_shown_is_read_back_exactly(value):
    assert float(shown(value)) == value
