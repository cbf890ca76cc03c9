"""Centers that moved far, scored for all rows, so that no group's bound falls by what they moved.

The lower bound of a group falls by the most that a center of it moved (`bounds`). Where few centers
move far, and lie in many groups, that is for nothing: the distances to these few are cheaper than what is in
doubt otherwise. So the bounds of their groups fall by what the others moved, and no further than to the
smallest distance to one of these few, a row's own center aside.
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
    """Pack some centers.

    points : (n_movers, padded features), float64, these centers
    packed : INOUT `structs.passes.Packed`, its members and groups given
    """
    distinct_centers(points, len(transform.origin), packed.distinct, arena)
    parallel_for(executor, n_tasks, panels_task, (n_tasks, points, transform, packed))


@kernel
def bound_fast(b, block, fast, transform, rows, least, arena):
    """Tile. Write a lower bound on the distance to all movers but a row's own center, for rows of block b.

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
