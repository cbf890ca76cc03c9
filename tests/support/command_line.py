"""The command in a process of its own, and what it prints taken apart."""

import os
import re
import sys
from pathlib import Path

import numbakmeans

COMMAND = (sys.executable, "-m", "numbakmeans")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(numbakmeans.__file__).parent.parent)}


def fields(out):
    """Return the lines above the table of clusters, keyed by their first word."""
    return dict(line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines())


def listed(out):
    """Return the table of clusters as lists of cells."""
    return [re.split(r"\s{2,}", line.strip()) for line in out.split("\n\n")[1].splitlines()]
