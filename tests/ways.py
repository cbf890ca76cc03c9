"""Every way to the same bits: the algorithms of the table, and what they do where the plan thinks it pays."""

import contextlib
import math

from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
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
    change(_plan, "PROJECTION_WORK", 0)
    change(_plan, "PROJECTION_TRIAL", math.inf)


@contextlib.contextmanager
def forced(way):
    """Let the plan turn rows, or score as many movers as may be, always or never; yield the algorithm's key.

    Rows are turned where bounds are not asked: with them goes a plan that does not always ask. Movers are
    scored where there are no heads.
    """
    algorithm, _, what = way.partition(", ")
    changes = {"transposes": lambda *_: what == "transposed", "fast_tried": lambda *_: what == "fast centers"}
    if what == "transposed":
        changes["costs"] = lambda *_: DEAR
    if what == "fast centers":
        changes |= {
            "FAST_REST": 1.0,
            "bounds_cost": lambda size, *_: -float(size),
            "projection_cost": lambda *_: math.inf,
        }
    before = {name: getattr(_plan, name) for name in changes}
    vars(_plan).update(changes)
    try:
        yield algorithm
    finally:
        vars(_plan).update(before)


def iterate(samples, centers, max_iter, way):
    """Make passes one way."""
    with forced(way) as algorithm:
        return _fit.iterate(samples, centers, max_iter, algorithm=algorithm)
