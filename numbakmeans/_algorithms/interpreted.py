"""Lloyd's algorithm by NumPy alone, for as long as compiling another would not pay (`_tiers`).

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

import numpy as np

from numbakmeans._algorithms.base import Algorithm, Pass
from numbakmeans._algorithms.lloyd import lloyd_pass
from numbakmeans._interpreted import add_rows, blocks, sq_dists


class Interpreted(Algorithm):
    """Every distance by the definition, in NumPy."""

    driver = lloyd_pass
    tier = lloyd_pass.tier
    framed = False

    def run(self, centers: np.ndarray, labels: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> Pass:
        tables = (*self.grids[1:], sums[0], counts[0])
        used = centers[:, : self.samples.shape[1]]
        n_moved = 0
        for slab, X in self.samples.slabs():
            for rows in blocks(len(X), max(used.shape)):
                old, new = labels[slab][rows], sq_dists(X[rows], used).argmin(0).astype(np.int32)
                moved = np.flatnonzero(new != old)
                leaving = moved[old[moved] >= 0]
                add_rows(X[rows][leaving], old[leaving], -1, *tables)
                add_rows(X[rows][moved], new[moved], 1, *tables)
                old[moved] = new[moved]
                n_moved += len(moved)
        return Pass(n_moved, len(labels), len(labels) * len(centers))
