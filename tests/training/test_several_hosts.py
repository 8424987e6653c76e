"""Two processes on one machine stand in for two hosts: one run, one generator, one way to stop."""

import os
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from idml_jax import cli, training
from idml_jax.errors import InputError

JOIN = """
import os, signal, sys
import numpy as np
process, port, run = int(sys.argv[1]), sys.argv[2], sys.argv[3]
import jax
if port != "0":
    jax.distributed.initialize(f"localhost:{port}", 2, process)
sys.path.insert(0, os.path.dirname(sys.argv[4]))
"""

ARITHMETIC = """
import pathlib
import test_several_hosts as here
here.train_arithmetic(pathlib.Path(run), process, sys.argv[5:])
"""

GENERATOR = """
import dataclasses
import test_several_hosts as here
from test_progressive_gan import two_micrographs
from idml_jax import training
gan = training.train_progressive_gan(
    two_micrographs(), run=run, recipe=here.recipe(process if "stopped" in sys.argv else None),
    save_every=30, show=lambda images, done: print("shown", done), data=sys.argv[5],
)
np.save(f"{run}/images_of_{process}.npy", gan.sample(jax.random.key(0), 3))
"""


def together(script, run, *options, statuses=(0, 0)):
    """Run a script in two processes; what each printed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    started = [begun(script, run, number, port, *options) for number in (0, 1)]
    said = [each.communicate(timeout=400) for each in started]
    assert [each.returncode for each in started] == list(statuses), said
    return said


def alone(script, run, *options):
    """Run a script in one process."""
    process = begun(script, run, 0, "0", *options)
    said = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return said


def begun(script, run, process, port, *options):
    run.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", JOIN + script, str(process), port, str(run), __file__, *options],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_arithmetic(run, process, options):
    """The training of test_loop, its state on both devices."""
    import jax.numpy as jnp
    from test_loop import State, compiled

    from idml_jax.errors import Stopped
    from idml_jax.training.devices import device_mesh, replicated
    from idml_jax.training.health import healthy
    from idml_jax.training.processes import by_leader, check_alike, here, largest

    def refuse():
        raise InputError("not here")

    with pytest.raises(InputError, match="not here"):
        by_leader(refuse)
    assert largest(process) == jax.process_count() - 1
    check_alike("numbers", bytes([7]))
    if jax.process_count() == 2:
        with pytest.raises(InputError, match="numbers of process 0 and of process 1 are"):
            check_alike("numbers", bytes([process]))

    def step(state, number):
        if "stop" in options and process == 1 and number == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        bad = "bad" in options and number == 7 and int(state.health.attempt) == 0
        return compiled(state, jnp.int32(number), jnp.float32(jnp.nan if bad else number))

    state = replicated(State(jnp.float32(0), healthy()), device_mesh((2,)))
    try:
        state = training.train(
            state, step, steps=20, images=lambda _: 1, run=run, save_every=4, record_every=3,
            show=lambda _, done: print("shown", done),
            guard=training.Guard(lambda number, attempt: {"given": number}, "roll back"),
        )  # fmt: skip
    except Stopped as stop:
        print(stop)
    else:
        print("total", float(here(state.total)))


def recipe(signalled):
    """Very small; process 1 is asked to stop in its sixth step where `signalled` is its number."""

    class Growth(training.Growth):
        asked = 0

        def stage(self, step):
            # Once when the images are counted, and once for the step itself.
            Growth.asked += step == 5
            if signalled == 1 and step == 5 and Growth.asked == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().stage(step)

    return training.Recipe(
        latent_features=2,
        features=(4,),
        growth=Growth(images=(160,), batches=(4,)),
        learning_rates=(1e-3,),
        penalties=(0.2,),
    )


def test_a_signal_to_one_process_stops_both_after_the_same_step_and_they_go_on(tmp_path):
    said = together(ARITHMETIC, tmp_path / "run", "stop")
    assert [out.splitlines()[-1] for out, _ in said] == [said[0][0].splitlines()[-1]] * 2
    # The next record's; process 0 alone shows, records and draws the bar.
    assert "step 6, which is saved" in said[0][0]
    assert [out.count("shown") for out, _ in said] == [2, 0]
    assert "img" in said[0][1] and "img" not in said[1][1]
    with training.Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        assert checkpoints.step == 6
    ended = together(ARITHMETIC, tmp_path / "run")
    unbroken = alone(ARITHMETIC, tmp_path / "one")
    totals = {out.splitlines()[-1] for out, _ in (*ended, unbroken)}
    assert len(totals) == 1 and "total" in totals.pop()
    steps = [record["step"] for record in training.read_records(tmp_path / "run")]
    assert steps == [3, 6, 9, 12, 15, 18, 20]


def test_two_processes_go_back_from_bad_numbers_and_write_them_down_once(tmp_path):
    said = together(ARITHMETIC, tmp_path, "bad")
    assert said[0][0].splitlines()[-1] == said[1][0].splitlines()[-1]
    (path,) = tmp_path.glob("bad_step_*")
    assert np.load(path)["given"] == 7


@pytest.mark.slow
@pytest.mark.parametrize("way", ["resident", "streamed"])
def test_two_processes_train_the_generator_of_one(way, tmp_path):
    alone(GENERATOR, tmp_path / "one", way)
    together(GENERATOR, tmp_path / "two", way)
    together(GENERATOR, tmp_path / "stopped", way, "stopped", statuses=(1, 1))
    assert [each["step"] for each in training.read_records(tmp_path / "stopped")] == [20]
    said = together(GENERATOR, tmp_path / "stopped", way)
    # It goes on at step 20.
    assert [out.count("shown") for out, _ in said] == [2, 0], said
    one, two, stopped = (
        training.read_records(tmp_path / name) for name in ("one", "two", "stopped")
    )
    assert [each["step"] for each in one] == [each["step"] for each in two] == [20, 40]
    for name in ("generator_loss", "discriminator_loss", "gradient_penalty", "diversity"):
        for ours, theirs in zip(two, one, strict=True):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, err_msg=name)
        assert stopped[-1][name] == two[-1][name]
    images = [
        np.load(tmp_path / run / f"images_of_{process}.npy")
        for run in ("two", "stopped")
        for process in (0, 1)
    ]
    for each in images[1:]:
        np.testing.assert_array_equal(each, images[0])


def test_the_command_line_joins_the_processes_that_the_environment_speaks_of(tmp_path):
    script = """
