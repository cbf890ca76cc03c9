"""Data structures shared by the kernels of spatial blocks and their callers."""

from typing import NamedTuple

import numpy as np

from numbakmeans._engine.structs.sums import Sums

#: Label of a block whose rows have different labels, and of one whose rows no accumulator holds yet.
MIXED, UNASSIGNED = -1, -2


class CellGrid(NamedTuple):
    """A grid over the rows (`cells`).

    origin, steps, limits : (n_features,), float64: the lower end, cells per unit, and index of the last cell
    bits : (n_features, cells per side), int32, the contribution of each feature to the number of a cell
    """

    origin: np.ndarray
    steps: np.ndarray
    limits: np.ndarray
    bits: np.ndarray


class Blocks(NamedTuple):
    """All blocks, with the bounding box and the exact sums of the rows of each (`cells`).

    starts, widths : (n_blocks + 1,), int64, where the rows and the lanes of each block begin
    data : (widths of all blocks * n_features,), the lanes; lows, highs : (n_blocks, n_features), float64
    totals : (n_blocks, n_parts, n_features or one more for the weights), int64
    counts : (n_blocks,), int64, rows, of weight above 0 if there are weights
    """

    starts: np.ndarray
    widths: np.ndarray
    data: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    totals: np.ndarray
    counts: np.ndarray


class Book(NamedTuple):
    """The code book (centers) of a pass.

    table : (n_features, n_clusters), float64, the centers transposed
    points : (n_clusters, at least n_features), float64
    """

    table: np.ndarray
    points: np.ndarray


class Assignment(NamedTuple):
    """The state that a pass over blocks updates.

    block_labels : INOUT (n_blocks,), int32, the common label of a block's rows, or `MIXED` or `UNASSIGNED`
    labels : INOUT (n_samples,), int32, of the sorted rows; not read where the block has a label
    tables : INOUT, the exact sums of all tasks; its weights, if any, are those of the sorted rows
    """

    block_labels: np.ndarray
    labels: np.ndarray
    tables: Sums
