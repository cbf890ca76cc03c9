"""The sweeps: values of thresholds, or options of the plan, and the workloads to try them on."""

from itertools import product
from math import inf
from typing import Any

from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS

from . import workloads as on
from .runner import Choice, Rate, Sweep
from .workloads import LAYOUTS, cases

BOTH = ("float32", "float64")
#: Data on which bounds help much, and data on which they do not.
KINDS = ("blobs", "uniform")
YINYANG: dict[str, Any] = {"algorithm": "yinyang", "passes": 10}
#: Sizes with many features, and two passes over rows whose variance lies mostly along few directions.
WIDE = [(2000, 784, 400), (20_000, 384, 200)]
EMBEDDINGS: dict[str, Any] = {"algorithm": "yinyang", "passes": 2, "data": "along_directions"}


def scaled(*names: str) -> dict[str, tuple[Any, ...]]:
    """Return thresholds with half their present values, and with twice."""
    return {name: (getattr(at, name) / 2, getattr(at, name) * 2) for name in names}


# fmt: off
SWEEPS: dict[str, Any] = {
    # --- Threads, and the length of one call
    "parallel": Sweep(
        {"MIN_PARALLEL_STEPS": (100_000, 200_000, 800_000, 1_600_000)},
        cases([(steps // 64, 8, 8) for steps in (70_000, 140_000, 280_000, 560_000, 1_120_000, 2_240_000)]),
        on.nearest),
    "calls": Rate(
        ("MAX_CALL_STEPS", "COST_PASS_OVERHEAD", "COST_PROBLEM_VALUE", "COST_PROBLEM"),
        cases([(9999, 1, 1000), (130_000, 1, 2), (2, 65_000, 2), (2000, 1, 2000), (1000, 4, 10)], passes=2)
        + cases([(1, 1, 1), (20, 2, 3), (200, 4, 5)], data="batch", passes=2),
        on.calls, limit=0.5e-9),
    "nopython": Sweep(
        {"MAX_NOPYTHON_STEPS": (0, 1_000_000, 4_000_000, 10**18)},
        cases([(2000, 64, n_clusters) for n_clusters in (4, 8, 16, 32, 64)], passes=10),
        on.nopython, isolated=True),
    # --- Memory
    "layouts": Sweep(
        {"MAX_COPY_BYTES": (0, 2**23), "MAX_SLAB_BYTES": (2**21, 2**22, 2**23, 2**25)},
        cases([(100_000, 16, 100), (100_000, 128, 100)], data=LAYOUTS, passes=10),
        on.passes),
    # --- Rows at a time
    "chunk-rows": Sweep(
        {"MAX_CHUNK_ROWS": (128, 256, 1024, 2048)},
        cases([(100_000, 16, 100), (20_000, 128, 100)], dtype=BOTH),
        on.nearest),
    "packed-bytes": Sweep(
        {"MAX_PACKED_BYTES": (2**16, 2**17, 2**18, 2**20)},
        cases([(20_000, 32, 500), (20_000, 128, 500), (20_000, 384, 500)], algorithm="certified"),
        on.passes),
    # --- Small problems
    "starts": Sweep(
        {"MAX_RESTART_STEPS": (0, 1_000_000, 2_000_000, 6_000_000)},
        cases([(150, 4, 3), (2000, 8, 20), (1800, 64, 10), (4000, 16, 30), (3000, 40, 20), (8000, 16, 40)],
              dtype=BOTH, passes=20),
        on.starts),
    "small-blocks": Sweep(
        {"MAX_SMALL_BLOCK_ROWS": (64, 128, 512, 1024)},
        cases([(1000, 4, 8), (5000, 4, 8), (2000, 16, 16)], passes=20, algorithm="small"),
        on.passes, isolated=True),
    "lane-sums": Choice(
        ("MAX_LANE_SUMS_FEATURES", "MAX_LANE_SUMS_CLUSTERS"), (True, False),
        cases([(1000, f, k) for f, k in product((2, 4, 8, 12), (3, 8, 20, 40))], passes=20,
              algorithm="small"),
        on.planned("keeps_parts"), lambda case: _plan.keeps_parts(*case[1:3])),
    "small": Choice(
        ("MAX_SMALL_STEPS",), ("small", "certified"),
        cases([(1000, 8, 20), (2000, 8, 20), (1800, 32, 10), (1800, 64, 10), (5000, 8, 20), (10_000, 10, 10)],
              dtype=BOTH, passes=20),
        on.passes, on.chosen_algorithm),
    "refined": Choice(
        ("MAX_REFINED_STEPS",), (True, False),
        cases([(2000, 8, 20), (5000, 8, 20), (2000, 16, 40), (4000, 16, 40), (3000, 40, 40)], dtype=BOTH),
        on.refined, lambda case: _plan.refined_at_once(*case.problem[:2])),
    # --- Algorithms
    "algorithms": Choice(
        ("MAX_SMALL_VALUES", "MIN_CERTIFIED_CLUSTERS", "MIN_BOUNDED_FEATURES", "MIN_BOUNDED_TERMS",
         "MAX_FILTERED_FEATURES", "MIN_FILTERED_ROWS", "MIN_FILTERED_PAIRS",
         "SHARED_FILTERED_PASSES", "MAX_EARLY_FILTERED_FEATURES", "MIN_FILTERED_PASSES"), tuple(ALGORITHMS),
        cases([(20_000, 4, 3), (60_000, 2, 2), (5000, 2, 64), (10_000, 2, 64)], dtype=BOTH, passes=10)
        + cases([(50_000, f, k) for f, k in product((1, 2, 3, 5, 6, 8, 16), (3, 16, 64))], dtype=BOTH,
                passes=(1, 3, 10, 30)),
        on.passes, on.chosen_algorithm),
    "bounded": Choice(
        ("MIN_BOUNDED_PASS", "MIN_BOUNDED_TOTAL"), ("certified", "yinyang"),
        cases([(5000, 64, 64), (20_000, 16, 64), (20_000, 32, 64), (10_000, 200, 40)], dtype=BOTH, data=KINDS,
              passes=(10, 30, 300)),
        on.passes, on.chosen_algorithm),
    "nearest": Choice(
        ("MIN_NEAREST_TERMS", "MIN_NEAREST_STEPS"), (True, False),
        cases([(n, f, k) for n, f, k in product((1000, 50_000), (2, 8, 16, 64), (4, 16, 64))], dtype=BOTH),
        on.nearest, lambda case: _plan.nearest_scored(*case.problem)),
    "identity": Sweep(
        {"MAX_IDENTITY_RATIO": ({4: 2.0, 8: 2.0}, {4: 32.0, 8: 1024.0})},
        cases([(20_000, f, 20) for f in (16, 128, 784)], dtype=BOTH, data=("blobs", "shifted"), passes=10,
              algorithm="certified"),
        on.passes),
    "transposed": Choice(
        ("MAX_TRANSPOSED_FEATURES", "MAX_TRANSPOSED_BYTES"), (True, False),
        cases([(2_000_000 // f, f, k) for f, k in product((5, 16, 32, 64, 384), (8, 24, 48, 200))],
              dtype=BOTH, algorithm="certified"),
        on.planned("transposes"), lambda case: _plan.transposes(case.n_features, *case.problem[1:])),
    # --- Bounds
    "bounds-costs": Sweep(
        scaled("COST_SINGLE_ROW", "COST_TRANSPOSED_ROW", "COST_KEEP", "COST_CHECK_ROW", "COST_CHECK_GROUP",
               "COST_MEASURE", "COST_UNDECIDED_ROW", "COST_UNDECIDED_GROUP")
        | {"COST_DECAY": (0.5, 0.9), "MAX_CHECKING_COST": (0.6, 1.0), "MAX_CHEAP_KEEPING_COST": (0.0, 0.08)},
        cases([(100_000, 16, 100), (50_000, 32, 100), (20_000, 128, 200)], data=KINDS, **YINYANG),
        on.plain_passes),
    "forecast": Sweep(
        {"SAMPLE_FORECAST_ROWS": (16, 64, 1024, 4096)},
        cases([*WIDE, (5000, 200, 200), (100_000, 16, 100)], data="uniform", **YINYANG),
        on.plain_passes),
    "grouping": Sweep(
        {"SAMPLE_GROUPING_FEATURES": ((16, 16), (64, 64), (4096, 4096)), "SAMPLE_GROUPING_ROWS": (8, 128)},
        cases(WIDE, data=KINDS, **YINYANG),
        on.plain_passes),
    # --- Projections
    "projections": Sweep(
        {"MAX_PROJECTION_COST": (0.0, 0.5, 0.85, inf), "MIN_PROJECTION_FEATURES": (24, 96, 10**6),
         "MIN_PROJECTION_PANELS": (1, 4), "MIN_PROJECTION_STEPS": (0, 100_000_000, 2_500_000_000),
         "PROJECTION_SHARES": ((3,), (4, 8), (2, 3, 4, 6, 8, 12)), "MAX_PROJECTION_PASSES": (4, 16)}
        | scaled("COST_PAIR", "COST_PAIR_RATIO"),
        cases([(20_000, 48, 200), (20_000, 128, 500), (10_000, 384, 500)], dtype=BOTH,
              data=(*KINDS, "along_directions"), **YINYANG),
        on.plain_passes),
    "rough-projections": Sweep(
        {"MAX_ROUGH_PROJECTION_COST": (0.0, 0.9, 1.7, inf)},
        cases([(5000, 784, 400), (20_000, 384, 200)], data=("uniform", "along_directions"), **YINYANG),
        on.plain_passes),
    "projection-trial": Sweep(
        {"MAX_PROJECTION_TRIAL": (0.0, 1 / 6000, 1 / 400, inf)},
        cases(WIDE, data="uniform", **YINYANG),
        on.plain_passes),
    "projection-pairs": Sweep(
        {"SAMPLE_PROJECTION_PAIRS": (12_500, 200_000)},
        cases([(20_000, 128, 500), (20_000, 384, 500)], **EMBEDDINGS),
        on.plain_passes),
    "projection-directions": Sweep(
        {"SAMPLE_PROJECTION_CENTERS": (512, 4096)},
        cases([(20_000, 128, 4000), (20_000, 384, 4000)], **EMBEDDINGS),
        on.plain_passes),
    # --- Fast centers
    "fast": Sweep(
        {"MAX_FAST_COST": (0.0, 0.5, 1.0), "MIN_FAST_CENTERS": (8, 32), "MIN_CENTERS_PER_FAST": (2, 6),
         "MAX_SLOW_MOVEMENT": (0.25, 1.0)},
        cases([(50_000, 128, 1000), (100_000, 64, 256)], dtype=BOTH, data=KINDS, **YINYANG),
        on.plain_passes),
    "fast-work": Sweep(
        {"MIN_FAST_STEPS": (0, 100_000_000, inf), "MIN_FAST_BOUNDS_COST": (0.0, 0.05, 0.5)},
        cases([(100_000, 16, 100), (2000, 784, 400)], data=KINDS, **YINYANG),
        on.plain_passes),
    # --- Coarse rows
    "coarse": Sweep(
        {"MAX_COARSE_COST": (0.0, 0.6, 1.2, inf), "SAMPLE_COARSE_PAIRS": (3000, 50_000),
         "SAMPLE_COARSE_CENTERS": (64, 1024)}
        | scaled("COST_COARSE_CENTER", "COST_COARSE_ROW", "COST_COARSE_VALUE"),
        cases([(50_000, f, 100) for f in (16, 32)] + [(20_000, 128, k) for k in (50, 200)],
              dtype=BOTH, data=KINDS, **YINYANG),
        on.passes),
    "coarse-nearest": Sweep(
        scaled("COST_COARSE_MAKING"),
        cases([(20_000, f, k) for f, k in product((32, 128, 384), (50, 200))], dtype=BOTH),
        on.nearest),
    # --- Spatial order
    "spatial-blocks": Sweep(
        {"MAX_SPATIAL_ROWS": (64, 128, 512), "SPATIAL_CHUNK_BLOCKS": (4, 64),
         "SAMPLE_GRID_ROWS": (512, 32_768)},
        cases([(200_000, f, k) for f, k in product((2, 3), (16, 256))], passes=10, algorithm="filtering"),
        on.passes),
    # --- '++'
    "picks": Choice(
        ("COST_PICK_VALUE", "COST_PICK"), ("one thread", "all threads"),
        cases([(n // f, f, 200) for n, f in product((100, 5000, 20_000, 50_000, 100_000, 200_000), (1, 4))]),
        on.picks_by, on.threads_of_picks),
    "quantized": Choice(
        ("MIN_QUANTIZED_PICKS", "MIN_QUANTIZED_STEPS"), (True, False),
        cases([(1_600_000 // f, f, k) for f, k in product((2, 16, 128), (2, 3, 5, 10, 30))])
        + cases([(800_000, 2, 64), (1000, 16, 16), (4000, 16, 16), (16_000, 16, 16)]),
        on.picks_with, on.quantizes),
    "quantization-step": Sweep(
        {"SAMPLE_QUANTIZATION_VALUES": (1024, 65_536), "SAMPLE_QUANTIZATION_ROWS": (16, 256)},
        cases([(50_000, 32, 50), (5000, 512, 50)], data="heavy tails"),
        on.picks),
}
# fmt: on
