"""Ctrl-C, terminals and pipes."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.command_line import COMMAND, ENVIRONMENT, fields

from numbakmeans._cli import console
from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.main import main


def test_ctrl_c_while_writing_leaves_no_file(run, monkeypatch):
    def write_centers(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_outputs, "write_centers", write_centers)
    assert run("cluster", "--output", "x") == (130, "", "")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and SIGINT are POSIX")
def test_ctrl_c_during_the_passes_clears_the_line_and_leaves_no_file(tmp_path):
    np.save(tmp_path / "data.npy", np.random.default_rng(0).random((100_000, 8)))
    ours, theirs = os.openpty()
    options = ("-k", "200", "--iter", "1000000", "--output", "out", "--plot", "out.png")
    process = subprocess.Popen(
        [*COMMAND, "cluster", "data.npy", *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 100
    while not re.search(rb"pass \d+ of 1000000 \[-{20}\] \d+ rows moved", shown):
        assert time.monotonic() < deadline, shown
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    rest = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # on Linux, no process has the terminal open any more
            break
        if not piece:
            break
        rest += piece
    os.close(ours)
    assert b"\n" not in shown + rest
    assert re.search(rb"\r +\r$", shown + rest)
    assert list(tmp_path.iterdir()) == [tmp_path / "data.npy"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_that_is_cleared(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "PROGRESS_EVERY", 0)
    code, out, _ = run("cluster", "--seed", 1)
    assert code == 0
    shown = terminal.getvalue()
    assert "\n" not in shown
    states = shown.split("\r")
    assert states[0] == ""
    assert states[1] == "choosing 2 centers"
    n_passes = int(fields(out)["passes"].split(",")[0])
    passes = [
        re.fullmatch(r"pass (\d+) of 100 \[(#*)-*\] (\d+) rows moved *", state) for state in states[2:-2]
    ]
    assert [int(match[1]) for match in passes] == list(range(1, n_passes + 1))
    assert [len(match[2]) for match in passes] == [n // 5 for n in range(1, n_passes + 1)]
    assert passes[0][3] == "272"
    assert passes[-1][3] == "0"
    # Each state covers the previous one; the last is blank.
    widths = [len(state) for state in states[1:-1]]
    assert widths == sorted(widths)
    assert states[-2].strip() == states[-1] == ""


def test_reading_a_long_table_is_told(run, monkeypatch):
    monkeypatch.setattr(console, "PROGRESS_EVERY", 0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    Path("long.csv").write_text("1,2\n3,4\n" * 15_000)
    assert run("cluster", "long.csv", "-k", 2)[0] == 0
    states = [state.strip() for state in terminal.getvalue().split("\r")]
    reading = [state for state in states if state.startswith("reading")]
    assert reading == ["reading long.csv", *(f"reading long.csv: {share}%" for share in (0, 33, 67))]
    assert states[len(reading) + 1] == ""  # cleared before what comes next


def test_progress_is_rate_limited(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "PROGRESS_EVERY", 1e9)
    assert run("cluster")[0] == 0
    assert terminal.getvalue().split("\r")[1:] == ["choosing 2 centers", " " * len("choosing 2 centers"), ""]


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    (tmp_path / "in.csv").write_text("größe,大小\n1,2\n3,4\n", encoding="utf-8")
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*COMMAND, "cluster", "in.csv", "-k", "2"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"gr\xf6\xdfe" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("cluster",), ("--help",), ("--version",)])
def test_a_closed_pipe_gives_no_traceback(arguments, unbuffered):
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *arguments], env=environment, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_for_the_output_is_an_error():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "cluster"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"numbakmeans: error: No space left on device\n")


def test_it_runs_without_standard_streams(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["cluster", "--output", "x"]) == 0
    assert Path("x.labels.npy").exists()


def test_it_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [*COMMAND, "cluster", "--seed", "1"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("input     Old Faithful")
    assert list(tmp_path.iterdir()) == []
    done = subprocess.run(
        [*COMMAND, "cluster", "--iter", "0"], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numbakmeans: error: argument --iter: must be at least 1, got 0\n"
