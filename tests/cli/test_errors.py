"""Errors of the command line: one line each, and no file is left behind."""

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import numbakmeans
from numbakmeans._cli import cluster as command
from numbakmeans._cli import files as _files
from numbakmeans._cli import inputs as _inputs
from numbakmeans._cli import outputs as _outputs
from numbakmeans._numba import runtime as _runtime


def test_usage_errors_say_what_is_wrong(fails, rows):
    np.save("data.npy", rows)
    assert fails() == "the following arguments are required: {cluster,sweep,predict,warmup,info}"
    assert "invalid choice: 'frobnicate'" in fails("frobnicate")
    assert fails("cluster", "data.npy") == "-k is required with a FILE"
    assert fails("cluster", "--array", "x") == "--array needs a FILE"
    assert fails("cluster", "data.npy", "-k", 0) == "argument -k: must be at least 1, got 0"
    assert fails("cluster", "data.npy", "-k", "two") == "argument -k: not a whole number: 'two'"
    assert fails("cluster", "-k", 2**31) == "argument -k: must be at most 2147483647, got 2147483648"
    assert fails("cluster", "--iter", 0) == "argument --iter: must be at least 1, got 0"
    assert fails("cluster", "--seed", -1) == "argument --seed: must be at least 0, got -1"
    assert "invalid choice: 'matrix'" in fails("cluster", "--minit", "matrix")
    assert fails("cluster", "--see=1") == "unrecognized arguments: --see=1"
    assert (
        fails("cluster", "data.npy", "-k", 91, "--minit", "points")
        == "--minit points: 91 clusters (-k), but only 90 rows"
    )
    assert fails("cluster", "--columns", "7") == "--columns: no column 7; there are 2, counted from 0"


def test_input_errors_say_what_is_wrong(fails):
    assert fails("cluster", "none.csv", "-k", 2) == "none.csv: No such file or directory"
    Path("bad.csv").write_text("x,y\n1,2\n3,abc\n")
    message = "bad.csv, line 3, column 1 counted from 0 (y): not a number: 'abc'"
    assert fails("cluster", "bad.csv", "-k", 2) == message
    Path("nan.csv").write_text("x,y\n1,2\n3,nan\n")
    assert fails("cluster", "nan.csv", "-k", 1) == (
        "nan.csv, line 3, column 1 counted from 0 (y): a missing value ('nan'); "
        "--na drop leaves such rows out"
    )
    np.save("inf.npy", [[1, 2], [-np.inf, 3]])
    assert (
        fails("cluster", "inf.npy", "-k", 1) == "-inf cannot be clustered (column 0, row 1, counted from 0)"
    )
    np.save("big.npy", [[1, 2, 1e39]])
    options = ("-k", 1, "--dtype", "float32", "--columns", "1-2")
    message = "1e+39 does not fit into float32 (column 2, row 0, counted from 0)"
    assert fails("cluster", "big.npy", *options) == message
    np.save("complex.npy", np.ones((2, 2), complex))
    assert "must hold real numbers" in fails("cluster", "complex.npy", "-k", 1)
    Path("line\nbreak.csv").write_text("")
    assert fails("cluster", "line\nbreak.csv", "-k", 1) == "line break.csv: is empty"


def test_data_too_large_for_minit_random_is_an_error(fails):
    np.save("data.npy", [[1.7e308] * 4, [-1.7e308] * 4, [-1.7e308] * 4])
    message = "the data are too large for --minit random: a center overflows"
    assert fails("cluster", "data.npy", "-k", 2, "--minit", "random") == message


def test_too_many_rows_are_an_error(fails, monkeypatch):
    monkeypatch.setattr(_inputs, "MAX_SAMPLES", 272)
    assert fails("cluster") == "the input has 272 rows; fewer than 272 are supported"


@pytest.fixture
def idle(monkeypatch):
    """Fail if clustering starts."""
    monkeypatch.setattr(command, "_run", lambda *_arguments: pytest.fail("the clustering was started"))


@pytest.mark.usefixtures("idle")
def test_outputs_are_checked_before_the_clustering(fails, rows):
    np.save("data.npy", rows)
    Path("data.png").mkdir()
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save("in.png")
    assert fails("cluster", "--output", "gone/x") == f"{Path('gone/x.labels.npy')}: there is no folder gone"
    assert "there is no folder gone" in fails("cluster", "--plot", "gone/x.png")
    for folder in (".", "..", "data.png/", ""):
        assert "is a folder; add the beginning of a file's name" in fails("cluster", "--output", folder)
    assert fails("cluster", "--plot", "data.png") == "data.png: already exists and is not a regular file"
    assert (
        fails("cluster", "in.png", "-k", 2, "--plot", "in.png")
        == "in.png: is an input file, which would be overwritten"
    )
    for name in ("plot", "plot.xyz"):
        assert fails("cluster", "--plot", name).startswith("--plot: the name must end in one of .")
    np.save("huge.npy", rows * 1e150)
    assert (
        fails("cluster", "huge.npy", "-k", 2, "--plot", "x.png") == "--plot cannot draw values beyond 1e+100"
    )


@pytest.mark.usefixtures("idle")
def test_a_plot_needs_matplotlib(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "numbakmeans._cli.plot", raising=False)
    monkeypatch.delattr(numbakmeans._cli, "plot", raising=False)
    assert fails("cluster", "--plot", "x.png").startswith("for --plot, install the package matplotlib (")


def test_a_picture_needs_pillow(fails, monkeypatch):
    Path("a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert fails("cluster", "a.png", "-k", 2).startswith(
        "a.png: to read pictures, install the package pillow ("
    )


@pytest.mark.usefixtures("idle")
def test_a_missing_threading_layer_is_an_error(fails, monkeypatch):
    def threads():
        raise ValueError("No threading layer could be loaded.\nHINT:\nget one")

    monkeypatch.setattr(_runtime, "threads", threads)
    assert fails("cluster") == "No threading layer could be loaded. HINT: get one"


def test_a_full_disk_is_an_error(fails, monkeypatch):
    def write_centers(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_outputs, "write_centers", write_centers)
    message = "cannot write x.labels.npy, x.centroids.npy: No space left on device"
    assert fails("cluster", "--output", "x") == message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 9 EiB"), "not enough memory: Unable to allocate 9 EiB"),
        (MemoryError(), "not enough memory"),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: Permission denied"),
        (OSError("strange"), "strange"),
    ],
)
def test_system_errors_are_told_on_one_line(fails, monkeypatch, error, message):
    def shipped(columns):
        raise error

    monkeypatch.setattr(_files, "shipped", shipped)
    assert fails("cluster") == message


def test_our_own_bugs_are_not_hidden(run, monkeypatch):
    monkeypatch.setattr(command, "_run", lambda *_arguments: {}["mistake"])
    with pytest.raises(KeyError, match="mistake"):
        run("cluster")
