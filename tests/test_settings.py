"""The same bits for any number of threads and any threading layer, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import answers
import numpy as np
import oracle
import pytest

HERE = Path(__file__).parent


def run(layer, threads, expected_layer=None):
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "NUMBA_NUM_THREADS": str(threads),
        "NUMBA_THREADING_LAYER": layer,
    }
    if layer == "tbb":
        # The wheel of tbb keeps its library where the loader does not look.
        libraries = str(Path(sys.prefix) / "lib")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([libraries, os.environ.get("LD_LIBRARY_PATH", "")])
    command = [sys.executable, str(HERE / "answers.py"), expected_layer or layer, str(threads)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def expected():
    """The oracle's answers, and one thread's for what the oracle does not know as a whole."""
    result = run("workqueue", 1)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    for name, (X, centers, n_iter) in answers.matrix_cases().items():
        with np.errstate(all="ignore"):
            right = oracle.kmeans2(X, centers, n_iter)
        found[name] = answers.digest(right[0], right[1])
    return found


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_one_answer(layer, threads, expected):
    result = run(layer, threads)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert found.keys() == expected.keys()


def test_a_hash_sees_one_bit():
    """The negative control: a single last bit, a dtype or a shape changes the hash."""
    x = np.ones(5)
    changed = x.copy()
    changed[3] = np.nextafter(1, 2)
    others = [changed, x.astype(np.float32), x.reshape(1, 5), x[:4]]
    assert answers.digest(x) not in {answers.digest(other) for other in others}
    assert answers.digest(x) == answers.digest(x.copy())


def test_a_wrong_layer_is_noticed():
    wrong = run("workqueue", 2, expected_layer="omp")
    assert wrong.returncode == 1
    assert "assert numba.threading_layer() == layer" in wrong.stderr
