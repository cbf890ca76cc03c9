"""A short run of `soak.py`, and that it notices what it is there for. The long run is a command."""

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
    result = run("--minutes", "0.2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "wrong answers: none" in result.stdout


@pytest.mark.parametrize(
    ("fault", "words"),
    [("memory", " MB"), ("thread", "threads"), ("file", "files"), ("answer", "wrong answers: [")],
)
def test_a_planted_fault_is_found(fault, words):
    result = run("--minutes", "0.05", "--fault", fault)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "+0.0 MB" not in result.stdout
    assert words in result.stdout