os.environ |= dict(JAX_COORDINATOR_ADDRESS=f"localhost:{sys.argv[5]}", JAX_NUM_PROCESSES="2")
os.environ["JAX_PROCESS_ID"] = str(process)
from idml_jax import cli
cli.prepare_jax()
cli.join_processes()
print("process", jax.process_index(), "of", jax.process_count())
from tqdm import tqdm
list(tqdm(range(3)))
"""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    started = [begun(script, tmp_path, number, "0", port) for number in (0, 1)]
    said = [each.communicate(timeout=100) for each in started]
    assert [out for out, _ in said] == ["process 0 of 2\n", ""], said
    assert ["it/s" in error for _, error in said] == [True, False], said


SLURM = {"SLURM_STEP_NODELIST": "node[1-2]", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
OPEN_MPI = {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.96.0.1:34911"}


@pytest.mark.parametrize(
    "environment, several",
    [
        ({}, False),
        (SLURM | {"SLURM_NTASKS": "2"}, True),
        (SLURM | {"SLURM_NTASKS": "1"}, False),
        # A batch script, which Slurm starts once however many tasks it has room for.
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, False),
        (OPEN_MPI | {"OMPI_COMM_WORLD_SIZE": "2"}, True),
        (OPEN_MPI | {"OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, True),
    ],
)
def test_only_a_launcher_of_several_processes_makes_the_command_line_join(
    environment, several, monkeypatch
):
    joined = []
    for name in os.environ:
        if name.startswith(("JAX_", "SLURM_", "OMPI_", "TPU_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(jax.distributed, "initialize", lambda **given: joined.append(given))
    cli.join_processes()
    assert joined == [{"num_processes": None, "process_id": None}] * several


@pytest.mark.parametrize("missing", ["JAX_NUM_PROCESSES", "JAX_PROCESS_ID"])
def test_an_environment_that_does_not_say_enough_is_refused(missing, tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "localhost:1")
    for name in {"JAX_NUM_PROCESSES", "JAX_PROCESS_ID"} - {missing}:
        monkeypatch.setenv(name, "1")
    with pytest.raises(InputError, match="set JAX_COORDINATOR_ADDRESS, as host:port"):
        cli.join_processes()
