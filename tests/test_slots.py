"""The only parallel loop: every slot once, with threads and without, sums and failures brought back."""

import ctypes

import numpy as np
import pytest
from numba.core.errors import TypingError

from numbakmeans import _slots
from numbakmeans._jit import kernel, parallel_kernel
from numbakmeans._slots import Driver, driver, run_slots, spread


@kernel
def count_slot(slot, out, step):
    out[slot] += step
    return slot, step


@driver
def count(loop, out, step):
    return spread(loop, len(out), count_slot, (out, step))


@kernel
def number_slot(slot):
    return slot


@driver
def add_numbers(loop, n_slots):
    return spread(loop, n_slots, number_slot, ())


@kernel
def nested_slot(slot, arrays, few):
    out, wide = arrays
    out[slot] = wide[slot] if few else 0.0


@driver
def copy(loop, out, wide, few):
    spread(loop, len(out), nested_slot, ((out, wide), few))


@kernel
def allocating_slot(slot, size):
    return len(np.empty(size if slot == 3 else 1))


@driver
def allocate(loop, size):
    return spread(loop, 4, allocating_slot, (size,))


@kernel
def threads_at_hand():
    return _slots.all_threads()


@kernel
def raising_slot(slot, _):
    if slot == 2:
        raise IndexError("of slot 2")
    return slot


@driver
def raises(loop):
    return spread(loop, 4, raising_slot, (0,))


@kernel
def float_slot(slot):
    return 0.5


@driver
def floats(loop):
    return spread(loop, 2, float_slot, ())


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("n_slots", [1, 2, 3, 64, 1000])
def test_every_slot_is_called_once(n_slots, parallel, threads):
    out = np.zeros(n_slots, np.int64)
    assert count.on(parallel)(out, 5) == (n_slots * (n_slots - 1) // 2, 5 * n_slots)
    assert (out == 5).all()
    # The negative control: a second call shows.
    count.on(parallel)(out, 1)
    assert (out == 6).all()
    assert add_numbers.on(parallel)(n_slots) == n_slots * (n_slots - 1) // 2


@pytest.mark.parametrize("parallel", [False, True])
def test_tuples_within_tuples_and_no_result(parallel):
    out, wide = np.full(9, np.nan), np.arange(9.0)
    copy.on(parallel)(out, wide, True)
    assert np.array_equal(out, wide)
    copy.on(parallel)(out, wide, False)
    assert (out == 0.0).all()


@pytest.mark.parametrize("parallel", [False, True])
def test_a_slot_that_cannot_allocate_is_heard(parallel):
    assert allocate.on(parallel)(7) == 10
    with pytest.raises(MemoryError):
        allocate.on(parallel)(1 << 59)
    assert allocate.on(parallel)(7) == 10


@pytest.mark.parametrize("parallel", [False, True])
def test_what_a_slot_raises_arrives(parallel):
    """Numba itself drops what is raised below a prange."""
    with pytest.raises(IndexError, match="of slot 2"):
        raises.on(parallel)()


def test_results_are_whole_numbers():
    with pytest.raises(TypingError, match="an int64 or a tuple of them, not float64"):
        floats.on(False)()


def test_a_driver_is_compiled_once_and_without_threads_of_its_own():
    fresh = Driver(kernel(count.kernel.py_func))
    fresh.kernel._cache.disable()
    out = np.zeros(3, np.int64)
    for parallel in (False, True):
        fresh.on(parallel)(out, 1)
    assert len(fresh.kernel.signatures) == 1
    assert "numba_parallel_for" not in next(iter(fresh.kernel.inspect_llvm().values()))
    # The negative control: the loop that has them.
    loop = parallel_kernel(run_slots.py_func)
    loop._cache.disable()
    assert loop(0, 0, 0) == 0
    assert "numba_parallel_for" in next(iter(loop.inspect_llvm().values()))


def idle():
    """The address of a loop that calls no slot."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    idle.keep = kind(lambda _n, _function, _arguments: 0)
    return ctypes.cast(idle.keep, ctypes.c_void_p).value


def test_threads_are_really_used(monkeypatch):
    """A loop that is handed over is called: one that does nothing leaves the slots undone."""
    out = np.zeros(4, np.int64)
    monkeypatch.setattr(_slots, "threaded", idle)
    assert count.on(True)(out, 1) == (0, 0)
    assert (out == 0).all()


def test_nopython_code_gets_all_threads(threads):
    loop, n_slots = threads_at_hand()
    assert n_slots == threads
    assert loop != _slots.ALONE
    out = np.zeros(n_slots)
    assert count.kernel(loop, out, 2) == (sum(range(n_slots)), 2 * n_slots)
    assert out.tolist() == [2.0] * n_slots
