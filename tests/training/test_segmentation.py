"""Segmenters: what they learn, that stopping changes nothing, and what they refuse."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from idml_jax import data, evaluation, training
from idml_jax.errors import InputError
from idml_jax.models import ResNet, pytorch_parameters, turned

pytestmark = pytest.mark.usefixtures("standard_promotion")

RECIPE = training.SegmenterRecipe(
    features=(4, 8), size=(16, 16), steps=80, batch=4, judge_every=20, averaging=0.9
)
CLASSES = (0, 128, 255)


def annotated(count, seed=0, side=33):
    """Stripes of one pixel, stripes of four, and neither: told by texture, and not by grey."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        image = random.uniform(0.2, 0.8, (side, side))
        labels = np.zeros((side, side), np.int32)
        places = np.arange(side)
        for kind, columns in ((1, slice(0, side // 3)), (2, slice(2 * side // 3, side))):
            width = 1 if kind == 1 else 4
            wave = (places + random.integers(8)) // width % 2
            image[:, columns] = (0.3 + 0.4 * wave[:, None]) + 0.1 * image[:, columns]
            labels[:, columns] = kind
        labels[0] = -1
        micrograph = data.Micrograph(image[..., None].astype(np.float32), f"{number}")
        found.append(data.Annotated(micrograph, labels))
    return found


def test_textures_are_learned_and_kept(tmp_path):
    judge = evaluation.judge_pixels(annotated(2, seed=5))
    recipe = dataclasses.replace(RECIPE, steps=160)
    run = tmp_path / "run"
    segmenter = training.train_segmenter(annotated(6), CLASSES, recipe, run=run, judge=judge)
    unseen = annotated(3, seed=9)
    counts = evaluation.pixel_counts(segmenter, unseen).sum(axis=0)
    scores = evaluation.pixel_scores(counts, CLASSES)
    assert scores["mean IoU"] > 0.75, scores
    assert counts.sum() == sum((one.labels >= 0).sum() for one in unseen)
    again = training.load_segmenter(run)
    image = unseen[0].micrograph.image
    np.testing.assert_array_equal(again.predict(image), segmenter.predict(image))
    assert again.classes == CLASSES
    assert segmenter.predict(image).shape == (33, 33, 3)
    np.testing.assert_allclose(segmenter.predict(image).sum(axis=-1), 1, atol=1e-5)
    # What it is judged is recorded, and the best of it is what is kept.
    records = training.read_records(run)
    judged = {each["step"]: each["mean IoU"] for each in records if "mean IoU" in each}
    assert [*judged] == list(range(20, 161, 20))
    assert judge(segmenter)["mean IoU"] == pytest.approx(max(judged.values()), abs=1e-6)


def test_stopped_and_started_again_it_ends_with_the_same_bits(tmp_path):
    def stop(segmenter, done):
        raise KeyboardInterrupt

    recipe = dataclasses.replace(RECIPE, steps=8, judge_every=2, dropout=0.3)
    options = {"judge": evaluation.judge_pixels(annotated(1, seed=5)), "save_every": 3}
    given = annotated(2)
    whole = training.train_segmenter(given, CLASSES, recipe, run=tmp_path / "whole", **options)
    parts = tmp_path / "parts"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_segmenter(given, CLASSES, recipe, run=parts, show=stop, **options)
    again = training.train_segmenter(given, CLASSES, recipe, run=parts, **options)
    image = given[0].micrograph.image
    np.testing.assert_array_equal(again.predict(image), whole.predict(image))
    lines = [
        [{k: v for k, v in line.items() if k != "images_per_second"} for line in read]
        for read in map(training.read_records, (tmp_path / "whole", parts))
    ]
    judged = [[line for line in read if "mean IoU" in line] for read in lines]
    assert judged[0] == judged[1] and len(judged[0]) == 4


def test_a_training_ends_where_nothing_more_is_gained(tmp_path):
    """Judged by a number that falls from the second judgement on."""
    asked = []

    def judge(segmenter):
        asked.append(segmenter)
        return {"mean IoU": [0.2, 0.5][len(asked) - 1] if len(asked) < 3 else 0.4}

    recipe = dataclasses.replace(RECIPE, steps=40, judge_every=2, patience=3)
    run, given = tmp_path / "run", annotated(2)
    found = training.train_segmenter(given, CLASSES, recipe, run=run, judge=judge)
    assert len(asked) == 5
    assert training.read_records(run)[-1]["step"] == 10
    image = given[0].micrograph.image
    np.testing.assert_array_equal(found.predict(image), asked[1].predict(image))
    assert not np.array_equal(found.predict(image), asked[4].predict(image))
    for last, one in ((False, asked[1]), (True, asked[4])):
        again = training.load_segmenter(run, last=last)
        np.testing.assert_array_equal(again.predict(image), one.predict(image))
    # Started again, there is nothing to do.
    training.train_segmenter(given, CLASSES, recipe, run=run, judge=judge)
    assert len(asked) == 5


def test_brightness_and_contrast_of_all_images_make_no_difference(tmp_path):
    # At a low rate, since Adam's first steps take rounding for a slope.
    recipe = dataclasses.replace(RECIPE, steps=4, learning_rate=1e-2)
    found = {}
    for name, scale, shift in (("as they are", 1.0, 0.0), ("others", 0.5, 0.25)):
        given = []
        for one in annotated(2):
            pixels = np.rint(one.micrograph.image * 100) * 2
            image = ((pixels * scale + 255 * shift) / 255).astype(np.float32)
            given.append(data.Annotated(data.Micrograph(image, one.name), one.labels))
        run = tmp_path / name
        segmenter = training.train_segmenter(given, CLASSES, recipe, run=run)
        found[name] = segmenter.predict(given[0].micrograph.image)
    np.testing.assert_allclose(found["as they are"], found["others"], atol=0.02)


def test_an_encoder_begins_with_given_weights_and_frozen_it_keeps_them(tmp_path):
    given = {
        name: np.ascontiguousarray(
            np.array(value).transpose(3, 2, 0, 1) if value.ndim == 4 else np.array(value)
        )
        for name, value in pytorch_parameters(ResNet(1, 18, rngs=nnx.Rngs(7))).items()
    }
    safetensors.numpy.save_file(given, tmp_path / "weights.safetensors")
    recipe = dataclasses.replace(
        RECIPE, encoder=18, features=(4, 4, 4, 4, 4), frozen=True, steps=2, size=(32, 32)
    )
    run, options = tmp_path / "run", {"weights": tmp_path / "weights.safetensors"}
    segmenter = training.train_segmenter(annotated(1), CLASSES, recipe, run=run, **options)
    kept = pytorch_parameters(segmenter.network.encoder)
    for name, value in given.items():
        expected = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
        np.testing.assert_array_equal(kept[name][...], expected)
    image = annotated(1)[0].micrograph.image
    again = training.load_segmenter(run)
    np.testing.assert_array_equal(again.predict(image), segmenter.predict(image))
    with pytest.raises(InputError, match="weights is"):
        training.train_segmenter(annotated(1), CLASSES, recipe, run=run)
    with pytest.raises(InputError, match="has none of them"):
        training.train_segmenter(annotated(1), CLASSES, RECIPE, run=tmp_path / "other", **options)
    with pytest.raises(ValueError, match="`frozen` is of an `encoder`"):
        dataclasses.replace(RECIPE, frozen=True)


def test_a_symmetric_one_says_the_same_of_a_turned_image_after_training(tmp_path):
    recipe = dataclasses.replace(
        RECIPE, features=(2, 3), symmetric=True, turns="none", steps=3, dropout=0.1
    )
    segmenter = training.train_segmenter(annotated(2), CLASSES, recipe, run=tmp_path)
    again = training.load_segmenter(tmp_path)
    image = annotated(1, side=64)[0].micrograph.image
    whole = again.predict(image)
    np.testing.assert_array_equal(whole, segmenter.predict(image))
    assert np.ptp(whole) > 1e-2
    for symmetry in range(1, 8):
        found = again.predict(np.asarray(turned(image[None], symmetry))[0])
        np.testing.assert_allclose(found, turned(whole[None], symmetry)[0], atol=1e-4)
    for option in ({"encoder": 18}, {"residual": True}, {"attention": True}):
        with pytest.raises(ValueError, match="`symmetric` goes with none of"):
            dataclasses.replace(recipe, **option)
    # A run from before there were symmetric ones goes on.
    assert "symmetric" in recipe.plain() and "symmetric" not in RECIPE.plain()
    assert training.SegmenterRecipe.from_plain(RECIPE.plain()) == RECIPE


def test_a_class_without_a_pixel_and_another_run_are_refused(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=2)
    with pytest.raises(InputError, match="of the class 9; add"):
        training.train_segmenter(annotated(1), (*CLASSES, 9), recipe, run=tmp_path / "run")
    training.train_segmenter(annotated(1), CLASSES, recipe, run=tmp_path / "run")
    with pytest.raises(InputError, match="examples is"):
        training.train_segmenter(annotated(1, seed=3), CLASSES, recipe, run=tmp_path / "run")
    with pytest.raises(InputError, match="no trained segmenter"):
        training.load_segmenter(tmp_path / "nothing")


def test_a_network_that_sees_blocks_answers_for_pixels(tmp_path):
    """Squares of 8 pixels: seen in blocks of four, and told but for their borders."""
    random = np.random.default_rng(0)
    known = []
    for number in range(4):
        labels = np.kron(random.integers(0, 2, (6, 6)), np.ones((8, 8), int)).astype(np.int32)
        image = 0.3 + 0.4 * labels + random.normal(scale=0.05, size=labels.shape)
        micrograph = data.Micrograph(image[..., None].clip(0, 1).astype(np.float32), f"{number}")
        known.append(data.Annotated(micrograph, labels))
    recipe = dataclasses.replace(RECIPE, size=(8, 8), steps=200, binning=4)
    run = tmp_path / "run"
    segmenter = training.train_segmenter(known[1:], (0, 1), recipe, run=run)
    fine = training.Segmenter(segmenter.network, np.ones(1), np.ones(1), (0, 1))
    assert segmenter.multiple == 4 * fine.multiple
    assert segmenter.reach == 4 * fine.reach + 4
    image = known[0].micrograph.image
    shares = segmenter.predict(image)
    middles = np.zeros((48, 48), bool)
    middles.reshape(6, 8, 6, 8)[:, 2:6, :, 2:6] = True
    right = shares.argmax(axis=-1) == known[0].labels
    assert right[middles].mean() > 0.97
    # What no block says is interpolated: probabilities pass from one to the other.
    assert np.abs(np.diff(shares[..., 0], axis=1)).max() < 0.5
    assert segmenter.predict(image[:41, :37]).shape == (41, 37, 2)
    again = training.load_segmenter(run)
    np.testing.assert_array_equal(again.predict(image), shares)


def test_a_network_that_sees_local_contrast_says_the_same_of_a_fainter_image(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=3, local_contrast=11)
    segmenter = training.train_segmenter(annotated(2), CLASSES, recipe, run=tmp_path)
    image = annotated(1, seed=4, side=64)[0].micrograph.image
    shares = segmenter.predict(image)
    assert np.ptp(shares) > 1e-2
    np.testing.assert_allclose(segmenter.predict(0.6 + 0.2 * image), shares, atol=1e-3)
    # It is trained on what it sees afterwards.
    seen = np.asarray(data.local_contrast(image[None], 11))
    plain = segmenter.replaced(window=0)
    np.testing.assert_allclose(plain(seen)[0], shares, atol=1e-5)
    assert segmenter.reach == plain.reach + data.local_contrast_reach(11)
    moments = [one.in_local_contrast(11).micrograph.image for one in annotated(2)]
    np.testing.assert_allclose(segmenter.mean, np.mean(moments), rtol=1e-5)
    again = training.load_segmenter(tmp_path)
    np.testing.assert_array_equal(again.predict(image), shares)
    assert "local_contrast" not in RECIPE.plain()
    with pytest.raises(ValueError, match="`local_contrast` .=2. must be at least 3"):
        dataclasses.replace(RECIPE, local_contrast=2)


def test_a_network_of_patches_tells_what_is_narrower_than_they_are(tmp_path):
    """Stripes of one and of four pixels, each pixel of a patch by itself."""
    recipe = dataclasses.replace(RECIPE, features=(16, 16), patch=2, steps=200, size=(32, 32))
    segmenter = training.train_segmenter(annotated(6), CLASSES, recipe, run=tmp_path)
    unseen = annotated(3, seed=9)
    counts = evaluation.pixel_counts(segmenter, unseen).sum(axis=0)
    assert evaluation.pixel_scores(counts, CLASSES)["mean IoU"] > 0.75
    assert segmenter.multiple == 4
    image = unseen[0].micrograph.image
    again = training.load_segmenter(tmp_path)
    np.testing.assert_array_equal(again.predict(image), segmenter.predict(image))


def test_boundaries_weigh_more(tmp_path):
    """The same first network and crops, of which other pixels count."""
    losses = []
    for weight in (0.0, 3.0):
        plain = training.SegmentationLoss(overlap=0.0)
        recipe = dataclasses.replace(RECIPE, steps=1, boundary_weight=weight, loss=plain)
        training.train_segmenter(annotated(1), CLASSES, recipe, run=tmp_path / f"{weight}")
        losses.append(training.read_records(tmp_path / f"{weight}")[0]["loss"])
        assert training.SegmenterRecipe.from_plain(recipe.plain()) == recipe
    assert abs(losses[0] - losses[1]) > 1e-4
    with pytest.raises(ValueError, match="`boundary_weight` .=-1.0. must not be negative"):
        dataclasses.replace(RECIPE, boundary_weight=-1.0)


def test_one_step_is_a_training(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=1)
    segmenter = training.train_segmenter(annotated(1), CLASSES, recipe, run=tmp_path)
    assert np.isfinite(segmenter.predict(annotated(1)[0].micrograph.image)).all()


def test_the_recipe_writes_down_what_is_newer_only_where_it_is_used():
    for name in ("binning", "patch"):
        assert name not in RECIPE.plain()
        coarser = dataclasses.replace(RECIPE, **{name: 2})
        assert training.SegmenterRecipe.from_plain(coarser.plain()) == coarser
        with pytest.raises(ValueError, match=rf"`{name}` \(=0\) must be at least 1"):
            dataclasses.replace(RECIPE, **{name: 0})
    with pytest.raises(ValueError, match="`patch` .=2. is of a network without `encoder`"):
        dataclasses.replace(RECIPE, patch=2, encoder=18)
