"""Tables, the arrays of kernels, checked against NumPy; and the arena that holds temporary ones."""

import contextlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError
from numba.extending import intrinsic

from numbakmeans._numba.arena import CHUNK, LINE, empty, lend, mark, release, zeros
from numbakmeans._numba.callers_arrays import read_rows
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import DISABLED
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.tables import data_of, flat, table_at

pytestmark = pytest.mark.skipif(DISABLED, reason="in plain Python they are NumPy's arrays")
HERE = Path(__file__).parent
DTYPES = [np.float32, np.float64, np.int32, np.int64, np.int8, np.bool_]


@intrinsic
def address_of(typingctx, table):
    """Return where a table begins."""
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.ptrtoint(data_of(builder, args[0]), context.get_value_type(types.int64))

    return types.int64(table), codegen


# --- Operations of kernels


@kernel
def describe(X, found):
    n_rows, n_columns = X.shape
    found[0], found[1], found[2], found[3], found[4] = len(X), n_rows, n_columns, X.size, X.itemsize
    found[5] = len(X[0])
    found[6] = flat(X).size


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_and_sizes_are_numpys(dtype):
    found = np.zeros(7, np.int64)
    describe(np.ones((3, 5), dtype), found)
    assert found.tolist() == [3, 3, 5, 15, np.dtype(dtype).itemsize, 5, 15]


@kernel
def read_all(X, out):
    """Read a table in every supported way."""
    for i in range(X.shape[0]):
        rows = X[i]
        for j in range(X.shape[1]):
            row, same = rows[j], X[i, j]
            for f in range(X.shape[2]):
                out[0, i, j, f], out[1, i, j, f] = X[i, j, f], row[f]
                out[2, i, j, f], out[3, i, j, f] = same[f], X[i:][0][j:][0, f]
    line = flat(X)
    for t in range(len(line)):
        flat(out[4])[t] = line[t]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_index_finds_its_element(dtype):
    X = np.random.default_rng(0).integers(0, 100, size=(3, 4, 5)).astype(dtype)
    out = np.zeros((5, *X.shape), dtype)
    read_all(X, out)
    for each in out:
        assert np.array_equal(each, X)


@kernel
def write_all(X, row, a, b):
    X[0, 1] = 3
    X[1] = 4
    X[2] = row
    X[3:5] = 5
    X[5] = X[0]
    part = X[a:b]
    part[0, 0] = 6
    X[len(X) - 1 :] = 7
    X[a:a] = 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_writes_match_numpy(dtype):
    row = np.arange(4).astype(dtype)
    X = np.zeros((10, 4), dtype)
    right = X.copy()
    write_all(X, row, 6, 8)
    write_all.py_func(right, row, 6, 8)
    assert np.array_equal(X, right)
    assert len(np.unique(X)) > 1


@kernel
def bounds_of_slice(X, a, b, part):
    some = X[a:b]
    for t in range(len(some)):
        part[t] = some[t]
    some[:] = -1
    return len(some)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [(0, 5), (2, 4), (5, 5), (4, 5), (3, 9), (7, 9), (4, 2), (5, 2**62)])
def test_slices_are_views_clipped_to_the_table(rows, dtype):
    X = np.arange(15, dtype=dtype).reshape(5, 3)
    right, part = X[slice(*rows)].copy(), np.zeros((9, 3), dtype)
    assert bounds_of_slice(X, *rows, part) == len(right)
    assert np.array_equal(part[: len(right)], right)
    assert not part[len(right) :].any()
    assert (X[slice(*rows)] == -1).all()
    assert (np.delete(X, range(*slice(*rows).indices(5)), 0) >= 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X: X[:, 0],
        lambda X: X[::2],
        lambda X: X[0, :2],
        lambda X: X[0.5],
        lambda X: X[0, 0, 0],
        lambda X: X.T,
        lambda X: X[X > 0],
    ],
)
def test_unsupported_indexing_is_not_compiled(wrong):
    with pytest.raises(TypingError):
        kernel(wrong)(np.ones((3, 3)))


