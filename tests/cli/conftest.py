"""Commands in this process, in an empty folder."""

from pathlib import Path

import numpy as np
import pytest

from numbakmeans._cli.main import main


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def fails(run):
    """Return a function that runs a command that must fail, and returns its message."""

    def call(*arguments):
        before = set(Path.cwd().iterdir())
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("numbakmeans: error: ")
        assert err.count("\n") == 1
        assert set(Path.cwd().iterdir()) == before
        return err.removeprefix("numbakmeans: error: ").rstrip("\n")

    return call


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(90, 3))
