"""A call takes 32 bytes per row and 64 MB besides its arguments and results, and some more to prune."""

import subprocess
import sys

import pytest
from support.environments import importing_tests, program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def memory(*arguments):
    command = program("memory_program", *arguments)
    return subprocess.run(command, env=importing_tests(), capture_output=True, text=True, timeout=300)


def figures(*arguments):
    done = memory(*arguments)
    assert done.returncode == 0, done.stderr
    return tuple(int(word) for word in done.stdout.split())


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("points", "wide, C float32"),
        ("++", "wide, C float32"),
        ("fit", "wide, F float32"),
        ("fit", "wide, blocks float32"),
        ("vq", "wide, C int8"),
        ("++", "wide, strided float32"),
        ("random", "wide, F float64"),
        ("kmeans", "wide, C float16"),
        ("whiten", "wide, F float32"),
        ("fit", "flat, C float32"),
        ("greedy ++", "flat, C float32"),
        ("greedy ++", "wide, F float32"),
        ("parallel ++", "flat, C float32"),
        ("parallel ++", "wide, strided float32"),
        ("vq", "flat, F float64"),
        ("vq", "wide, mapped float32"),
        ("fit", "wide, mapped float32"),
        ("points", "wide, mapped float16"),
    ],
)
def test_a_call_takes_no_more_memory_than_allowed(call, given):
    taken, allowed, _ = figures(call, given)
    assert taken <= allowed


@pytest.mark.parametrize(
    ("call", "given"), [("fit", "few features, C float32"), ("fit, many", "wide, C float32")]
)
def test_a_lean_call_takes_less_memory(call, given, monkeypatch):
    freely, allowed, _ = figures(call, given)
    assert freely <= allowed
    monkeypatch.setenv("NUMBAKMEANS_LEAN", "1")
    taken, allowed, _ = figures(call, given)
    assert taken <= allowed
    assert taken < freely


def test_a_copy_would_be_noticed():
    """The control."""
    taken, allowed, copy = figures("fit", "wide, F float32", "whole")
    assert taken > allowed
    assert taken > 0.9 * copy


@pytest.mark.parametrize(
    ("call", "given", "control"),
    [
        ("points", "wide, mapped float16", "whole"),
        ("vq", "wide, mapped float32", "mask"),
        ("fit", "wide, blocks float32", "whole"),
    ],
)
def test_a_copy_of_mapped_data_would_not_fit(call, given, control):
    done = memory(call, given, control)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
