"""Crops that are cut on the host: which ones, by whom, and in how much memory."""

import threading
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import data
from idml_jax.data.crops import in_bytes, turned
from idml_jax.errors import InputError

SIZES = ((30, 41), (24, 70))


def numbered():
    """Micrographs whose channels are the row, the col and the micrograph's number, in 8 bits."""
    made = []
    for number, (rows, cols) in enumerate(SIZES):
        places = np.stack([*np.mgrid[:rows, :cols], np.full((rows, cols), number)], axis=-1)
        made.append(data.Micrograph((places / 255).astype(np.float32), f"numbered_{number}"))
    return made


def crops_of(micrographs=None, **options):
    given = {"size": 8, "seed": 3} | options
    return data.streamed_crops(numbered() if micrographs is None else micrographs, **given)


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.sources, expected.sources)


def test_a_crop_is_one_of_its_seed_stream_and_index_alone():
    one, two = crops_of(), crops_of()
    for index in (5, 0, 10**12, 5):
        assert_equal(one[index], two[index])
    others = [crops_of(seed=4)[5], crops_of(stream=1)[5], one[6]]
    assert not any(np.array_equal(each.images, one[5].images) for each in others)


@pytest.mark.parametrize("size, symmetries", [((8, 8), 8), ((6, 10), 4)])
def test_every_crop_is_a_place_of_its_micrograph_in_one_of_its_symmetries(size, symmetries):
    crops, seen = crops_of(size=size), set()
    all_turned = jax.jit(
        lambda image: jax.vmap(lambda number: turned(image, number))(jnp.arange(symmetries))
    )
    for index in range(60):
        image, source = crops[index]
        rows, cols, _ = np.moveaxis(image, -1, 0)
        place = np.s_[rows.min() : rows.min() + size[0], cols.min() : cols.min() + size[1]]
        window = in_bytes(numbered()[source].image[place], numbered()[source])
        found = np.flatnonzero((np.asarray(all_turned(window)) == image).all(axis=(1, 2, 3)))
        assert image.dtype == np.uint8 and image.shape == (*size, 3) and len(found) == 1
        seen |= set(found.tolist())
    assert seen == set(range(symmetries))


def test_every_place_of_every_micrograph_is_as_likely():
    count, crops = 600, crops_of()
    drawn = [crops[index] for index in range(count)]
    places = np.array([(rows - 7) * (cols - 7) for rows, cols in SIZES])
    share = places[0] / places.sum()
    found = np.mean([each.sources == 0 for each in drawn])
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / count)
    for axis in (0, 1):
        firsts = [each.images[..., axis].min() for each in drawn if each.sources == 0]
        last = SIZES[0][axis] - 8
        assert (min(firsts), max(firsts)) == (0, last)
        # The mean of a uniform whole number up to `last`.
        width = np.sqrt(((last + 1) ** 2 - 1) / 12 / len(firsts))
        assert abs(np.mean(firsts) - last / 2) < 4 * width


def test_the_shares_of_two_processes_make_up_the_whole_and_a_slice_goes_on():
    counts = [4, 4, 2, 6]
    whole = list(data.read_ahead(data.batches_of(crops_of(), counts)))
    shares = [data.batches_of(crops_of(), counts, shard=(number, 2)) for number in (0, 1)]
    for number, batch in enumerate(whole):
        assert len(batch.images) == counts[number]
        parts = [share[number] for share in shares]
        assert_equal(data.Cut(*map(np.concatenate, zip(*parts, strict=True))), batch)
    ahead = list(data.read_ahead(data.batches_of(crops_of(), counts)[2:]))
    for found, expected in zip(ahead, whole[2:], strict=True):
        assert_equal(found, expected)
    with pytest.raises(ValueError, match="batch of 4 crops does not divide among 3"):
        data.batches_of(crops_of(), counts, shard=(0, 3))


def test_the_threads_go_when_the_reading_ends():
    before = set(threading.enumerate())
    reading = data.read_ahead(data.batches_of(crops_of(), [2] * 50))
    next(reading)
    threads = set(threading.enumerate()) - before
    assert threads
    reading.close()
    for each in threads:
        each.join(timeout=20)
        assert not each.is_alive()


def test_what_is_no_number_is_refused_by_name_when_it_is_met():
    bad = numbered()
    bad[1].image[:] = np.nan
    with pytest.raises(InputError, match="numbered_1: values from nan to nan"):
        list(data.read_ahead(data.batches_of(crops_of(bad), [8] * 8)))


def test_micrographs_that_are_too_small_or_not_of_one_kind_are_refused():
    with pytest.raises(InputError, match="numbered_1: 24 x 70 pixels, smaller than the crop"):
        crops_of(size=25)
    with pytest.raises(InputError, match=r"\[1, 3\] channels"):
        crops_of([numbered()[0], data.Micrograph(np.zeros((40, 40, 1), np.float32), "grey")])


def test_a_file_larger_than_the_budget_is_read_within_it(tmp_path):
    budget = 8_000_000
    path = tmp_path / "large.npy"
    made = np.lib.format.open_memmap(path, "w+", np.float32, (6000, 5000, 1))
    made[::500] = 0.5
    made.flush()
    large = data.Micrograph(np.load(path, mmap_mode="r"), "large")
    assert large.image.nbytes > 10 * budget
    assert data.bytes_on_device([large, *numbered()[:1]]) == 2 * 6000 * 5000
    tracemalloc.start()
    try:
        total = 0.0
        for batch in data.read_ahead(data.batches_of(crops_of([large], size=64), [16] * 40)):
            total += batch.images.mean()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < budget
    assert total > 0
