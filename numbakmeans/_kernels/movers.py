"""Centers that moved far, scored for all rows, so that no group's bound falls by what they moved.

The lower bound of a group falls by the most that a center of it moved (`_kernels.bounds`). Where few centers
move far, and lie in many groups, that is for nothing: the distances to these few are cheaper than what is in
doubt otherwise. So the bounds of their groups fall by what the others moved, and no further than to the
smallest distance to one of these few, a row's own center aside.
"""

from typing import NamedTuple

import numpy as np

from numbakmeans._arrays import new_empty, new_zeros
from numbakmeans._jit import kernel
from numbakmeans._kernels.bounds import WIDEN, safe_root
from numbakmeans._kernels.certify import Packed, error_of, pack_centers, score_all
from numbakmeans._kernels.pack import in_turn, panel_columns


class Movers(NamedTuple):
    """Centers that are scored for all rows.

    places : (n_clusters,), int64, where each center is among them, -1 for the others; packed : these alone
    """

    places: np.ndarray
    packed: Packed


@kernel
def pack_movers(loop, n_slots, X, centers, movers, origin, scale):
    """Return `Movers`; movers : (n_movers,), int64, which centers they are."""
    n_movers = len(movers)
    some = new_empty((n_movers, centers.shape[1]), np.float64)
    places = new_empty(len(centers), np.int64)
    places[:] = -1
    for m in range(n_movers):
        some[m] = centers[movers[m]]
    columns = panel_columns(X, n_movers)
    n_panels = (n_movers + columns - 1) // columns
    members = in_turn(n_panels * columns)
    members[n_movers:] = -1
    groups = new_zeros(n_panels, np.int64)
    packed = pack_centers(loop, n_slots, X, some, members, groups, origin, scale)
    # One that equals another has no score: then these scores tell nothing of any.
    if packed.distinct.all():
        for m in range(n_movers):
            places[movers[m]] = m
    return Movers(places, packed)


@kernel
def bound_movers(X, start, stop, block, movers, origin, scale, norms, labels, least):
    """Tile. Write a lower bound on the distance to all movers but a row's own center, for rows [start, stop).

    block : INOUT `certify.Block`, overwritten; norms, labels : (n_samples,), of all rows
    least : OUT (block rows,), float32
    """
    packed = movers.packed
    score_all(X, start, stop, block, packed, origin, scale)
    best, second, columns = block.scores.best, block.scores.second, block.scores.columns
    n_panels = len(packed.panels)
    width = len(packed.members) // n_panels
    for r in range(stop - start):
        norm, own, score = norms[start + r], movers.places[labels[start + r]], np.inf
        for p in range(n_panels):
            other = second[p, r] if columns[p, r] + p * width == own else best[p, r]
            score = min(score, other - error_of(packed.errors, p, norm))
        least[r] = safe_root(2.0 * score + norm * norm * (1.0 - WIDEN / 2))
