"""Settings of the whole suite."""

import os

# Before Numba is imported: more threads than cores, so that slots outnumber what the machine has.
os.environ.setdefault("NUMBA_NUM_THREADS", "8")

import numba
import pytest
import ways
from hypothesis import HealthCheck, settings

from numbakmeans import _plan

settings.register_profile(
    "suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def bounds_asked(monkeypatch):
    """Ask bounds of all rows (`ways.ask_all`)."""
    ways.ask_all(monkeypatch.setattr)


@pytest.fixture(params=[1, 3, 8])
def threads(request, monkeypatch):
    """Run with this many threads, in parallel kernels whatever the size (but for one thread)."""
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    monkeypatch.setattr(_plan, "PARALLEL_WORK", 0)
    yield request.param
    numba.set_num_threads(before)
