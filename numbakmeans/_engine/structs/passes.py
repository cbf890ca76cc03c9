"""Named tuples of arrays and numbers that Python passes to the kernels of a pass.

Kernels see the arrays as tables. Nothing here imports Numba, so that these tuples can be built without it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.plan import Costs

#: Features whose products with a direction are summed before they are added to the total (`projections`).
CHUNK = 128


class Transform(NamedTuple):
    """The common origin (n_features,) and scale that rows and centers are shifted and scaled by for the tile.

    identity : whether the origin is zero and the scale 1, so that the tile can read the data in place
    """

    origin: np.ndarray
    scale: float
    identity: bool


class Places(NamedTuple):
    """The positions of the centers in the panels of the tile.

    members : (n_panels * columns,), int64, the center in each column, -1 for padding, which comes last
    groups : (n_panels,), int64, the group of each panel
    """

    members: np.ndarray
    groups: np.ndarray


class Packed(NamedTuple):
    """Centers in the form that the tile reads.

    distinct : (n_clusters,), bool, False for duplicates, which are never nearest
    members, groups : as in `Places`
    panels, half_norms : from `pack.pack_panel`; errors : (n_panels, 3), from `certify.error_bound`
    """

    distinct: np.ndarray
    members: np.ndarray
    panels: np.ndarray
    half_norms: np.ndarray
    errors: np.ndarray
    groups: np.ndarray


class Layout(NamedTuple):
    """The layout of rows and centers where every row is scored against all centers.

    block_rows : rows per block; transposes : whether rows are transposed to be scored (`certify.score_all`)
    mean_rows : centers whose means a task computes at a time
    """

    block_rows: int
    transposes: bool
    transform: Transform
    places: Places
    mean_rows: int


class Assigned(NamedTuple):
    """What a pass without bounds keeps for every row.

    labels : (n_samples,), int32, -1 before the first pass
    norms : (n_samples,), float64, of the transformed rows, written in the first pass
    """

    labels: np.ndarray
    norms: np.ndarray


class Rows(NamedTuple):
    """The rows, and what is kept for each from pass to pass.

    X : (n_samples, n_features), finite; labels, norms : as in `Assigned`
    upper : (n_samples,), float32, upper bounds on the distances to their own centers (`bounds`)
    lower : (n_blocks, n_groups, block_rows), float32, lower bounds on the distances to all other centers of
    each group
    """

    X: np.ndarray
    labels: np.ndarray
    norms: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


class Schedule(NamedTuple):
    """How a pass with bounds proceeds.

    transposes : whether rows are transposed where they are scored against all centers (`certify.score_all`)
    n_before : the number of previous passes, which rotates the order of the blocks: each is checked first in
    turn
    expected : the expected cost of checking bounds, per row and in total; costs : `plan.Costs`
    """

    transposes: bool
    n_before: int
    expected: float
    costs: Costs


class FastCenters(NamedTuple):
    """Fast-moving centers, which are scored for all rows.

    places : (n_clusters,), int64, the index of each center among them, -1 for the others
    packed : these centers alone
    """

    places: np.ndarray
    packed: Packed


class Basis(NamedTuple):
    """The directions that projections are computed with.

    chunks : (n_chunks, n_panels, CHUNK, columns), float32, the directions for rows
    panels : (n_panels, n_features, columns), float64, the directions for centers
    row_loss, center_loss : the error e of projections per unit of norm, for rows and for centers
    """

    chunks: np.ndarray
    panels: np.ndarray
    row_loss: float
    center_loss: float


class Singles(NamedTuple):
    """The centers one by one, for the pairs of row and center that are left open.

    members : as in `Places`, in panels as wide as the tile for float32
    centers : (n_clusters, n_features), float32, transformed; norms : (n_clusters,), theirs
    """

    members: np.ndarray
    centers: np.ndarray
    norms: np.ndarray


class Projections(NamedTuple):
    """The projections of all rows, and those of the centers in the form that the tile reads.

    rows : (n_samples, n_directions + 1), float32; loss : the error e of rows, per unit of norm
    packed : the projections of the centers; singles : the centers themselves
    panel_errors : (n_panels,), the largest projection error in each panel
    """

    rows: np.ndarray
    loss: float
    packed: Packed
    panel_errors: np.ndarray
    singles: Singles


class CoarseRows(NamedTuple):
    """All rows in steps of one byte a value (`kernels.coarse`).

    origin : (n_features,), and step, both in units of the data
    values : (n_samples, 4 * n_words), uint8, the steps, shifted and padded
    words : (n_samples, n_words), int32, the same memory, four values in each
    errors : (n_samples,), float32, upper bounds on the errors, in steps
    squares : (n_samples,), int32, the sums of the squared steps
    """

    origin: np.ndarray
    step: float
    values: np.ndarray
    words: np.ndarray
    errors: np.ndarray
    squares: np.ndarray

    def part(self, rows: slice) -> CoarseRows:
        """Return some of the rows."""
        return CoarseRows(self.origin, self.step, *(kept[rows] for kept in self[2:]))


class Coarse(NamedTuple):
    """Coarse rows and centers.

    unit : a step, transformed; distinct : as in `Packed`
    panels : (n_panels, n_words, columns), int32, words of centers; begins : (n_panels, columns), int32, what
    their scores start from; panel_errors, group_errors : the largest error in each panel, and in each group
    first_panels : (n_groups + 1,), int64, where each group begins; singles : the centers themselves
    """

    rows: CoarseRows
    unit: float
    distinct: np.ndarray
    panels: np.ndarray
    begins: np.ndarray
    panel_errors: np.ndarray
    group_errors: np.ndarray
    first_panels: np.ndarray
    singles: Singles


class Clusters(NamedTuple):
    """The centers of a pass with bounds, and their groups.

    points : (n_clusters, padded features), finite
    moved : (n_clusters,), how far each center moved since the previous pass, from `bounds.follow_centers`
    groups : (n_clusters,), the group of each center
    projections, coarse, fast : None in passes that do not use them
    """

    points: np.ndarray
    transform: Transform
    moved: np.ndarray
    places: Places
    groups: np.ndarray
    projections: Projections | None
    coarse: Coarse | None
    fast: FastCenters | None
