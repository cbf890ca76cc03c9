"""The samples of k-means||: every row by itself, by a number that depends on nothing but a key and its index.

The numbers are those of SplitMix64, a counter-based generator: number i of the stream of a key is a mix of
key + (i + 1) * gamma. Each round has a stream of its own, whose key is a number of the stream of the caller's
key.

References
----------
G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
doi 10.1145/2660193.2660195.
"""

from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.draws import mixed
from numbakmeans._numba.parallel import parallel_for

#: Mask of the 53 bits of a uniform number.
BITS = (1 << 53) - 1


@kernel
def sample_task(task, arena, n_tasks, sq_dists, weights, draw, sampled):
    """Task. Sample some of the rows; see `sample_rows`."""
    key, turn, first, expected, potential = draw
    stream, n_samples = mixed(key, turn), len(sq_dists)
    for i in range(task * n_samples // n_tasks, (task + 1) * n_samples // n_tasks):
        mass = sq_dists[i]
        if weights is not None:
            mass = weights[i] * mass if weights[i] > 0.0 else 0.0
        uniform = ((mixed(stream, first + i) >> 11) & BITS) * 2.0**-53
        # False where the quotient is NaN.
        sampled[i] = uniform < expected * mass / potential


@kernel
def sample_rows(executor, n_tasks, sq_dists, weights, draw, sampled):
    """Sample each row with probability expected * mass / potential, at most 1.

    weights : (n_samples,), float64, or None; the mass of a row is its weight times its D
    draw : key, number of the round, and number of the first row, int64; expected and potential, float64
    sampled : OUT (n_samples,), bool
    """
    parallel_for(executor, n_tasks, sample_task, (n_tasks, sq_dists, weights, draw, sampled))
