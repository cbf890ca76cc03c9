"""How much memory calls take on top of the process and its arguments."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import warnings
import numpy as np
import numbakmeans
from pathlib import Path
warnings.simplefilter("ignore")
X = np.random.default_rng(0).random(({n_samples}, {n_features})).astype("{dtype}")
few = X[:2000].copy()

def call(X):
    numbakmeans.{call}

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

call(few)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is in use
before = peak()
call(X)
print(max(0, peak() - before))
"""
CALLS = {
    "ten passes": "kmeans2(X, X[:64], 10, minit='matrix')",
    "'++'": "kmeans2(X, 64, iter=1, minit='++', rng=0)",
    "vq": "vq(X, X[:64])",
    "whiten": "whiten(X)",
}


class Peak:
    """The peak of a call over what was in use before it, relative to its data (`whiten` returns as much)."""

    params = (list(CALLS), ["2000000 x 4", "200000 x 128"], ["float32", "float16"])
    param_names = ("call", "data", "dtype")
    unit = "percent"
    timeout = 300

    def setup(self, call, data, dtype):
        if not Path("/proc/self/clear_refs").exists():
            raise NotImplementedError

    def track_peak(self, call, data, dtype):
        n_samples, n_features = map(int, data.split(" x "))
        given = {"n_samples": n_samples, "n_features": n_features, "dtype": dtype, "call": CALLS[call]}
        program = [sys.executable, "-c", PROGRAM.format(**given)]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        return 100 * json.loads(done.stdout) / (n_samples * n_features * (4 if dtype == "float32" else 2))
