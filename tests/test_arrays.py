"""New arrays of kernels: the shapes, the contents, the lines of the cache, and what they cost to compile."""

import numpy as np
import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError

from numbakmeans._arrays import LINE, array_at, line_of, new_empty, new_zeros, words_of
from numbakmeans._jit import DISABLED, kernel
from numbakmeans._kernels.room import LINE_WORDS, empty, room_of

compiled_only = pytest.mark.skipif(DISABLED, reason="in plain Python they are NumPy's")


@kernel
def make_arrays(X, n):
    return (
        new_empty(n, np.float32),
        new_empty((n, 0), X.dtype),
        new_zeros(n, np.int64),
        new_zeros((n, 4), np.bool_),
        new_zeros((2, n, np.int32(n)), X.dtype),
        new_zeros((0, n), np.uint8),
    )


@kernel
def take_twice(room, rows, columns):
    first = empty(room, (rows, columns), np.float32)
    first[:] = 1.0
    second = empty(room, (rows,), np.int64)
    second[:] = 2
    return first, second


@kernel
def words(shape):
    return words_of(shape, np.float32), words_of(shape, np.bool_), words_of(shape[0], np.float64)


@kernel
def rows_in_line(X, start, stop):
    return line_of(X, start, stop)


@kernel
def part_of(room, n):
    return array_at(room, 8, (n, 2), np.int32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [(0, 5), (2, 4), (5, 5), (4, 5)])
def test_rows_in_line_are_the_callers(rows, dtype):
    X = np.arange(15, dtype=dtype).reshape(5, 3)
    line = rows_in_line(X, *rows)
    assert (line.dtype, line.tolist()) == (dtype, X[slice(*rows)].reshape(-1).tolist())
    line[:] = -1
    assert (X[slice(*rows)] == -1).all()
    assert (np.delete(X, range(*rows), 0) >= 0).all()
    # What is read-only stays so.
    X.flags.writeable = False
    assert not rows_in_line(X, *rows).flags.writeable
    # No rows, or no features.
    assert len(rows_in_line(X[:0], 0, 0)) == len(rows_in_line(X[:, :0].copy(), 0, 5)) == 0


def test_shapes_types_and_contents_are_numpys():
    X = np.ones((1, 1))
    wanted = [
        ((3,), np.float32),
        ((3, 0), X.dtype),
        ((3,), np.int64),
        ((3, 4), np.bool_),
        ((2, 3, 3), X.dtype),
        ((0, 3), np.uint8),
    ]
    found = make_arrays(X, 3)
    assert [(array.shape, array.dtype) for array in found] == wanted
    assert all(array.flags.c_contiguous and array.flags.writeable for array in found)
    assert not any(array.any() for array in found[2:])


@compiled_only
def test_arrays_begin_on_lines_of_the_cache():
    for _ in range(20):
        assert [array.ctypes.data % LINE for array in make_arrays(np.ones((1, 1)), 5)] == [0] * 6


def test_zeros_are_zeros_where_memory_was_used_before():
    X = np.ones((1, 1), np.float32)
    for _ in range(50):
        _, _, integers, flags, cube, _ = make_arrays(X, 40)
        assert not integers.any()
        assert not flags.any()
        assert not cube.any()
        integers[:], flags[:], cube[:] = 7, True, 7.0


@pytest.mark.parametrize("n", [-1, -(2**40), 2**33, 2**62])
@compiled_only
def test_shapes_that_cannot_be_are_refused(n):
    with pytest.raises(MemoryError):
        make_arrays(np.ones((1, 1)), n)


@compiled_only
def test_what_is_no_dtype_is_refused():
    @njit
    def wrong(n):
        return new_empty(n, n)

    with pytest.raises(TypingError, match="dtype is a class of numbers"):
        wrong(3)


def test_words_are_rounded_up():
    assert words((3, 3)) == (5, 2, 3)
    assert words((0, 3)) == (0, 0, 0)


def test_a_room_lends_its_words_and_then_the_heap_does():
    room = room_of(32)
    first, second = take_twice(room, 3, 2)
    assert room[0] == 3 * LINE_WORDS
    assert np.shares_memory(first, room)
    assert np.shares_memory(second, room)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(second, [2, 2, 2])
    third, fourth = take_twice(room, 40, 1)
    assert room[0] == 3 * LINE_WORDS
    assert not np.shares_memory(third, room)
    assert not np.shares_memory(fourth, room)


def test_an_array_keeps_the_memory_that_it_lies_in():
    room = room_of(32)
    room[8:] = -1
    part = part_of(room, 3)
    del room
    others = [room_of(32) for _ in range(10)]
    for other in others:
        other[1:] = 5
    np.testing.assert_array_equal(part, np.full((3, 2), -1, np.int32))


def compiled_by(func, *args):
    """Return the names of all that Numba compiles when a function is called."""
    with event.install_recorder("numba:compile") as recorder:
        func(*args)
    return [e.data["dispatcher"].py_func.__qualname__ for _, e in recorder.buffer if e.is_start]


@compiled_only
def test_a_new_array_compiles_nothing():
    @njit
    def ours(n):
        return new_empty((n, n), np.uint16).size + new_zeros(n, np.uint16).size

    @njit
    def numpys(n):
        return np.empty((n, n), np.uint16).size + np.zeros(n, np.uint16).size

    assert [name.split(".")[-1] for name in compiled_by(ours, 3)] == ["ours"]
    assert len(compiled_by(numpys, 3)) > 2
