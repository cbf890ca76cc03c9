"""scikit-learn's own tests of KMeans and MiniBatchKMeans, pointed at ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent

#: Tests that fail, and why.
LEFT_OUT = {
    "test_warning_elkan_1_cluster": "'elkan' chooses nothing here, so it makes no less sense for one cluster",
    "test_sample_weight_init": "calls the private _init_centroids; test_kmeans.py and test_seeding.py "
    "have weights in seeding",
    "test_sample_weight_zero": "calls the private _init_centroids",
}


def run(**environment):
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "support.sklearn_tests_plugin",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-c", os.devnull, "--pyargs", "sklearn.cluster.tests.test_k_means"]
    # Tests of functions inside of scikit-learn stay what they are.
    inside = ("euclidean", "kmeans_plusplus", "minibatch_update_consistency", "minibatch_reassign")
    command += ["-k", " and ".join(f"not {name}" for name in inside)]
    environment = {**os.environ, "PYTHONPATH": path, "SKLEARN_RUN_FLOAT32_TESTS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def failed(output):
    """Return the names of the tests that failed, without their parameters."""
    return set(re.findall(r"^(?:FAILED|ERROR) \S*::(\w+)", output, re.M))


def test_scikit_learns_own_tests_pass():
    result = run()
    assert failed(result.stdout) == set(LEFT_OUT)
    passed = int(re.search(r"(\d+) passed", result.stdout)[1])
    fits = int(re.search(r"our fits: (\d+)", result.stdout)[1])
    assert passed >= 120
    assert fits >= 150


@pytest.mark.parametrize(
    ("fault", "finder"), [("centers", "test_kmeans_results"), ("no weights", "test_weighted_vs_repeated")]
)
def test_scikit_learns_own_tests_find_a_planted_fault(fault, finder):
    result = run(PLANT_FAULT_IN_KMEANS_TESTS=fault)
    assert finder in failed(result.stdout)
