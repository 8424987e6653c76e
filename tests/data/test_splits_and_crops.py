"""Splits leak nothing; crops are pieces of the micrographs and of nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.data import (
    Micrograph,
    crop_at_random,
    grid_crops,
    keep_on_device,
    random_crops,
    random_crops_and_sources,
    split_by_specimen,
    streamed_crops,
    turn_at_random,
)
from idml_jax.errors import InputError

SIZE, COUNT = 4, 8000
BLANK = np.zeros((2, 2, 1), np.float32)


@given(
    specimens=st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=30),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_a_split_keeps_every_image_and_every_specimen_on_one_side(specimens, held_out, seed):
    if len(set(specimens)) < 2:
        specimens = [*specimens, "h"]
    micrographs = [Micrograph(BLANK, str(i), specimen=s) for i, s in enumerate(specimens)]
    train, test = split_by_specimen(micrographs, held_out=held_out, seed=seed)
    assert train and test
    names = [[int(micrograph.name) for micrograph in side] for side in (train, test)]
    assert sorted(names[0] + names[1]) == list(range(len(specimens)))
    assert names == [sorted(side) for side in names]
    groups = [{micrograph.specimen for micrograph in side} for side in (train, test)]
    assert not groups[0] & groups[1]
    # The share is met to the nearest specimen, unless a side would be empty.
    assert abs(len(groups[1]) - held_out * len(set(specimens))) <= 1
    again = split_by_specimen(micrographs, held_out=held_out, seed=seed)
    assert [m.name for m in again[1]] == [m.name for m in test]


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    micrographs = [Micrograph(BLANK, name) for name in "abcdefghij"]
    held = [{m.name for m in split_by_specimen(micrographs, seed=seed)[1]} for seed in range(20)]
    assert len({frozenset(names) for names in held}) > 1
    backwards = split_by_specimen(micrographs[::-1], seed=3)[1]
    assert {m.name for m in backwards} == held[3]


@given(
    classes=st.lists(st.sampled_from("xyz"), min_size=4, max_size=24),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
@settings(max_examples=200, deadline=None)
def test_a_split_by_class_trains_on_every_class_and_holds_some_of_each_out(classes, held_out, seed):
    micrographs = [Micrograph(BLANK, f"{kind}/{i}") for i, kind in enumerate(classes)]
    options = {"held_out": held_out, "seed": seed, "classes": [[kind] for kind in classes]}
    sides = split_by_specimen(micrographs, **options)
    assert sorted(m.name for side in sides for m in side) == sorted(m.name for m in micrographs)
    train, test = ([m.name[0] for m in side] for side in sides)
    for kind in set(classes):
        count = classes.count(kind)
        assert kind in train
        assert (kind in test) == (count > 1)
        assert abs(test.count(kind) - held_out * count) <= 1


def test_a_specimen_of_several_classes_is_on_one_side_and_no_class_loses_its_last():
    kinds = {"a": "old hot", "b": "old cold", "c": "new cold", "d": "new hot", "e": "old hot"}
    micrographs = [Micrograph(BLANK, f"{s}{i}", specimen=s) for s in kinds for i in range(2)]
    classes = [kinds[micrograph.specimen].split() for micrograph in micrographs]
    for seed in range(20):
        train, test = split_by_specimen(micrographs, seed=seed, classes=classes)
        sides = [{m.specimen for m in side} for side in (train, test)]
        assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 5
        assert {kind for s in sides[0] for kind in kinds[s].split()} == {
            "old",
            "new",
            "hot",
            "cold",
        }
        assert {kind for s in sides[1] for kind in kinds[s].split()} == {
            "old",
            "new",
            "hot",
            "cold",
        }


def test_classes_of_one_specimen_each_leave_nothing_to_hold_out():
    micrographs = [Micrograph(BLANK, name) for name in "ab"]
    with pytest.raises(InputError, match="only one of a class .x, y."):
        split_by_specimen(micrographs, classes=[["x"], ["y"]])


@pytest.mark.parametrize("held_out", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_outside_0_and_1_is_refused(held_out):
    with pytest.raises(InputError, match="held_out"):
        split_by_specimen([Micrograph(BLANK, name) for name in "ab"], held_out=held_out)


def test_one_specimen_cannot_be_split():
    with pytest.raises(InputError, match="1; holding one out needs at least two"):
        split_by_specimen([Micrograph(BLANK, name, specimen="a") for name in "bcd"])


def numbered(sizes):
    """Micrographs whose pixels all differ, from 1 upwards in 1/255: 0 is the padding's."""
    micrographs, first = [], 1
    for index, (rows, cols) in enumerate(sizes):
        values = np.arange(first, first + rows * cols).reshape(rows, cols, 1)
        first += rows * cols
        micrographs.append(Micrograph((values / 255).astype(np.float32), str(index)))
    assert first <= 256
    return micrographs


