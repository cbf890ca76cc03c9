"""Every way to the same bits: the algorithms of the table, and what they do where the plan thinks it pays."""

import contextlib
import math

import pytest

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS

WAYS = [*ALGORITHMS, "certified, transposed", "yinyang, transposed", "yinyang, fast centers"]
#: Bounds that cost nothing, so that all are kept and asked; and some that are now and then not worth it.
FREE = _plan.Costs(
    *[math.inf] * 2, checking=0.0, measuring=0.0, undecided=0.0, groups=1.0, projections=0.0, pairs=0.0
)
DEAR = FREE._replace(checked=1.0, kept=1.0, checking=0.2, undecided=0.2, groups=1.3)


def ask_all(change=setattr):
    """Ask bounds of all rows, and make heads, also where the data is so small that it does not pay.

    change : called as `setattr`
    """
    change(_plan, "costs", lambda *_: FREE)
    change(_plan, "projection_cost", lambda *_: 0.0)
    change(at, "MIN_PROJECTION_STEPS", 0)
    change(at, "MAX_PROJECTION_TRIAL", math.inf)


@contextlib.contextmanager
def forced(way):
    """Let the plan turn rows, or score as many movers as may be, always or never; yield the algorithm's key.

    Rows are turned where bounds are not asked: with them goes a plan that does not always ask. Movers are
    scored where there are no heads.
    """
    algorithm, _, what = way.partition(", ")
    tried = what == "fast centers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "transposes", lambda *_: what == "transposed")
        patch.setattr(_plan, "fast_tried", lambda *_: tried)
        if what == "transposed":
            patch.setattr(_plan, "costs", lambda *_: DEAR)
        if tried:
            patch.setattr(at, "MAX_SLOW_MOVEMENT", 1.0)
            patch.setattr(_plan, "bounds_cost", lambda size, *_: -float(size))
            patch.setattr(_plan, "projection_cost", lambda *_: math.inf)
        yield algorithm


def iterate(samples, centers, max_iter, way):
    """Make passes one way."""
    with forced(way) as algorithm:
        return _fit.iterate(samples, centers, max_iter, algorithm=algorithm)
