"""Fast-moving centers, scored for all rows so that they do not loosen the bounds of their groups.

The lower bound of a group decreases by the largest movement of any of its centers (`bounds`). If a few
centers in many groups move far, most of this decrease is avoidable: computing the distances to these few is
cheaper than labeling the rows that would become undecided. The bounds of their groups then decrease by what
the other centers moved, and are capped at the smallest distance to a fast-moving center other than the row's
own.
"""

import numpy as np

from numbakmeans._engine.kernels.bounds import WIDEN, rows_of, safe_root
from numbakmeans._engine.kernels.certify import error_of, panels_task, score_all
from numbakmeans._engine.kernels.pack import distinct_centers
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.parallel import parallel_for
from numbakmeans._numba.scalars import minimum


@kernel
def pack_fast(executor, n_tasks, points, transform, packed, arena):
    """Pack the fast-moving centers.

    points : (number of fast-moving centers, padded features), float64
    packed : INOUT `structs.passes.Packed`, with its members and groups set
    """
    distinct_centers(points, len(transform.origin), packed.distinct, arena)
    parallel_for(executor, n_tasks, panels_task, (n_tasks, points, transform, packed))


@kernel
def bound_fast(b, block, fast, transform, rows, least, arena):
    """Tile. Write lower bounds on the distances from rows of block b to fast-moving centers but their own.

    block : INOUT `certify.Block`, overwritten; fast, rows : `structs.passes.FastCenters`, `Rows`
    least : OUT (block rows,), float32
    """
    packed, (start, stop) = fast.packed, rows_of(b, rows)
    score_all(rows.X, start, stop, block, packed, transform, arena)
    best, second, columns = block.scores.best, block.scores.second, block.scores.columns
    n_panels = len(packed.panels)
    width = len(packed.members) // n_panels
    for r in range(stop - start):
        norm, own, score = rows.norms[start + r], fast.places[rows.labels[start + r]], np.inf
        for p in range(n_panels):
            other = second[p, r] if columns[p, r] + p * width == own else best[p, r]
            score = minimum(score, other - error_of(packed.errors, p, norm))
        least[r] = safe_root(2.0 * score + norm * norm * (1.0 - WIDEN / 2))
