"""Records are whole lines, once each, whatever a killed process left."""

import json

import imageio.v3 as imageio
import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from idml_jax import training


def test_what_is_written_is_read_back(tmp_path):
    with training.Records(tmp_path, done=0) as records:
        records.write(10, {"loss": 0.5})
        records.write(20, {"loss": 0.25})
    expected = [{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}]
    assert training.read_records(tmp_path) == expected


def test_tensorboard_reads_the_same(tmp_path):
    with training.Records(tmp_path, done=0) as records:
        records.write(10, {"loss": 0.5})
    (path,) = tmp_path.glob("events.out.tfevents*")
    found = [
        (event.step, value.tag, value.tensor.float_val[0])
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    assert found == [(10, "loss", 0.5)]


def test_steps_after_the_checkpoint_are_taken_out(tmp_path):
    with training.Records(tmp_path, done=0) as records:
        for step in (10, 20, 30):
            records.write(step, {"loss": 1.0})
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write(json.dumps({"step": 40})[:5])
    with training.Records(tmp_path, done=20) as records:
        records.write(30, {"loss": 2.0})
    assert [line["step"] for line in training.read_records(tmp_path)] == [10, 20, 30]
    assert training.read_records(tmp_path)[-1]["loss"] == 2.0


def test_pictures_are_in_the_events_as_they_were(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    with training.Records(tmp_path, done=0) as records:
        records.write_pictures(10, {"held-out": pixels})
        records.write_pictures(20, {})
    (path,) = tmp_path.glob("events.out.tfevents*")
    found = [
        (event.step, value.tag, value.tensor.string_val)
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    ((step, tag, (width, height, png)),) = found
    assert (step, tag, int(width), int(height)) == (10, "held-out", 7, 5)
    np.testing.assert_array_equal(imageio.imread(png), pixels)
    assert training.read_records(tmp_path) == []