# --- New tables


@kernel
def describe_new(n, found, arena):
    """Write the sizes, item sizes and addresses of new tables, and how many of their zeros are not zero."""
    for turn in range(2):
        marked = mark(arena)
        a, b = empty(arena, n, np.float32), empty(arena, (n, 0), np.float64)
        c, d = zeros(arena, n, np.int64), zeros(arena, (n, 4), np.bool_)
        e, f = zeros(arena, (2, n, np.int32(n)), np.float32), zeros(arena, (0, n), np.uint8)
        found[0, 0], found[0, 1], found[0, 2] = len(a), a.itemsize, address_of(a)
        found[1, 0], found[1, 1], found[1, 2] = b.shape[0] + b.shape[1], b.itemsize, address_of(b)
        found[2, 0], found[2, 1], found[2, 2] = len(c), c.itemsize, address_of(c)
        found[3, 0], found[3, 1], found[3, 2] = d.size, d.itemsize, address_of(d)
        found[4, 0], found[4, 1], found[4, 2] = e.size, e.itemsize, address_of(e)
        found[5, 0], found[5, 1], found[5, 2] = f.shape[1], f.itemsize, address_of(f)
        n_others = 0
        for t in range(c.size):
            n_others += 1 if c[t] != 0 else 0
        for t in range(d.size):
            n_others += 1 if flat(d)[t] else 0
        for t in range(e.size):
            n_others += 1 if flat(e)[t] != 0 else 0
        found[6, turn] = n_others
        # So that the memory is not zero already the next time.
        a[:], c[:], d[:] = 7, 7, True
        e[0] = 7
        e[1] = 7
        release(arena, marked)


@pytest.mark.parametrize("n", [1, 3, 40, 300])
def test_new_tables_are_aligned_and_zeros_are_zero(n):
    found = np.zeros((7, 3), np.int64)
    describe_new(n, found)
    assert found[:6, :2].tolist() == [[n, 4], [n, 8], [n, 8], [4 * n, 1], [2 * n * n, 4], [n, 1]]
    assert not found[6, :2].any()
    assert not (found[:6, 2] % LINE).any()


@kernel
def size_of_new(n_rows, n_columns, arena):
    return empty(arena, (n_rows, n_columns), np.float64).size


@pytest.mark.parametrize("n_columns", [0, 1])
@pytest.mark.parametrize("n", [0, 1, 2**20])
def test_tables_may_be_empty(n, n_columns):
    assert size_of_new(n, n_columns) == n * n_columns


@pytest.mark.parametrize(
    "shape",
    [(-1, 1), (-(2**40), 1), (2**44, 1), (2**62, 1), (2**33, 2**33), (3, -1), (-1, -1), (2**63 - 1, 2)],
)
def test_a_failed_allocation_raises_memory_error(shape):
    with pytest.raises(MemoryError):
        size_of_new(*shape)
    # The next call works.
    assert size_of_new(3, 2) == 6


def compiled_by(func, *args):
    """Return the names of the functions that Numba compiles for a call."""
    with event.install_recorder("numba:compile") as recorder:
        func(*args)
    return [e.data["dispatcher"].py_func.__qualname__ for _, e in recorder.buffer if e.is_start]


def test_a_new_table_compiles_nothing():
    @kernel
    def ours(n, arena):
        return empty(arena, (n, n), np.uint16).size + zeros(arena, n, np.uint16).size

    @njit
    def numpys(n):
        return np.empty((n, n), np.uint16).size + np.zeros(n, np.uint16).size

    assert [name.split(".")[-1] for name in compiled_by(ours, 3)] == ["ours"]
    assert len(compiled_by(numpys, 3)) > 2


# --- The arena


