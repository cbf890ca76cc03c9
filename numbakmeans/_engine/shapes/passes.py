"""What Python hands to kernels in groups: arrays and numbers that belong together.

Kernels see the arrays as tables. Nothing here imports Numba, as Python has to be able to make them without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.plan import Worth

#: Features whose products with directions are summed before they are added to those of others (`heads`).
CHUNK = 128


class Frame(NamedTuple):
    """The origin (n_features,) and the scale of what the tile sees.

    as_is : the origin is zero and the scale 1, so that the tile can see the data as it is
    """

    origin: np.ndarray
    scale: float
    as_is: bool


class Tables(NamedTuple):
    """Exact sums, and the grids that values are split on (`sums`).

    constants : (n_parts, n_features); scales : (n_features,)
    sums : INOUT (n_slots, n_clusters + padding, n_parts or more, n_features), int64
    counts : INOUT (n_slots, n_clusters + padding), int64; those of one slot have one dimension less
    """

    constants: np.ndarray
    scales: np.ndarray
    sums: np.ndarray
    counts: np.ndarray


class Kept(NamedTuple):
    """What is kept of every row from pass to pass.

    labels : (n_samples,), int32, -1 before the first pass; norms : (n_samples,), of the rows in the frame
    upper : (n_samples,), float32, bounds on the distances to their centers (`bounds`)
    lower : (n_blocks, n_groups, block_rows), float32, on those to all others of each group
    """

    labels: np.ndarray
    norms: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


class Clusters(NamedTuple):
    """The centers of a pass, and how they are grouped.

    points : (n_clusters, padded features); moved : (n_clusters,), how far each moved since the pass before,
    from `bounds.follow_centers`
    members : (n_panels * columns,), int64, which center stands where in the panels, -1 for none, which come
    last; groups : (n_clusters,), the group of each center; panel_groups : (n_panels,), that of each panel
    """

    points: np.ndarray
    moved: np.ndarray
    members: np.ndarray
    groups: np.ndarray
    panel_groups: np.ndarray


class Turn(NamedTuple):
    """How a pass with bounds goes about it.

    turns : are rows that want all centers to be scored side by side (`certify.score_all`)?
    n_before : how many passes were made before; block by block takes its turn to be asked first
    expected : what asking is expected to cost, in all; worth : `plan.Worth`
    """

    turns: bool
    n_before: int
    expected: float
    worth: Worth


class Movers(NamedTuple):
    """Centers that are scored for all rows.

    places : (n_clusters,), int64, where each center is among them, -1 for the others
    The rest are the fields of `certify.Packed`, of these centers alone.
    """

    places: np.ndarray
    distinct: np.ndarray
    members: np.ndarray
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    groups: np.ndarray


class Basis(NamedTuple):
    """Directions, and what they make heads with.

    chunks : (n_chunks, n_panels, CHUNK, columns), float32, for rows
    panels : (n_panels, n_features, columns), float64, for centers; row_loss, center_loss : e, for one unit
    """

    chunks: np.ndarray
    panels: np.ndarray
    row_loss: float
    center_loss: float


class Heads(NamedTuple):
    """The heads of all rows, and those of the centers as the tile wants them.

    rows : (n_samples, n_directions + 1), float32
    loss : e of rows, for one unit; members, panels, half_norms, errors, groups : as in `certify.Packed`
    slacks : (n_panels,), the largest slack of each panel
    centers : (n_clusters, n_features), float32, the centers themselves in the frame; norms : (n_clusters,)
    """

    rows: np.ndarray
    loss: float
    members: np.ndarray
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    slacks: np.ndarray
    groups: np.ndarray
    centers: np.ndarray
    norms: np.ndarray