def places(micrographs, size):
    """Every crop that there is, by brute force, with where it lies and how it was turned."""
    found = {}
    for index, micrograph in enumerate(micrographs):
        pixels = np.rint(micrograph.image[..., 0] * 255).astype(int)
        for row in range(pixels.shape[0] - size + 1):
            for col in range(pixels.shape[1] - size + 1):
                square = pixels[row : row + size, col : col + size]
                for mirror in (False, True):
                    for turns in range(4):
                        turned = np.rot90(square[:, ::-1] if mirror else square, turns)
                        found[turned.tobytes()] = (index, row, col, mirror, turns)
    return found


MICROGRAPHS = numbered([(7, 9), (4, 12), (11, 5)])
CUT = jax.jit(random_crops, static_argnames=("count", "size"))


def test_crops_are_all_the_pieces_of_the_micrographs_turned_and_mirrored_and_nothing_else(getkey):
    known = places(MICROGRAPHS, SIZE)
    choices = sorted(known.values())
    # 24 + 9 + 16 places, each in 8 symmetries.
    assert len(choices) == len(set(choices)) == 8 * 49
    resident = keep_on_device(MICROGRAPHS, size=SIZE)
    crops = CUT(getkey(), resident, count=COUNT, size=SIZE)
    assert crops.shape == (COUNT, SIZE, SIZE, 1) and crops.dtype == jnp.float32
    pixels = np.rint(np.asarray(crops)[..., 0] * 255).astype(int)
    seen = [known[np.ascontiguousarray(square).tobytes()] for square in pixels]
    assert set(seen) == set(choices)
    # Equally likely: a chi-square with 391 degrees of freedom, within five deviations.
    counts = np.array([seen.count(choice) for choice in choices])
    expected = COUNT / len(choices)
    degrees = len(choices) - 1
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - degrees) < 5 * np.sqrt(2 * degrees)


def test_oblong_crops_are_pieces_in_their_four_symmetries_and_say_where_they_are_from(getkey):
    resident = keep_on_device(MICROGRAPHS[:2], size=(3, 5))
    cut = jax.jit(random_crops_and_sources, static_argnames=("count", "size"))
    crops, sources = cut(getkey(), resident, count=2000, size=(3, 5))
    assert crops.shape == (2000, 3, 5, 1)
    known = {}
    for index, micrograph in enumerate(MICROGRAPHS[:2]):
        pixels = np.rint(micrograph.image[..., 0] * 255).astype(int)
        for row in range(pixels.shape[0] - 2):
            for col in range(pixels.shape[1] - 4):
                piece = pixels[row : row + 3, col : col + 5]
                for turned in (piece, piece[::-1], piece[:, ::-1], piece[::-1, ::-1]):
                    known[turned.tobytes()] = index
    found = np.ascontiguousarray(np.rint(np.asarray(crops)[..., 0] * 255).astype(int))
    assert {crop.tobytes() for crop in found} == set(known)
    assert [known[crop.tobytes()] for crop in found] == np.asarray(sources).tolist()


@pytest.mark.parametrize("way", ["resident", "streamed"])
@pytest.mark.parametrize(
    ("turns", "symmetries"), [("mirrors", (0, 1, 2, 3)), ("sideways", (0, 2)), ("none", (0,))]
)
def test_directions_are_kept_where_they_are_to_be(way, turns, symmetries, getkey):
    """Of squares: no quarter turn, or no turn at all; each that is left equally often."""
    image = np.arange(9, dtype=np.float32).reshape(3, 3) / 255
    micrographs = [Micrograph(image[..., None], "square")]
    if way == "resident":
        resident = keep_on_device(micrographs, size=3)
        found = np.asarray(random_crops(getkey(), resident, count=800, size=3, turns=turns)) * 255
    else:
        crops = streamed_crops(micrographs, size=3, seed=0, turns=turns)
        found = np.stack([crops[index].images for index in range(800)])
    pixels = np.rint(image * 255)
    every = pixels, pixels[::-1, ::-1], pixels[:, ::-1], pixels[::-1]
    kept = [every[number] for number in symmetries]
    counts = [int((np.rint(found[..., 0]) == each).all(axis=(1, 2)).sum()) for each in kept]
    assert sum(counts) == 800
    expected = 800 / len(symmetries)
    assert abs(np.array(counts) - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(("shape", "symmetries"), [((3, 3), 8), ((3, 4), 4)])
def test_a_batch_is_turned_by_each_symmetry_of_its_shape_equally_often(shape, symmetries, getkey):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    known = {
        np.rot90(each, turns).tobytes(): turns
        for each in (image, image[::-1])
        for turns in range(4)
        if np.rot90(each, turns).shape == shape
    }
    assert len(known) == symmetries
    batch = np.tile(image[None, ..., None], (800, 1, 1, 1))
    found = [each.tobytes() for each in np.asarray(turn_at_random(getkey(), batch))]
    assert set(found) == set(known)
    counts = np.array([found.count(each) for each in known])
    expected = 800 / symmetries
    assert abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5])
