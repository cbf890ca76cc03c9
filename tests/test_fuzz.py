"""A short run of the fuzzer, which also finds each planted fault. The long run is a command."""

import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

HERE = Path(__file__).parent
LIMIT = 300

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are POSIX")


def run(*arguments):
    command = [sys.executable, str(HERE / "fuzz.py"), "--blind", *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=LIMIT)


def test_nothing_is_found():
    result = run("--cases", "500", "--seed", "5")
    assert result.returncode == 0, result.stdout
    assert "500 cases without a finding, seed 5" in result.stdout


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("infinite", "OverflowError: cannot convert float infinity to integer"),
        ("reader", "Error"),
        ("width", "IndexError"),
    ],
)
def test_a_planted_fault_is_found(fault, words):
    assert fault in fuzz.FAULTS
    result = run("--cases", "4000", "--fault", fault)
    assert result.returncode == 1
    assert words in result.stdout
    assert "FOUND" in result.stdout
