"""What kernels of spatial blocks and their callers agree on: how arguments belong together."""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.structs.sums import Sums

#: Owner of a block whose rows have different labels, and of one whose rows are in no table yet.
MIXED, UNASSIGNED = -1, -2


class CellGrid(NamedTuple):
    """A grid over the rows (`cells`).

    origin, steps, limits : (n_features,), float64, where it starts, cells for one unit, and its last cell
    bits : (n_features, cells of a side), int32, what a feature adds to the number of the cell
    """

    origin: np.ndarray
    steps: np.ndarray
    limits: np.ndarray
    bits: np.ndarray


class Blocks(NamedTuple):
    """All blocks, and of each its bounding box and the exact sums of its rows (`cells`).

    starts, widths : (n_blocks + 1,), int64, where the rows and the lanes of each block begin
    data : (widths of all blocks * n_features,), the lanes; lows, highs : (n_blocks, n_features), float64
    totals : (n_blocks, n_parts, n_features), int64
    """

    starts: np.ndarray
    widths: np.ndarray
    data: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    totals: np.ndarray


class Book(NamedTuple):
    """The centers of a pass.

    table : (n_features, n_clusters), float64, their features side by side
    points : (n_clusters, at least n_features), float64
    """

    table: np.ndarray
    points: np.ndarray


class Assignment(NamedTuple):
    """What a pass over blocks brings up to date.

    block_labels : INOUT (n_blocks,), int32, the label of all rows of a block, or `MIXED` or `UNASSIGNED`
    labels : INOUT (n_samples,), int32, of the rows in their new order; not looked at in an owned block
    tables : INOUT, the exact sums of all slots
    """

    block_labels: np.ndarray
    labels: np.ndarray
    tables: Sums
