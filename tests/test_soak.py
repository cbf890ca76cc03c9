"""A short run of `soak.py`, which also finds each planted fault. The long run is a command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def run(*arguments):
    command = [sys.executable, str(HERE / "soak.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_answers_repeat_and_nothing_grows():
    result = run("--minutes", "0.1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "wrong answers: none" in result.stdout


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("memory", r"\+[1-9]\d*\.\d MB, \+0 threads, \+0 files"),
        ("thread", r"\+[1-9]\d* threads, \+0 files"),
        ("file", r"\+0 threads, \+[1-9]\d* files"),
        ("answer", r"wrong answers: \["),
    ],
)
def test_a_planted_fault_is_found(fault, found):
    result = run("--minutes", "0.03", "--fault", fault)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(found, result.stdout), result.stdout
