"""Lloyd's algorithm with reference distances only: the reference for all other algorithms.

The assignment is exact, and so are the sums: a row that changes its cluster is subtracted from one
accumulator and added to another, with the same result as a fresh summation.

References
----------
S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982,
doi 10.1109/TIT.1982.1056489.
"""

import numpy as np

from numbakmeans._engine.algorithms.base import Algorithm, Pass
from numbakmeans._engine.samples import tables_of
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver


class Lloyd(Algorithm):
    """Reference distances of all rows to all centers."""

    driver = Driver("numbakmeans._engine.kernels.lloyd", "lloyd_pass")
    needs_transform = False

    def run(self, centers: np.ndarray, labels: np.ndarray, tables: Sums) -> Pass:
        run = self.driver.on(self.plan.parallel)
        moved = 0
        for rows, X in self.samples.slabs():
            moved += run(X, self.plan, centers, labels[rows], tables_of(tables, rows))
        return Pass(moved, len(labels), len(labels) * len(centers))
