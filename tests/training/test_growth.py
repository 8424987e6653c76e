"""Level and fade follow from the step alone."""

import pytest

from idml_jax import training


def test_every_level_has_its_images_and_begins_once():
    growth = training.Growth(images=(40, 60, 64), batches=(8, 6, 4), fade=0.5)
    stages = [growth.stage(step) for step in range(growth.steps)]
    for level in range(3):
        count = sum(stage.level == level for stage in stages)
        assert count * growth.batches[level] == growth.images[level]
    assert [step for step, stage in enumerate(stages) if stage.first] == [0, 5, 15]


def test_fade_rises_evenly_to_one_over_its_share_of_the_level():
    growth = training.Growth(images=(8, 80), batches=(4, 4), fade=0.5)
    fades = [growth.stage(step).fade for step in range(growth.steps)]
    assert fades[:2] == [1, 1]
    assert fades[2:12] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert fades[12:] == [1] * 10


def test_past_the_end_the_last_stage_holds():
    growth = training.Growth(images=(8, 8), batches=(4, 4))
    assert growth.stage(1000) == growth.stage(growth.steps - 1)


@pytest.mark.parametrize("images, batches", [((8,), (4, 4)), ((), ()), ((0,), (4,)), ((8,), (1,))])
def test_a_growth_that_makes_no_sense_is_refused(images, batches):
    with pytest.raises(ValueError, match="images"):
        training.Growth(images=images, batches=batches)
