"""Settings of the whole suite."""

import os
import signal

# Before Numba is imported: more threads than cores, so that slots outnumber what the machine has.
os.environ.setdefault("NUMBA_NUM_THREADS", "8")

import numba
import pytest
import ways
from hypothesis import HealthCheck, settings

from numbakmeans._engine import thresholds as at

settings.register_profile(
    "suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


#: Files that take long, and begin first where files run side by side: the last to end shall be a short one.
LONG = (
    "test_settings.py",
    "test_planted_faults.py",
    "test_threads_and_forks.py",
    "test_installs.py",
    "test_overloads.py",
    "test_nopython.py",
)


def pytest_configure(config):
    # What a script starts in the background ignores Ctrl-C, and so would all programs that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Of pytest-xdist: in the order of collection, not by the number of tests in a file.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture
def bounds_checked(monkeypatch):
    """Ask bounds of all rows (`ways.ask_all`): a plan that users never have, for tests of what bounds do."""
    ways.ask_all(monkeypatch.setattr)


@pytest.fixture(params=[1, 3, 8])
def threads(request, monkeypatch):
    """Run with this many threads, in parallel kernels whatever the size (but for one thread)."""
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    monkeypatch.setattr(at, "MIN_PARALLEL_STEPS", 0)
    yield request.param
    numba.set_num_threads(before)
