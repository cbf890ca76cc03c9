"""Explicit vector code for nopython kernels: intrinsics that emit the inner loops of distance passes whole.

vectors        the vector capabilities of the target, and operations on vectors
tiles          the register tile, which gathers rows from anywhere in memory
transposition  rows laid side by side
lanes          tiles whose lanes are rows
quantized      a tile whose lanes are quantized rows
coarse         tiles whose lanes are rows of words, four bytes each
"""

from numbakmeans._engine.simd.coarse import NEVER, SHIFT, has_dots, near_coarse, rising_coarse
from numbakmeans._engine.simd.lanes import (
    CHANGED_LANES,
    changed_lanes,
    compare_panels,
    lane_rows,
    lanes_at_once,
    lowest_bit,
    nearest_lanes,
    score_lanes,
)
from numbakmeans._engine.simd.quantized import POINTS_AT_ONCE, near_lanes, prefetch_rows
from numbakmeans._engine.simd.tiles import (
    PAIRS_AT_ONCE,
    near_tile,
    pair_sq_dists,
    product_tile,
    score_tile,
    tile_columns,
    tile_lanes,
    tile_rows,
)
from numbakmeans._engine.simd.transposition import transpose_rows
from numbakmeans._engine.simd.vectors import SUMMED_FEATURES

__all__ = [
    "CHANGED_LANES",
    "NEVER",
    "PAIRS_AT_ONCE",
    "POINTS_AT_ONCE",
    "SHIFT",
    "SUMMED_FEATURES",
    "changed_lanes",
    "compare_panels",
    "has_dots",
    "lane_rows",
    "lanes_at_once",
    "lowest_bit",
    "near_coarse",
    "near_lanes",
    "near_tile",
    "nearest_lanes",
    "pair_sq_dists",
    "prefetch_rows",
    "product_tile",
    "rising_coarse",
    "score_lanes",
    "score_tile",
    "tile_columns",
    "tile_lanes",
    "tile_rows",
    "transpose_rows",
]
