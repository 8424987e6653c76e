"""What a progressive GAN is made with, for every size."""

import dataclasses
import json

import pytest

from idml_jax import training


@pytest.mark.parametrize(
    ("size", "first", "levels"),
    [((8, 8), (8, 8), 1), ((64, 64), (8, 8), 4), ((96, 64), (12, 8), 4), ((256, 1024), (8, 32), 6),
     ((1024, 1024), (8, 8), 8)],
)  # fmt: skip
def test_a_size_gives_its_levels(size, first, levels):
    recipe = training.Recipe.of_size(size, width=32)
    assert (recipe.size, recipe.first_size, len(recipe.features)) == (size, first, levels)
    assert recipe.features[0] == 32 and min(recipe.features) >= 8


def test_the_default_is_that_of_64_pixels():
    assert training.Recipe.of_size((64, 64)) == training.Recipe()


def test_levels_can_be_given_one_by_one():
    recipe = training.Recipe.of_size(
        (32, 32), features=(12, 10, 8), shown=(100, 200, 300), effort=2.0, penalty=0.5
    )
    assert (recipe.features, recipe.growth.images) == ((12, 10, 8), (200, 400, 600))
    assert recipe.penalties == pytest.approx((0.05, 0.05, 0.1))
    for given in ({"features": (8, 8)}, {"shown": (100,)}):
        with pytest.raises(ValueError, match="have 3 levels, from 8 pixels on; give one number"):
            training.Recipe.of_size((32, 32), **given)


def test_options_that_are_newer_than_a_run_are_not_held_against_it():
    assert "contrast" not in training.Recipe().plain()
    recipe = training.Recipe(contrast=0.4)
    assert recipe.plain()["contrast"] == 0.4
    assert training.Recipe.from_plain(json.loads(json.dumps(recipe.plain()))) == recipe


@pytest.mark.parametrize("size", [(60, 60), (4, 4), (64, 68), (0, 0), (-64, 64)])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="8 times a power of two"):
        training.Recipe.of_size(size)


def test_a_recipe_survives_being_written_down():
    recipe = training.Recipe.of_size(
        (64, 96), channels=3, output="phases", pixel_size=(1e-8, 1e-8), augmented=True
    )
    assert training.Recipe.from_plain(json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"output": "phases"}, "two phases at least"),
        ({"augmented": True, "loss": "wasserstein"}, "the Wasserstein's has none"),
        ({"parts": 3}, "cut each batch evenly"),
        ({"parts": 8}, "two images a part at least"),
        ({"features": (6, 4)}, "'features': 2"),
        ({"contrast": 0.0}, "above 0 and up to 1"),
    ],
)
def test_what_does_not_go_together_is_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        training.Recipe(**options)


def test_the_average_forgets_half_in_a_half_life():
    recipe = training.Recipe(half_life=64)
    options = recipe.step_options(0)
    assert options.decay ** (64 / recipe.growth.batches[0]) == pytest.approx(0.5)
    assert (options.penalized, recipe.step_options(3).penalized) == (4, 2)
