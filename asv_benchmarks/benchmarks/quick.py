"""What to run for each change: some workloads, each over the same workload with a reference commit.

    asv continuous --factor 1.1 --bench '^quick' HEAD~1 HEAD

The commit that asv installed and the reference, which `reference.txt` names, each have a process and take
turns, so that a busy machine slows down both. As processes of the same code differ by more than the turns of
one, each result is the median over several pairs. The workloads are in `one_process.py`.
"""

import contextlib
import io
import os
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path

from .available import needs

FOLDER = Path(__file__).parents[1]
sys.path.append(str(FOLDER))
from one_process import WORKLOADS  # noqa: E402

N_PAIRS, N_TURNS = 5, 8


def reference():
    """Return a folder with the package of the reference commit."""
    commit, root = (FOLDER / "reference.txt").read_text().strip(), FOLDER.parent
    folder = root / ".asv" / "reference" / commit
    if not folder.exists():
        archive = ["git", "-C", root, "archive", "--format=tar", commit, "numbakmeans"]
        packed = subprocess.run(archive, capture_output=True, check=True).stdout
        partial = folder.with_suffix(f".{os.getpid()}")
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(partial, filter="data")
        partial.rename(folder)
    return folder


@contextlib.contextmanager
def process(workload, package=None):
    """Yield a function that runs a workload in a process of its own, and returns its seconds.

    package : a folder with the package; the installed one if None
    """
    # Threads that wait must leave the cores to the other process.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    if package is not None:
        environment["PYTHONPATH"] = str(package)
    command, pipe = [sys.executable, FOLDER / "one_process.py", workload], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as running:

        def seconds():
            running.stdin.write("\n")
            running.stdin.flush()
            return float(running.stdout.readline())

        yield seconds
        running.stdin.close()


def ratio(workload):
    """Return the time of a workload over that with the reference, as two processes find it."""
    with process(workload) as ours, process(workload, reference()) as theirs:
        ours(), theirs()
        turns = [(ours(), theirs()) if t % 2 else (theirs(), ours())[::-1] for t in range(N_TURNS)]
    return statistics.median(mine / other for mine, other in turns)


class OverReference:
    """The time of a workload over that with the reference commit."""

    params = [list(WORKLOADS)]
    param_names = ("workload",)
    timeout = 300

    def setup(self, workload):
        needs(*WORKLOADS[workload].needs)
        with process(workload) as ours, process(workload, reference()) as theirs:
            ours(), theirs()  # compile

    def track_ratio(self, workload):
        return statistics.median(ratio(workload) for _ in range(N_PAIRS))

    track_ratio.unit = "of the reference"
