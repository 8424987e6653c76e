"""The search of latents: on a generator and a property whose optimum is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import design, statistics
from idml_jax.errors import InputError

# gpytorch and torch warn of their own coming versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Stripes:
    """Latents to images: the direction's first component alone sets the share of bright rows."""

    latent_features = 3

    def __call__(self, latents):
        latents = jnp.asarray(latents, float)
        share = 0.5 + 0.5 * latents[:, 0] / jnp.linalg.norm(latents, axis=1)
        bright = jnp.arange(64.0)[None] < 64.0 * share[:, None].astype(float)
        return jnp.broadcast_to(bright[:, :, None, None], (len(latents), 64, 4, 1)).astype(float)


def search(run, **options):
    options = {"objective": design.Objective("maximize"), "evaluations": 16} | options
    return design.optimize_latents(
        Stripes(), statistics.volume_fraction, run=run, phase=statistics.bright_phase,
        start=8, batch=4, **options,
    )  # fmt: skip


def test_the_extremes_are_found_and_random_search_is_not_better(tmp_path):
    for goal, best in (("maximize", 1.0), ("minimize", 0.0)):
        found = search(tmp_path / goal, objective=design.Objective(goal))
        assert found.value == pytest.approx(best, abs=0.02)
        assert found.objective.score(found.value) >= found.objective.score(found.random_value)


def test_a_target_is_met(tmp_path):
    found = search(tmp_path, objective=design.Objective("target", 0.3), evaluations=20)
    assert found.value == pytest.approx(0.3, abs=1 / 64)


def test_the_design_is_recomputed_from_its_saved_latents(tmp_path):
    found = search(tmp_path)
    image = np.asarray(Stripes()(np.load(tmp_path / "latents.npy")[None]))[0]
    np.testing.assert_array_equal(image, found.image)
    assert float(image.mean()) == found.value == found.recomputed


def test_a_search_that_was_stopped_goes_on_to_the_same_latents(tmp_path):
    whole = search(tmp_path / "whole")
    # What a search killed after its second batch has left behind.
    search(tmp_path / "part", evaluations=8)
    resumed = search(tmp_path / "part")
    np.testing.assert_array_equal(whole.search.latents, resumed.search.latents)
    np.testing.assert_array_equal(whole.search.values, resumed.search.values)


def test_both_searches_spend_the_same_and_none_is_lost(tmp_path):
    found = search(tmp_path, evaluations=15)
    assert len(found.search.values) == len(found.random.values) == 15
    with np.load(tmp_path / "search.npz") as saved:
        np.testing.assert_array_equal(saved["values"], found.search.values)
        np.testing.assert_array_equal(saved["latents"], found.search.latents)


def test_the_folder_of_another_search_is_refused(tmp_path):
    search(tmp_path, evaluations=8)
    with pytest.raises(InputError, match="objective is 'maximize' there and 'minimize' here"):
        search(tmp_path, objective=design.Objective("minimize"), evaluations=8)


def test_a_property_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(InputError, match="not finite for 4 of 4"):
        design.optimize_latents(
            Stripes(), lambda phase: jnp.log(-statistics.volume_fraction(phase) - 1),
            run=tmp_path, phase=statistics.bright_phase, objective=design.Objective("maximize"),
            evaluations=8, start=4, batch=4,
        )  # fmt: skip


@pytest.mark.parametrize("goal, target", [("target", None), ("maximize", 1.0)])
def test_an_objective_has_a_target_just_when_its_goal_is_one(goal, target):
    with pytest.raises(ValueError, match="target"):
        design.Objective(goal, target)


def test_scores_rise_towards_the_goal():
    values = np.array([1.0, 2.0, 4.0])
    assert design.Objective("maximize").score(values).argmax() == 2
    assert design.Objective("minimize").score(values).argmax() == 0
    assert design.Objective("target", 2.5).score(values).argmax() == 1
