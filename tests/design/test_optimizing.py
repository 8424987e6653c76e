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
        # Grey at the edge, so that a soft phase has a slope.
        image = jnp.clip(64.0 * share[:, None] - jnp.arange(64.0)[None], 0.0, 1.0)
        return jnp.broadcast_to(image[:, :, None, None], (len(latents), 64, 4, 1)).astype(float)


class Grained(Stripes):
    """And with noise of its own."""

    def __call__(self, latents, noise=None):
        numbers = jnp.zeros(len(latents), int) if noise is None else jnp.asarray(noise, int)
        shift = jnp.where(numbers % 2 == 0, 0.0, 0.25)[:, None, None, None]
        return jnp.clip(super().__call__(latents) - shift, 0.0, 1.0)


def search(run, generator=None, property=statistics.volume_fraction, **options):
    options = {"objective": design.Objective("maximize"), "evaluations": 16} | options
    options = {"start": 8, "batch": 4} | options
    return design.optimize_latents(generator or Stripes(), property, run=run, **options)


def test_the_extremes_are_found_and_random_search_is_not_better(tmp_path):
    for goal, best in (("maximize", 1.0), ("minimize", 0.0)):
        found = search(tmp_path / goal, objective=design.Objective(goal))
        assert found.value == pytest.approx(best, abs=0.02)
        score = found.aim.objectives[0].score
        assert score(found.value) >= score(found.best_value("random"))


def test_a_target_is_met(tmp_path):
    found = search(tmp_path, objective=None, target=0.3, evaluations=20)
    assert found.value == pytest.approx(0.3, abs=1 / 64)


def test_the_design_is_recomputed_from_its_saved_latents(tmp_path):
    found = search(tmp_path, designs=3)
    images = np.asarray(Stripes()(np.load(tmp_path / "latents.npy")))
    np.testing.assert_allclose(images, found.images, atol=1e-6)
    assert found.values.shape == (3, 1)
    assert (np.diff(found.values[:, 0]) <= 0).all()
    np.testing.assert_allclose((images > 0.5).mean(axis=(1, 2)), found.values, atol=1e-6)
    np.testing.assert_allclose(found.recomputed, found.values, atol=1e-6)


def test_a_search_that_was_stopped_goes_on_to_the_same_latents(tmp_path):
    whole = search(tmp_path / "whole").searches["bayes"]
    # What a search killed after its second batch has left behind.
    search(tmp_path / "part", evaluations=8)
    resumed = search(tmp_path / "part").searches["bayes"]
    np.testing.assert_array_equal(whole.points, resumed.points)
    np.testing.assert_array_equal(whole.values, resumed.values)


def test_all_searches_spend_the_same_and_none_is_lost(tmp_path):
    found = search(tmp_path, evaluations=15)
    assert {name: len(each) for name, each in found.searches.items()} == {"bayes": 15, "random": 15}
    saved = design.History.load(tmp_path / "bayes" / "search.npz")
    np.testing.assert_array_equal(saved.values, found.searches["bayes"].values)
    np.testing.assert_array_equal(saved.points, found.searches["bayes"].points)


def test_the_folder_of_another_search_is_refused(tmp_path):
    search(tmp_path, evaluations=8)
    with pytest.raises(InputError, match="objective is 'maximize' there and 'minimize' here"):
        search(tmp_path, objective=design.Objective("minimize"), evaluations=8)


def test_latents_of_another_generator_are_refused(tmp_path):
    search(tmp_path, evaluations=8)
    with pytest.raises(InputError, match="the generator is not the one that was searched"):
        search(tmp_path, Grained(), lambda phase: 1 - statistics.volume_fraction(phase),
               evaluations=8)  # fmt: skip


def test_a_property_that_is_never_finite_is_refused(tmp_path):
    with pytest.raises(InputError, match="not finite for 4 of 4"):
        search(
            tmp_path, property=lambda phase: jnp.log(-statistics.volume_fraction(phase) - 1),
            evaluations=8, start=4,
        )  # fmt: skip


def test_what_fails_now_and_then_is_left_out(tmp_path):
    def fraction(phase):
        found = statistics.volume_fraction(phase)
        return jnp.where(found > 0.7, jnp.nan, found)

    found = search(tmp_path, property=fraction, evaluations=16)
    history = found.searches["bayes"]
    assert 0 < len(history.told) < 16
    assert 0.5 < found.value <= 0.7


def test_a_constraint_holds(tmp_path):
    """The share of dark is to be small, and that of bright no more than 0.4."""
    bright = statistics.volume_fraction
    aim = design.Aim(
        (design.Objective("minimize", of="dark"),), (design.Constraint("bright", high=0.4),)
    )
    found = search(
        tmp_path, property={"dark": lambda phase: 1 - bright(phase), "bright": bright},
        objective=aim, evaluations=24,
    )  # fmt: skip
    assert found.aim.outputs == ("dark", "bright")
    assert 0.55 < found.value <= 0.65
    assert found.values[0, 1] <= 0.4


def test_a_front_is_traded_off(tmp_path):
    """Two shares of which one is the square of what the other lacks: all of it is the front."""
    bright = statistics.volume_fraction
    found = search(
        tmp_path, property={"bright": bright, "dark": lambda phase: (1 - bright(phase)) ** 2},
        objective=[design.Objective("maximize", of=name) for name in ("bright", "dark")],
        evaluations=24, strategies=("bayes",),
    )  # fmt: skip
    assert len(found.values) > 4
    assert np.ptp(found.values[:, 0]) > 0.5
    front = np.array([found.values[:, 0], (1 - found.values[:, 0]) ** 2]).T
    np.testing.assert_allclose(found.values, front, atol=1e-6)


def test_values_over_noise_are_means_and_have_variances(tmp_path):
    found = search(tmp_path, Grained(), strategies=("random",), evaluations=8, repeats=2)
    history = found.searches["random"]
    assert (history.variances > 0).any()
    evaluator = design.Measured(Grained(), {"value": statistics.volume_fraction})
    latents = history.points.astype(np.float32)
    each = [(evaluator.generator(latents, noise=np.full(8, number)) > 0.5).mean(axis=(1, 2, 3))
            for number in range(2)]  # fmt: skip
    np.testing.assert_allclose(history.values[:, 0], np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(history.variances[:, 0], np.var(each, axis=0, ddof=1) / 2, atol=1e-6)


@pytest.mark.parametrize("strategy", ["gradient", "polished", "trust-region", "cma-es", "hedge"])
def test_every_strategy_finds_what_is_easy(tmp_path, strategy):
    found = search(tmp_path, strategies=(strategy,), evaluations=40, designs=5)
    assert found.value > 0.97
    # Each design once, though a descent evaluates its start again.
    assert len(np.unique(found.latents.round(4), axis=0)) == 5


def test_a_subspace_is_searched_alone(tmp_path):
    space = design.Sphere.spanned_by(np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]))
    found = search(tmp_path, space=space, strategies=("bayes", "gradient"), evaluations=24)
    # The direction (0.6, 0.8, 0) is the best of that plane.
    assert found.value == pytest.approx(0.8, abs=0.02)
    assert found.best_value("gradient") == pytest.approx(0.8, abs=0.02)
    np.testing.assert_allclose(found.latents[0] @ np.array([4.0, -3.0, 0.0]), 0, atol=1e-5)
