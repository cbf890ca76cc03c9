"""Copies of the package, or of a module, which tests may edit."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import numbakmeans
from numbakmeans._numba import cache as _cache
from support.environments import TESTS

PACKAGE = Path(numbakmeans.__file__).parent


def copy_package(folder):
    """Copy the package into a folder."""
    shutil.copytree(PACKAGE, folder / "numbakmeans", ignore=shutil.ignore_patterns("__pycache__"))


def copy_with(folder, file, old, new):
    """Copy the package into a folder, and replace some code in one of its files."""
    copy_package(folder)
    path = folder / "numbakmeans" / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))


def run(folder, *command, input=None, **more):
    """Run Python with a command line in a folder, whose copy of the package it imports.

    It has a copy of our code cache: what a fault does not change need not be compiled. (If the keys of the
    cache did not tell a fault from sound code, the fault would not be found.)
    """
    code = folder / "code"
    for cache in _cache.folders()[:1]:
        if cache.exists() and not code.exists():
            shutil.copytree(cache, code, ignore=shutil.ignore_patterns(".*"))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS)]),
        "NUMBAKMEANS_CACHE_DIR": str(code),
        # Python's own compiled code must not be loaded for a faulty copy.
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_NUM_THREADS": "1",
        **more,
    }
    command = [sys.executable, *command]
    return subprocess.run(command, env=environment, cwd=folder, input=input, capture_output=True, text=True)


def run_tests(folder, *tests):
    """Run tests with a copy of the package in a folder, up to the first failure."""
    return run(folder, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests)


def module_with(module, old, new):
    """Return a copy of a module in which some code, which occurs once, is replaced."""
    source = Path(module.__file__).read_text()
    assert source.count(old) == 1, old
    copy = types.ModuleType(module.__name__)
    exec(compile(source.replace(old, new), module.__file__, "exec"), copy.__dict__)
    return copy


def require_noticed(check, use_a_copy, plant):
    """Require that a check passes with a copy of the sound code, and fails with the fault."""
    use_a_copy()
    check()
    plant()
    with pytest.raises((Exception, pytest.fail.Exception)):
        check()
