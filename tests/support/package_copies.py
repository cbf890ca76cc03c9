"""Copies of the package, which tests may edit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numbakmeans
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
    """Run Python with a command line in a folder, whose copy of the package it imports."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(TESTS)]),
        # Code compiled without a fault, ours or Python's, must not be loaded for a faulty copy.
        "NUMBAKMEANS_CACHE_DIR": "off",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_NUM_THREADS": "1",
        # Compiling is most of the work, and takes a fifth less time this way.
        "NUMBA_OPT": "1",
        **more,
    }
    command = [sys.executable, *command]
    return subprocess.run(command, env=environment, cwd=folder, input=input, capture_output=True, text=True)
