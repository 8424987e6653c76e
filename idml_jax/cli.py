"""The command line: ``idml GOAL ...``, one goal for each workflow."""

import contextlib
import hashlib
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterator
from typing import Any

import tyro

from idml_jax.errors import InputError, Stopped
from idml_jax.workflows import characterize, classify, design, generate, quickstart, segment

GOALS = {
    "quickstart": quickstart,
    "characterize": characterize,
    "generate": generate,
    "design": design,
    "segment": segment,
    "classify": classify,
}
"""Each goal's name and its workflow: a module with a `Config` and a `run(config)`, or with `TASKS`
that are such modules."""


def main() -> None:
    """Run the goal that the command line names."""
    with refusing():
        config = _chosen(sys.argv[1:])
        prepare_jax()
        join_processes()
        sys.modules[type(config).__module__].run(config)


def run_experiment(run: Callable[[Any], object], config: type) -> None:
    """Run an experiment, of options that the command line gives, as `main` runs a goal.

    Parameters
    ----------
    run : callable
        ``run(options)`` does all of it.
    config : dataclass
        Of the options.
    """
    with refusing():
        options = tyro.cli(config)
        prepare_jax()
        run(options)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What the user gave and cannot be used is one line on the error stream and exit status 2.

    A defect of ours keeps its traceback.
    """
    try:
        yield
    except InputError as error:
        _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        _refuse(f"{error.filename or 'the disk'}: {error.strerror}")
    except Stopped as stop:
        if not _process():
            print(f"\nidml: {stop}", file=sys.stderr)
        raise SystemExit(128 + stop.signal) from None
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        raise SystemExit(130) from None


def _chosen(arguments: list[str]) -> Any:
    """The configuration of the goal, or of a goal's task, that the command line names."""
    goals, prog = GOALS, "idml"
    tasks = getattr(GOALS.get(arguments[0]), "TASKS", None) if arguments else None
    if tasks is not None:
        goals, prog, arguments = tasks, f"idml {arguments[0]}", arguments[1:]
    return tyro.extras.subcommand_cli_from_dict(
        {name: workflow.Config for name, workflow in goals.items()},
        prog=prog,
        description="From micrographs to a microstructure with a wanted property.",
        args=arguments,
    )


def _refuse(message: str) -> None:
    # Every process says what it refuses: a file may be missing on one host alone.
    name = f"idml (process {_process()})" if _process() else "idml"
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def silence_xla() -> None:
    """Of XLA's own lines only what stops a program, if JAX is imported after this.

    On a CPU it compares a cached program's processor with this one, and complains of its own tuning
    flags with pages of harmless warnings at error level.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def prepare_jax() -> None:
    """Compiled programs are kept between runs, for this machine and these versions alone.

    A program in the cache is machine code: loaded on another kind of processor
    it may stop with an illegal instruction, so the folder is named by what the
    processor can do.
    """
    silence_xla()
    # With several processes it would swallow every SIGTERM; a training watches for one itself.
    os.environ.setdefault("JAX_ENABLE_PREEMPTION_SERVICE", "0")
    import jax
    from jaxlib.version import __version__ as version

    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = f"jaxlib-{version}-{platform.machine()}-{_processor()}"
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(home, "idml_jax", folder)))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def join_processes() -> None:
    """Join the processes that the environment speaks of; of several, the first alone prints.

    JAX finds out by itself what Slurm, Open MPI and TPU pods say. Elsewhere it reads no more than
    ``JAX_COORDINATOR_ADDRESS``; how many processes there are, and which this one is, is then said
    by ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``.

    Raises
    ------
    InputError
        If the environment does not say enough, or the others do not come.
    """
    if not _several_are_meant():
        return
    import jax

    try:
        count, number = (
            int(value) if (value := os.environ.get(name)) else None
            for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
        jax.distributed.initialize(num_processes=count, process_id=number)
    # What is missing is a ValueError, and others that do not come a RuntimeError.
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the other processes could not be joined ({str(error).splitlines()[0]}); outside of "
            "Slurm and Open MPI set JAX_COORDINATOR_ADDRESS, as host:port of process 0, "
            "JAX_NUM_PROCESSES and JAX_PROCESS_ID, or none of them for one process alone."
        ) from error
    if jax.process_index():
        # The file itself and not only Python's: what connects the processes prints as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        # Read when tqdm is imported, by the rooms that the goal needs.
        os.environ["TQDM_DISABLE"] = "1"


def _several_are_meant() -> bool:
    """Whether whoever started this process says that it has others beside it."""
    environment = os.environ
    if environment.get("JAX_COORDINATOR_ADDRESS"):
        return True
    if {"SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID"} <= environment.keys():
        return int(environment.get("SLURM_NTASKS", 1)) > 1
    if "OMPI_MCA_orte_hnp_uri" in environment:
        return int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1
    return "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def _process() -> int:
    """Number of this process among those that it has joined; the first is 0."""
    jax = sys.modules.get("jax")
    return jax.process_index() if jax is not None and jax.distributed.is_initialized() else 0


def _processor() -> str:
    """A short name for what the processor can do: a digest of its model and features."""
    description = platform.processor()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        description = "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
    return hashlib.sha256(description.encode()).hexdigest()[:12]
