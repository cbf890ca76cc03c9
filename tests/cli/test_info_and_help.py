"""``numbakmeans info``, ``--version`` and ``--help``."""

import errno
import os
import re
import subprocess
import sys

import llvmlite
import numba
import numpy as np
from support.command_line import ENVIRONMENT

import numbakmeans
from numbakmeans._numba import cache as _cache
from numbakmeans._numba import runtime as _runtime


def test_info_tells_about_caches_and_threads(run, tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "trouble", "OSError: something odd")
    (tmp_path / "full").mkdir()
    for name in ("one-1", "two-2", ".half"):
        (tmp_path / "full" / name).touch()
    (tmp_path / "plain").touch()
    folders = (tmp_path / "full", tmp_path / "none", tmp_path / "plain")
    canonical_ran = run("info")  # compiles before the folders are exchanged
    assert canonical_ran[0] == 0
    monkeypatch.setattr(_cache, "folders", lambda: folders)
    code, out, err = run("info")
    assert (code, err) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    found = dict(lines)
    assert found["numbakmeans"] == numbakmeans.__version__
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["numpy"] == np.__version__
    assert found["numba"] == numba.__version__
    assert found["llvmlite"] == llvmlite.__version__
    assert found["threading layer"] == numba.threading_layer()
    assert found["threads"] == str(numba.get_num_threads())
    assert found["processor"] == llvmlite.binding.get_host_cpu_name()
    assert [value for name, value in lines if name == "code cache"] == [
        f"{folders[0]}: 2 compiled functions, 0.0 MB",
        f"{folders[1]}: not there",
        f"{folders[2]}: unreadable ({os.strerror(errno.ENOTDIR)})",
    ]
    state = re.fullmatch(
        r"of this command's code: (\d+) loaded, (\d+) stored, (\d+) could not be kept", found["cache state"]
    )
    assert tuple(map(int, state.groups())) == (_cache.loaded, _cache.stored, _cache.lost)
    assert found["cache trouble"] == "OSError: something odd"


def test_info_runs_without_cache_and_threads(run, monkeypatch):
    def threads():
        raise ValueError("No threading layer could be loaded.\nHINT:\nget one")

    monkeypatch.setattr(_runtime, "threads", threads)
    monkeypatch.setattr(_cache, "folders", lambda: ())
    monkeypatch.setattr(_cache, "trouble", "")
    code, out, _ = run("info")
    assert code == 0
    assert "threading layer  none: No threading layer could be loaded. HINT: get one\n" in out
    assert "code cache       off\n" in out
    assert "cache state      compiled code is not kept\n" in out
    assert "cache trouble    none\n" in out


def test_version_is_printed(run):
    assert run("--version") == (0, f"numbakmeans {numbakmeans.__version__}\n", "")


def test_help_names_every_option(run):
    code, out, err = run("cluster", "--help")
    assert (code, err) == (0, "")
    for option in (
        *("-k", "--minit", "--iter", "--seed", "--restarts", "--standardize", "--dtype", "--array"),
        *("--columns", "--output", "--format", "--append", "--json", "--plot"),
    ):
        assert f"  {option}" in out
    code, out, _ = run("--help")
    assert code == 0
    assert "cluster the rows" in out
    assert "code cache" in out


def test_help_and_wrong_usage_import_neither_numpy_nor_numba():
    script = """
import sys
from numbakmeans._cli.main import main
for arguments in (["--help"], ["cluster", "--help"], ["--version"], ["cluster", "--iter", "0"], []):
    main(arguments)
print("imported:", {"numpy", "numba", "matplotlib", "PIL"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [["numbakmeans", " error"]] * 2
    assert done.stdout.splitlines()[-1] == "imported: set()"