@kernel
def take_each(sizes, found, arena):
    """Take tables of some bytes twice, releasing all of them in between; write where they lie."""
    start = mark(arena)
    for turn in range(2):
        for t in range(len(sizes)):
            marked = mark(arena)
            one = empty(arena, sizes[t], np.uint8)
            one[:] = t
            release(arena, marked)
            other = empty(arena, sizes[t], np.uint8)
            other[:] = t
            found[turn, t, 0], found[turn, t, 1] = address_of(one), address_of(other)
        # All of them are still intact, and do not overlap.
        for t in range(len(sizes)):
            table = table_at(found[turn, t, 1], (sizes[t],), np.uint8)
            for i in range(len(table)):
                found[turn, t, 2] += 1 if table[i] != t else 0
        release(arena, start)


@pytest.mark.parametrize(
    "sizes",
    [
        [8, 8, 64, 65, 1],
        [CHUNK] * 3,
        [CHUNK - LINE, CHUNK - 2 * LINE, CHUNK - 3 * LINE, 1],
        [1000] * 200,
        [10, 10 * CHUNK, 10, 3 * CHUNK, 10],
        [0, 0, 5, 0],
    ],
)
def test_released_memory_is_reused(sizes):
    found = np.zeros((2, len(sizes), 3), np.int64)
    take_each(np.array(sizes), found)
    assert not found[:, :, 2].any()
    kept = [(a, a + size) for a, size in zip(found[0, :, 1].tolist(), sizes, strict=True) if size]
    kept.sort()
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(kept))
    if sum(sizes) < CHUNK // 2:
        # In one chunk: the same places, whether they are released one by one or all at once. (The first table
        # of an empty arena is released together with its chunk.)
        assert np.array_equal(found[:, 1:, 0], found[:, 1:, 1])


@kernel
def take_and_release(size, n_times, releases, arena):
    for _ in range(n_times):
        marked = mark(arena)
        for _ in range(3):
            empty(arena, size, np.uint8)[:] = 1
        if releases:
            release(arena, marked)


def peak_of(program):
    """Return the peak memory of a program, in kB."""
    program = f"import sys; sys.path.insert(0, {str(HERE)!r}); import test_tables\n{program}"
    # Not `ru_maxrss`, which a process inherits from the one that starts it.
    program += "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_freed():
    take_and_release(1, 1, True)  # compiled here, loaded there
    call = "test_tables.take_and_release({}, {}, {})"
    released = peak_of(call.format(2**20, 300, True))
    assert released < peak_of(call.format(2**20, 1, True)) + 20_000
    # At the end of the call at the latest; and the control: not before.
    row_numbers = "for _ in range(100): " + call.format(2**20, 3, False)
    assert peak_of(row_numbers) < released + 20_000
    assert peak_of(call.format(2**20, 100, False)) > released + 200_000


@kernel
def use_lent(lent, n_bytes, sizes, before, found, arena):
    """Take tables from an arena that begins with lent memory; write where each lies, counted from there."""
    if before:
        empty(arena, 1, np.uint8)[:] = 1
    lend(arena, address_of(lent), n_bytes)
    marked = mark(arena)
    for turn in range(2):
        for t in range(len(sizes)):
            table = empty(arena, sizes[t], np.uint8)
            table[:] = 255
            found[turn, t] = address_of(table) - address_of(lent)
        release(arena, marked)


def lent_places(n_bytes, sizes, before=False, offset=0):
    """Return which tables of some bytes lie in the lent memory, n_bytes of it."""
    memory = np.zeros(n_bytes + 1000, np.uint8)
    lent = memory[offset:]
    found = np.zeros((2, len(sizes)), np.int64)
    use_lent(lent, n_bytes, np.array(sizes), before, found)
    # Memory beyond it is not touched.
    assert not lent[n_bytes:].any()
    assert not memory[:offset].any()
    inside = (found >= 0) & (found + np.array(sizes) <= n_bytes)
    assert not (inside & ((found + lent.ctypes.data) % LINE != 0)).any()
    assert np.array_equal(inside[0], inside[1])
    assert np.array_equal(found[0][inside[0]], found[1][inside[1]])
    return inside[0].tolist()


