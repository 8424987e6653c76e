"""What the tests of the command line share."""

import pytest

from idml_jax import cli


@pytest.fixture
def idml(monkeypatch, capsys):
    """Run a command line; its exit status, output and error stream."""
    monkeypatch.setattr(cli, "prepare_jax", lambda: None)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["idml", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()

    return run