def test_values_that_8_bits_cannot_keep_are_refused_by_name(value):
    image = np.full((8, 8, 1), 0.5, np.float32)
    image[2, 3] = value
    with pytest.raises(InputError, match=r"odd: values from .* in \[0, 1\]"):
        keep_on_device([*MICROGRAPHS, Micrograph(image, "odd")], size=SIZE)


def test_a_crop_larger_than_some_micrographs_comes_from_the_others(getkey):
    resident = keep_on_device(MICROGRAPHS, size=SIZE)
    crops = np.asarray(CUT(getkey(), resident, count=200, size=6))
    assert crops.min() > 0
    assert crops.max() * 255 < 7 * 9 + 0.5


def test_the_same_key_cuts_the_same_crops(getkey):
    resident = keep_on_device(MICROGRAPHS, size=SIZE)
    key, other = getkey(), getkey()
    first = CUT(key, resident, count=COUNT, size=SIZE)
    assert (first == CUT(key, resident, count=COUNT, size=SIZE)).all()
    assert (first != CUT(other, resident, count=COUNT, size=SIZE)).any()


def test_colours_stay_together(getkey):
    image = np.stack([MICROGRAPHS[0].image[..., 0] * share for share in (1, 0.5, 0.25)], -1)
    image = np.rint(image * 255).astype(np.float32) / np.float32(255)
    resident = keep_on_device([Micrograph(image, "colour")], size=SIZE)
    crops = np.rint(np.asarray(CUT(getkey(), resident, count=32, size=SIZE)) * 255)
    triples = {tuple(t) for t in np.rint(image * 255).reshape(-1, 3)}
    assert {tuple(t) for t in crops.reshape(-1, 3)} <= triples


def test_grey_and_colour_do_not_mix():
    colour = Micrograph(np.zeros((8, 8, 3), np.float32), "colour")
    with pytest.raises(InputError, match=r"\[1, 3\] channels"):
        keep_on_device([*MICROGRAPHS, colour], size=SIZE)


@pytest.mark.parametrize(("rows", "cols"), [(8, 12), (9, 14), (3, 20), (4, 4)])
def test_a_grid_tiles_exactly(rows, cols):
    image = np.arange(rows * cols * 2, dtype=np.float32).reshape(rows, cols, 2)
    oblong = grid_crops(image, (2, 3))
    assert oblong.shape == (rows // 2 * (cols // 3), 2, 3, 2)
    for number, crop in enumerate(oblong):
        row, col = divmod(number, cols // 3)
        np.testing.assert_array_equal(crop, image[2 * row : 2 * row + 2, 3 * col : 3 * col + 3])
    crops = grid_crops(image, 4)
    down, across = rows // 4, cols // 4
    assert crops.shape == (down * across, 4, 4, 2)
    for number, crop in enumerate(crops):
        row, col = 4 * (number // across), 4 * (number % across)
        np.testing.assert_array_equal(crop, image[row : row + 4, col : col + 4])


def test_crops_of_a_batch_are_at_every_place_as_often(getkey):
    images = np.arange(20, dtype=np.float32).reshape(1, 4, 5, 1) + 100 * np.arange(
        600, dtype=np.float32
    ).reshape(-1, 1, 1, 1)
    found = np.asarray(jax.jit(lambda key: crop_at_random(key, images, (3, 2)))(getkey()))
    assert found.shape == (600, 3, 2, 1)
    corners = found[:, 0, 0, 0] - 100 * np.arange(600)
    places, counts = np.unique(corners, return_counts=True)
    assert places.tolist() == [0, 1, 2, 3, 5, 6, 7, 8] and counts.min() > 45
    shifts = np.array([[0, 1], [5, 6], [10, 11]])
    np.testing.assert_array_equal(
        found[..., 0] - found[:, :1, :1, 0], shifts[None] + 0 * corners[:, None, None]
    )
