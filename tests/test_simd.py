"""The register tile: scores, the best two, edges, and what it may read."""

import ctypes
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numbakmeans import _simd
from numbakmeans._jit import kernel


@kernel
def run_tile(rows, panels, half_norms, best, second, numbers, out):
    for p in range(panels.shape[0]):
        _simd.score_tile(rows, panels, half_norms, p, best, second, numbers)
    for r in range(rows.shape[0]):
        column, low, other = _simd.smallest_two(best, second, r)
        out[r, 0], out[r, 1], out[r, 2] = numbers[r, column] * best.shape[1] + column, low, other


@kernel
def shape_of(X):
    return _simd.tile_rows(X), _simd.tile_columns(X)


def buffers(dtype, n_features, n_panels, allocate=np.empty):
    n_rows, columns = shape_of(np.empty((1, 1), dtype))
    return (
        allocate((n_rows, n_features), dtype),
        allocate((n_panels, n_features, columns), dtype),
        allocate((n_panels, columns), dtype),
        allocate((n_rows, columns), dtype),
        allocate((n_rows, columns), dtype),
        allocate((n_rows, columns), np.int32),
    )


def fill(rows, panels, half_norms, best, second, numbers):
    # Small integers: every order of the additions gives the same score.
    rng = np.random.default_rng(rows.shape[1])
    for array in (rows, panels, half_norms):
        array[...] = rng.integers(-9, 9, size=array.shape)
    best[...], second[...], numbers[...] = np.inf, np.inf, -1


def expected(rows, panels, half_norms):
    scores = half_norms[:, None, :] + np.einsum("rf,pfc->prc", rows, panels)
    scores = scores.transpose(1, 0, 2).reshape(len(rows), -1)
    return scores, np.sort(scores, axis=1)[:, :2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 3, 17, 128])
@pytest.mark.parametrize("n_panels", [1, 2, 5])
def test_scores_of_a_tile(dtype, n_features, n_panels):
    arrays = buffers(dtype, n_features, n_panels)
    fill(*arrays)
    out = np.empty((len(arrays[0]), 3))
    run_tile(*arrays, out)
    scores, two = expected(*arrays[:3])
    assert np.array_equal(out[:, 1:], two)
    chosen = out[:, 0].astype(int)
    assert np.array_equal(scores[np.arange(len(scores)), chosen], two[:, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_row_column_and_feature_counts(dtype):
    arrays = buffers(dtype, 5, 2)
    n_rows, columns = arrays[3].shape
    for r in range(n_rows):
        for c in range(2 * columns):
            for array in arrays[:3]:
                array[...] = 0
            arrays[0][r, c % 5], arrays[1][c // columns, c % 5, c % columns] = 1, -1
            arrays[3][...], arrays[4][...] = np.inf, np.inf
            out = np.empty((n_rows, 3))
            run_tile(*arrays, out)
            assert out[r].tolist() == [c, -1, 0]
            assert np.delete(out[:, 1], r).tolist() == [0] * (n_rows - 1)


def before_a_protected_page(shape, dtype):
    """Return an array whose last byte is followed by a page that must not be touched."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    n_pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (n_pages + 1) * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + n_pages * mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
    start = n_pages * mmap.PAGESIZE - size
    return np.frombuffer(memory, dtype, int(np.prod(shape)), start).reshape(shape)


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3, 64])
def test_nothing_is_read_or_written_past_the_buffers(dtype, n_features):
    arrays = buffers(dtype, n_features, 2, before_a_protected_page)
    fill(*arrays)
    out = np.empty((len(arrays[0]), 3))
    run_tile(*arrays, out)
    assert np.array_equal(out[:, 1:], expected(*arrays[:3])[1])


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
def test_the_protected_page_is_protected():
    """The negative control: one element further, the process dies."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    command = [sys.executable, str(here / "past_the_end.py")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)
