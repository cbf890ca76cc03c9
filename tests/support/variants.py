"""The algorithms of the table, and the variants of them that the plan may choose: all give the same bits."""

import contextlib
import math

import pytest

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS
from numbakmeans._engine.algorithms import panels as _panels

VARIANTS = [
    *ALGORITHMS,
    "certified, transposed",
    "yinyang, transposed",
    "yinyang, fast centers",
    "yinyang, coarse rows",
]
#: Bounds that cost nothing, so that all are kept and checked; and bounds that do not always pay.
FREE = _plan.Costs(
    *[math.inf] * 2, checking=0.0, measuring=0.0, undecided=0.0, groups=1.0, narrowing=0.0, pairs=0.0
)
DEAR = FREE._replace(checked=1.0, kept=1.0, checking=0.2, undecided=0.2, groups=1.3)


def check_all_bounds(change=setattr):
    """Check the bounds of all rows, and make projections, even where the data is too small for that to pay.

    Coarse rows, which would take their place, are not made. change : called as `setattr`
    """
    change(_panels, "multiplies_bytes", lambda: False)
    change(_plan, "costs", lambda *_: FREE)
    change(_plan, "projection_cost", lambda *_: 0.0)
    change(at, "MIN_PROJECTION_STEPS", 0)
    change(at, "MAX_PROJECTION_TRIAL", math.inf)


@contextlib.contextmanager
def forced(variant):
    """Force the plan to transpose rows, score fast centers, or make coarse rows, always or never.

    Yields the algorithm's key.

    Rows are transposed where bounds are not checked, so that variant comes with a plan that does not always
    check them. Fast centers are scored where there are no projections. Coarse rows are made whatever they
    cost, on any processor, and kept.
    """
    algorithm, _, what = variant.partition(", ")
    tried = what == "fast centers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "transposes", lambda *_: what == "transposed")
        patch.setattr(_plan, "fast_tried", lambda *_: tried)
        patch.setattr(_panels, "multiplies_bytes", lambda: what == "coarse rows")
        if what == "coarse rows":
            patch.setattr(_plan, "coarse_cost", lambda *_: 0.0)
            patch.setattr(_plan, "costs", lambda *_: FREE)
        if what == "transposed":
            patch.setattr(_plan, "costs", lambda *_: DEAR)
        if tried:
            patch.setattr(at, "MAX_SLOW_MOVEMENT", 1.0)
            patch.setattr(_plan, "bounds_cost", lambda size, *_: -float(size))
            patch.setattr(_plan, "projection_cost", lambda *_: math.inf)
        yield algorithm


def iterate(samples, centers, max_iter, variant):
    """Iterate with one of the variants."""
    with forced(variant) as algorithm:
        return _fit.iterate(samples, centers, max_iter, algorithm=algorithm)
