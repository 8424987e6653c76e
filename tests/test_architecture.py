"""Who may import whom; what every public name owes its reader."""

import ast
import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "idml_jax"
FLOORS = {
    0: ("typing", "errors"),
    1: ("data", "models", "statistics", "properties", "explain", "report"),
    2: ("training", "evaluation", "design", "integration"),
    3: ("workflows",),
    4: ("cli",),
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
ROOMS = sorted(
    ".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("__init__.pyi")
)
TORCH = re.compile(r"^\s*(import|from) (torch|botorch|gpytorch)", re.MULTILINE)


def imported_rooms(path):
    """Rooms of ours that a module imports, wherever in the module it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "idml_jax":
                names = [f"idml_jax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("idml_jax."):
                yield name.split(".")[1]


def room_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_floors_below_and_its_own_room(path):
    room = room_of(path)
    for other in imported_rooms(path):
        assert other == room or FLOOR[other] < FLOOR[room], f"{room} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_and_its_name_says_something(path):
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in ("utils", "helpers", "base", "common", "misc")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_of_a_room_has_a_docstring(room):
    module = importlib.import_module(f"idml_jax.{room}")
    assert module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        assert inspect.getdoc(value), f"{room}.{name} has no docstring"
        if inspect.isfunction(value) and len(inspect.signature(value).parameters) > 3:
            assert "Parameters\n" in inspect.getdoc(value), f"{room}.{name}: no parameters"


def test_only_bayesian_optimization_and_the_reader_of_its_files_import_torch():
    users = {path for path in MODULES if TORCH.search(path.read_text())}
    reader = PACKAGE / "training" / "pytorch_weights.py"
    assert {path.parent for path in users - {reader}} == {PACKAGE / "design" / "bayesian"}


def test_help_needs_neither_jax_nor_torch():
    code = (
        "import sys; sys.argv = ['idml', '--help']\n"
        "from idml_jax.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('jax', 'torch', 'flax', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "quickstart" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
