"""Evaluations by plain functions and by other programs, and all that can go wrong with these."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import design
from idml_jax.errors import InputError

# gpytorch and torch warn of their own coming versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Flat:
    """One grey value, of the latents' direction."""

    latent_features = 2

    def __call__(self, latents):
        latents = jnp.asarray(latents, jnp.float32)
        grey = 0.5 + 0.5 * latents[:, 1] / jnp.linalg.norm(latents, axis=1)
        return jnp.broadcast_to(grey[:, None, None, None], (len(latents), 4, 6, 1))


BRIGHT = design.Aim.of(design.Objective("maximize", of="grey"))
MEAN = "import sys, imageio.v3 as i; print(i.imread(sys.argv[1]).mean() / 255)"


def program(tmp_path, code, **options):
    script = tmp_path / "program.py"
    script.write_text(code)
    command = f"{sys.executable} {script} {{image}}"
    return design.Command(Flat(), command, tmp_path / "out", **options)


def latents(*turns):
    return np.array([[np.cos(t), np.sin(t)] for t in turns], np.float32)


def test_a_function_of_images_is_searched(tmp_path):
    def grey(images):
        assert images.shape[1:] == (4, 6, 1)
        return {"grey": images.mean(axis=(1, 2, 3)), "unused": np.zeros(len(images))}

    found = design.optimize_latents(
        Flat(), design.FunctionOfImages(Flat(), grey), run=tmp_path, objective=BRIGHT,
        evaluations=16, start=8, batch=4,
    )  # fmt: skip
    assert found.value > 0.99


def test_what_a_function_raises_ends_the_search_and_nothing_is_lost(tmp_path):
    calls = []

    def breaks(images):
        calls.append(images)
        if len(calls) == 3:
            raise RuntimeError("no licence")
        return images.mean(axis=(1, 2, 3))

    def search():
        return design.optimize_latents(
            Flat(), design.FunctionOfImages(Flat(), breaks), run=tmp_path, objective=BRIGHT,
            evaluations=12, start=4, batch=4, strategies=("random",),
        )  # fmt: skip

    with pytest.raises(RuntimeError, match="no licence"):
        search()
    assert len(design.History.load(tmp_path / "random" / "search.npz").told) == 8
    found = search()
    np.testing.assert_array_equal(calls[3], calls[2])
    assert len(found.searches["random"].told) == 12


def test_too_few_answers_of_a_function_are_refused():
    evaluator = design.FunctionOfImages(Flat(), lambda images: np.zeros(len(images) - 1))
    with pytest.raises(InputError, match=r"values of the function` of shape \(2,\) for 3 points"):
        evaluator.measure(latents(0.0, 1.0, 2.0), BRIGHT)


@pytest.mark.parametrize("format", ["png", "npy"])
def test_a_program_reads_images_and_prints_numbers(tmp_path, format):
    read = "i.imread(sys.argv[1]) / 255" if format == "png" else "np.load(sys.argv[1])"
    evaluator = program(
        tmp_path,
        f"import sys, imageio.v3 as i, numpy as np; x = {read}\n"
        "assert x.shape == (4, 6)\nprint('hello'); print(x.mean(), x.mean() ** 2)",
        format=format,
        workers=2,
    )
    aim = design.Aim.of([design.Objective("maximize", of=name) for name in ("grey", "square")])
    found = evaluator.measure(latents(-1.0, 0.0, 2.0), aim).values
    expected = 0.5 + 0.5 * np.sin([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(found, np.stack([expected, expected**2], 1), atol=4e-3)


def test_a_program_may_print_names(tmp_path):
    evaluator = program(tmp_path, 'print(\'{"other": 1, "grey": 2.5}\')')
    assert evaluator.measure(latents(0.0), BRIGHT).values.tolist() == [[2.5]]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; print('no memory', file=sys.stderr); sys.exit(3)", "status 3: no memory"),
        ("pass", "it printed nothing"),
        ("print('nan')", "not all finite"),
        ("print('1 2')", "2 numbers for grey"),
        ("print('grey is 5')", "no numbers"),
        ("print('{\"gray\": 5}')", "no numbers ('grey')"),
        ("import time; time.sleep(60)", "longer than 0.5 s"),
        (r"print('\x00\x01')", "no numbers"),
    ],
)
def test_what_a_program_does_wrong_is_recorded_and_not_fatal(tmp_path, code, why):
    evaluator = program(tmp_path, code, timeout=0.5 if "sleep" in code else 60.0, retries=0)
    assert np.isnan(evaluator.measure(latents(0.0, 1.0), BRIGHT).values).all()
    lines = (tmp_path / "out" / "failures.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert why in json.loads(lines[0])["why"]


def test_a_program_is_tried_again(tmp_path):
    code = f"""
import pathlib, sys
seen = pathlib.Path({str(tmp_path)!r}) / "seen"
if not seen.exists():
    seen.touch()
    sys.exit(1)
print(4)
"""
    assert program(tmp_path, code).measure(latents(0.0), BRIGHT).values.tolist() == [[4.0]]
    assert not (tmp_path / "out").exists()


def test_a_program_that_is_not_there_is_one_line(tmp_path):
    evaluator = design.Command(Flat(), "no-such-program {image}", tmp_path)
    with pytest.raises(InputError, match="no such program"):
        evaluator.measure(latents(0.0), BRIGHT)
    with pytest.raises(InputError, match="does not say where the image belongs"):
        design.Command(Flat(), "solver", tmp_path)


def test_nothing_but_jax_has_slopes(tmp_path):
    for evaluator in (
        design.FunctionOfImages(Flat(), lambda images: images.mean(axis=(1, 2, 3))),
        program(tmp_path, MEAN),
    ):
        with pytest.raises(InputError, match="without gradients"):
            evaluator.measure(latents(0.0), BRIGHT, slopes=True)
