"""The command line: ``idml GOAL ...``, one goal for each workflow."""

import hashlib
import os
import pathlib
import platform
import sys
from typing import Any

import tyro

from idml_jax.errors import InputError, Stopped
from idml_jax.workflows import characterize, generate, quickstart

GOALS = {"quickstart": quickstart, "characterize": characterize, "generate": generate}
"""Each goal's name and its workflow: a module with a `Config` and a `run(config)`, or with `TASKS`
that are such modules."""


def main() -> None:
    """Run the goal that the command line names.

    What the user gave and cannot be used is one line on the error stream and exit status 2; a
    defect of ours keeps its traceback.
    """
    try:
        config = _chosen(sys.argv[1:])
        prepare_jax()
        sys.modules[type(config).__module__].run(config)
    except InputError as error:
        _refuse(str(error))
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        _refuse(f"{error.filename or 'the disk'}: {error.strerror}")
    except Stopped as stop:
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
    print(f"idml: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def prepare_jax() -> None:
    """Compiled programs are kept between runs, for this machine and these versions alone.

    A program in the cache is machine code: loaded on another kind of processor
    it may stop with an illegal instruction, so the folder is named by what the
    processor can do. XLA compares the two as well, and on a CPU complains of
    its own tuning flags with pages of harmless warnings at error level, which
    only an environment variable set before the import keeps away.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax
    from jaxlib.version import __version__ as version

    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = f"jaxlib-{version}-{platform.machine()}-{_processor()}"
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(home, "idml_jax", folder)))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _processor() -> str:
    """A short name for what the processor can do: a digest of its model and features."""
    description = platform.processor()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        description = "\n".join(sorted({line for line in lines if line.startswith(wanted)}))
    return hashlib.sha256(description.encode()).hexdigest()[:12]
