"""Sizes near the limits of int32 and int64: only arithmetic, nothing is allocated."""

import numpy as np
import pytest

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.bins import MANY_ROWS, part_exponent
from numbakmeans._engine.kernels.sampling import choose_without_replacement
from numbakmeans._engine.samples import MAX_CLUSTERS, MAX_SAMPLES, padded
from numbakmeans._numba.bitgen import addresses
from numbakmeans._numba.compiler import kernel

LARGE = [
    (2**31 - 1, 1),
    (2**31, 3),
    (2**32 + 1, 2),
    (MAX_SAMPLES - 1, 1),
    (MAX_SAMPLES - 1, 2**20),
    (1, 2**31),
]


def test_labels_and_sums_fit():
    assert np.iinfo(np.int32).max == MAX_CLUSTERS
    # The largest sum of the first parts of all rows fits int64.
    for n, halved in ((MANY_ROWS - 1, False), (MAX_SAMPLES - 1, True)):
        assert n * 2 ** (8 - part_exponent(8, 0, halved)) < 2**63
    # The negative control: with whole bins, the sum of more rows would not fit.
    assert MANY_ROWS * 2 ** (8 - part_exponent(8, 0, False)) >= 2**63


@pytest.mark.parametrize("shape", LARGE)
def test_plans_of_large_shapes_fit_64_bits(shape):
    n_samples, n_features = shape
    plan = _plan.sweep(shape, work=n_samples * n_features * 100)
    assert 0 < plan.chunk_rows <= at.MAX_CHUNK_ROWS
    assert plan.n_tasks >= 1
    # What the drivers compute in intp: numbers and ends of chunks, tasks times chunks.
    n_chunks = -(-n_samples // plan.chunk_rows)
    assert (n_chunks + 1) * plan.chunk_rows < 2**63
    assert n_chunks * plan.n_tasks < 2**63
    assert padded(n_features) - n_features in (0, 1, 2, 3)
    chunk_rows, n = _plan.scatter_chunks(shape)
    assert chunk_rows * (n - 1) < n_samples <= chunk_rows * n < 2**63
    assert _plan.per_call(n_samples * n_features) >= 1


@kernel
def ends(n_samples, chunk_rows, n_tasks, s):
    n_chunks = (n_samples + chunk_rows - 1) // chunk_rows
    return n_chunks, s * n_chunks // n_tasks, min(n_chunks * chunk_rows, n_samples)


@kernel
def ends_in_32_bits(n_samples, chunk_rows):
    return np.int32(np.int32(n_samples) + np.int32(chunk_rows))


def test_the_arithmetic_of_drivers_has_64_bits():
    for n in (2**31 - 1, 2**31, 2**32 + 5, MAX_SAMPLES - 1):
        n_chunks = -(-n // 512)
        assert ends(n, 512, 64, 63) == (n_chunks, 63 * n_chunks // 64, n)
    # The negative control: with 32 bits it would wrap.
    assert ends_in_32_bits(2**31 - 1, 512) < 0


@pytest.mark.parametrize("n", [2**31, 2**32 - 1, 2**32, 2**32 + 1, MAX_SAMPLES - 1])
def test_rows_drawn_from_many_are_numpys(n):
    """The same rows as NumPy's choice, beyond 32 bits, and the same generator state."""
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    chosen = np.empty(7, np.int64)
    choose_without_replacement(*addresses([ours]).tolist(), n, 7, chosen)
    assert np.array_equal(chosen, theirs.choice(n, 7, replace=False))
    assert ours.bit_generator.state == theirs.bit_generator.state
