"""What to run for each change: some workloads, each over a yardstick, in several processes.

    asv continuous --bench '^quick' HEAD~1 HEAD

The workloads are in `one_process.py`. Each result is one number, the median of the processes: it survives a
change of machine, and most of its noise.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numbakmeans

PROGRAM = Path(__file__).parents[1] / "one_process.py"
sys.path.append(str(PROGRAM.parent))
from one_process import WORKLOADS  # noqa: E402

N_PROCESSES = 5


def ratio_in_a_process(workload):
    """Return what a process of its own prints for a workload."""
    done = subprocess.run([sys.executable, PROGRAM, workload], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class OverYardstick:
    """The time of a workload over that of its yardstick."""

    params = [list(WORKLOADS)]
    param_names = ("workload",)
    timeout = 300

    def setup(self, workload):
        if not all(hasattr(numbakmeans, name) for name in WORKLOADS[workload].needs):
            raise NotImplementedError
        ratio_in_a_process(workload)  # compiles

    def track_ratio(self, workload):
        return statistics.median(ratio_in_a_process(workload) for _ in range(N_PROCESSES))

    track_ratio.unit = "times the yardstick"
