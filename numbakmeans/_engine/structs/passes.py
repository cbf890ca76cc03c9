"""What Python hands to kernels in groups: arrays and numbers that belong together.

Kernels see the arrays as tables. Nothing here imports Numba, as Python has to be able to make them without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.plan import Costs

#: Features whose products with directions are summed before they are added to those of others (`projections`).
CHUNK = 128


class Transform(NamedTuple):
    """The origin (n_features,) and the scale of what the tile sees.

    identity : the origin is zero and the scale 1, so that the tile can see the data as it is
    """

    origin: np.ndarray
    scale: float
    identity: bool


class Places(NamedTuple):
    """Which center stands where in the panels of the tile.

    members : (n_panels * columns,), int64, -1 for none, which come last; groups : (n_panels,), int64, the
    group of each panel
    """

    members: np.ndarray
    groups: np.ndarray


class Packed(NamedTuple):
    """Centers as the tile wants them.

    distinct : (n_clusters,), bool, which centers can win; members, groups : as in `Places`
    panels, half_norms : from `pack.pack_panel`; errors : (n_panels, 3), from `certify.error_bound`
    """

    distinct: np.ndarray
    members: np.ndarray
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    groups: np.ndarray


class Layout(NamedTuple):
    """How rows and centers are laid out where all rows want all centers.

    block_rows : rows of a block; transposes : are they scored side by side (`certify.score_all`)?
    """

    block_rows: int
    transposes: bool
    transform: Transform
    places: Places


class Assigned(NamedTuple):
    """What a pass without bounds keeps of every row.

    labels : (n_samples,), int32, -1 before the first pass
    norms : (n_samples,), float64, of the rows in the frame, written in the first pass
    """

    labels: np.ndarray
    norms: np.ndarray


class Rows(NamedTuple):
    """The rows, and what is kept of each from pass to pass.

    X : (n_samples, n_features), finite; labels, norms : as in `Assigned`
    upper : (n_samples,), float32, bounds on the distances to their centers (`bounds`)
    lower : (n_blocks, n_groups, block_rows), float32, on those to all others of each group
    """

    X: np.ndarray
    labels: np.ndarray
    norms: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


class Schedule(NamedTuple):
    """How a pass with bounds goes about it.

    transposes : are rows that want all centers to be scored side by side (`certify.score_all`)?
    n_before : how many passes were made before; block by block takes its turn to be asked first
    expected : what asking is expected to cost, in all; costs : `plan.Costs`
    """

    transposes: bool
    n_before: int
    expected: float
    costs: Costs


class FastCenters(NamedTuple):
    """Centers that are scored for all rows.

    places : (n_clusters,), int64, where each center is among them, -1 for the others; packed : these alone
    """

    places: np.ndarray
    packed: Packed


class Basis(NamedTuple):
    """Directions, and what they make heads with.

    chunks : (n_chunks, n_panels, CHUNK, columns), float32, for rows
    panels : (n_panels, n_features, columns), float64, for centers; row_loss, center_loss : e, for one unit
    """

    chunks: np.ndarray
    panels: np.ndarray
    row_loss: float
    center_loss: float


class Projections(NamedTuple):
    """The heads of all rows, and those of the centers as the tile wants them.

    rows : (n_samples, n_directions + 1), float32
    loss : e of rows, for one unit; packed : of the centers' heads; panel_errors : (n_panels,), the largest slack of
    each panel
    centers : (n_clusters, n_features), float32, the centers themselves in the frame; norms : (n_clusters,)
    """

    rows: np.ndarray
    loss: float
    packed: Packed
    panel_errors: np.ndarray
    centers: np.ndarray
    norms: np.ndarray


class Clusters(NamedTuple):
    """The centers of a pass with bounds, and how they are grouped.

    points : (n_clusters, padded features), finite; moved : (n_clusters,), how far each moved since the pass
    before, from `bounds.follow_centers`
    groups : (n_clusters,), the group of each center
    projections, fast : None in a pass without
    """

    points: np.ndarray
    transform: Transform
    moved: np.ndarray
    places: Places
    groups: np.ndarray
    projections: Projections | None
    fast: FastCenters | None
