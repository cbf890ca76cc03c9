"""Settings of the whole suite."""

import os
import signal

# Before Numba is imported: more threads than most machines have cores, so that tasks outnumber the cores.
os.environ.setdefault("NUMBA_NUM_THREADS", "8")

import numba
import pytest
import selection
from hypothesis import HealthCheck, settings
from support import variants

from numbakmeans._engine import thresholds as at
from numbakmeans._numba import cache as _cache

settings.register_profile(
    "suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


#: Slow files, which start first where files run in parallel, so that the last one to finish is a short one.
#: The first one fills the code cache for all others.
LONG = (
    "test_warmup.py",
    "test_installs.py",
    "test_planted_faults.py",
    "test_settings.py",
    "test_doors.py",
    "test_threads_and_forks.py",
    "test_overloads.py",
    "test_nopython.py",
)


def pytest_configure(config):
    # A process that a script starts in the background ignores SIGINT, and so would the programs it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # pytest-xdist: keep the order of collection instead of sorting by the number of tests in a file.
    config.option.loadscopereorder = False


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run all tests, as nox does (see selection.py)")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if selection.is_quick(item):
            item.add_marker("quick")
    # A test that is named runs in any case.
    if not config.option.full and not any("::" in name for name in config.args):
        extra = [item for item in items if selection.is_extra(item)]
        config.hook.pytest_deselected(items=extra)
        items[:] = [item for item in items if not selection.is_extra(item)]
    order = {name: i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONG)))


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """Let the code cache use this folder alone, and forget its last failure."""
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(_cache, "trouble", "")
    return tmp_path


@pytest.fixture
def bounds_checked(monkeypatch):
    """Check the bounds of all rows: a plan that users never get, to test the bounds."""
    variants.check_all_bounds(monkeypatch.setattr)


@pytest.fixture(params=[1, 3, 8])
def threads(request, monkeypatch):
    """Run with this many threads; with more than one, kernels are parallel whatever the size."""
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    monkeypatch.setattr(at, "MIN_PARALLEL_STEPS", 0)
    monkeypatch.setattr(at, "MAX_SMALL_STEPS", {4: 0, 8: 0})
    monkeypatch.setattr(at, "MAX_REFINED_STEPS", 0)
    yield request.param
    numba.set_num_threads(before)
