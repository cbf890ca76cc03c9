"""NumPy's pairwise sum, computed in pieces."""

import itertools

import numpy as np
import pytest

from numbakmeans._engine.kernels.pairwise import leaves_of, sum_leaf, sum_leaves
from numbakmeans._engine.structs.seeds import LEAF_ROWS, leaves_at_most

SIZES = [1, 2, 7, 8, 9, 127, 128, 129, 136, 255, 256, 257, 1000, 1023, 4099, 65_537, 100_003]


def leaves(n):
    starts, depths = np.empty((2, leaves_at_most(n)), np.int64)
    n_leaves = leaves_of(n, starts, depths)
    return starts[: n_leaves + 1], depths[:n_leaves]


def pairwise(values):
    starts, depths = leaves(len(values))
    sums = np.array([sum_leaf(values, a, b) for a, b in itertools.pairwise(starts)])
    return sum_leaves(sums, depths)


#: Older releases of NumPy add up buffers of this many elements, one after another.
NUMPYS_BUFFER = 2**62 if np.lib.NumpyVersion(np.__version__) >= "2.3.0" else 8192


@pytest.mark.parametrize("n", [n for n in [*SIZES, *range(120, 300, 7)] if n <= NUMPYS_BUFFER])
def test_the_sum_is_numpys(n):
    values = np.random.default_rng(n).random(n) ** 9
    assert pairwise(values) == values.sum()


def test_a_sequential_sum_is_not_numpys():
    """The negative control: the order of the additions shows."""
    values = np.random.default_rng(1).random(4099)
    assert values.cumsum()[-1] != values.sum()


@pytest.mark.parametrize("n", SIZES)
def test_leaves_cover_every_row_once(n):
    starts, depths = leaves(n)
    assert starts[0] == 0
    assert starts[-1] == n
    assert (np.diff(starts) > 0).all()
    assert np.diff(starts).max() <= LEAF_ROWS
    # The depths describe a full binary tree.
    assert sum(2.0**-depth for depth in depths) == 1.0