@pytest.mark.parametrize("offset", [0, 1, 8, 63])
def test_lent_memory_is_used_first(offset):
    assert lent_places(10_000, [100, 1000, 100], offset=offset) == [True] * 3
    # A table that does not fit lies elsewhere, and so do all that follow.
    assert lent_places(10_000, [100, 9900, 100], offset=offset) == [True, False, False]
    assert lent_places(10_000, [20_000], offset=offset) == [False]


@pytest.mark.parametrize("n_bytes", [0, 1, 63, 64, 127])
def test_lent_memory_that_is_too_small_is_left_alone(n_bytes):
    assert lent_places(n_bytes, [1, 1]) == [False, False]


def test_an_arena_in_use_borrows_nothing():
    assert lent_places(10_000, [100], before=True) == [False]


# --- Callers' arrays


@kernel
def read(address, code, strides, rows):
    read_rows(address, code, strides[0], strides[1], rows)


CODES = ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "f", "d"]


@pytest.mark.parametrize("code", range(len(CODES)))
@pytest.mark.parametrize("layout", ["C", "F", "apart", "unaligned"])
def test_rows_of_any_array_are_read_as_float64(code, layout):
    dtype = np.dtype(CODES[code])
    rng = np.random.default_rng(code)
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    if info:
        X = rng.integers(info.min, info.max, size=(6, 3), dtype=dtype, endpoint=True)
    else:
        X = rng.normal(size=(6, 3)).astype(dtype) if dtype.kind == "f" else rng.random((6, 3)) < 0.5
    array = {
        "C": lambda: X,
        "F": lambda: np.asfortranarray(X),
        "apart": lambda: np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
        "unaligned": lambda: np.frombuffer(b"\1" + X.tobytes(), dtype, offset=1).reshape(X.shape),
    }[layout]()
    rows = np.zeros(X.shape)
    read(array.ctypes.data, code, np.array(array.strides), rows)
    assert np.array_equal(rows, X.astype(np.float64))


def test_rows_are_read_backwards():
    X = np.arange(12.0).reshape(4, 3)
    rows = np.zeros((4, 3))
    read(X[3:].ctypes.data, CODES.index("d"), np.array([-24, 8]), rows)
    assert np.array_equal(rows, X[::-1])


# --- Bounds checking


@kernel
def get(X, i, j):
    return X[i, j]


@kernel
def get_row(X, i):
    return X[i][0]


@kernel
def put(X, i, j):
    X[i, j] = 1.0


@kernel
def put_row(X, i):
    X[i] = 1.0


@kernel
def put_task(slot, arena, X, i):
    X[i, slot] = 1.0


@kernel
def put_in_tasks(loop, X, i):
    parallel_for(loop, 2, put_task, (X, i))


ACCESSES = {
    "get": lambda X, i, j: get(X, i, j),
    "get row": lambda X, i, j: get_row(X, i) if j < 3 else get(X, i, j),
    "put": lambda X, i, j: put(X, i, j),
    "put row": lambda X, i, j: put_row(X, i) if j < 3 else put(X, i, j),
    "slots": lambda X, i, j: put_in_tasks(0, X, i) if j < 3 else put(X, i, j),
}


def failures():
    """Return which accesses beyond a table raise IndexError; those within it are made, too."""
    # Spare memory on both sides, so that unchecked accesses do no harm.
    X = np.zeros((30, 3))[10:20]
    found = []
    for name, access in ACCESSES.items():
        access(X, 9, 2)
        for i, j in ((10, 0), (-1, 0), (0, 3)):
            with contextlib.suppress(IndexError):
                access(X, i, j)
                continue
            found.append((name, i, j))
    return found


@pytest.mark.parametrize("checked", [True, False])
def test_bounds_are_checked_on_request(checked, tmp_path):
    program = "import test_tables; print(test_tables.failures())"
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1" if checked else "0",
        "NUMBAKMEANS_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    for _ in range(2):  # compiled, and loaded
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = eval(done.stdout)
        assert len(found) == (3 * len(ACCESSES) if checked else 0)
    assert list((tmp_path / "cache").iterdir())
