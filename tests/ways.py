"""Every way to the same bits: the algorithms of the table, those with scores also with rows side by side."""

import contextlib

from numbakmeans import _fit, _plan
from numbakmeans._algorithms import ALGORITHMS

WAYS = [*ALGORITHMS, "certified, turned", "yinyang, turned"]


@contextlib.contextmanager
def forced(way):
    """Let the plan turn rows always, or never, and yield the key of the algorithm."""
    algorithm, _, turned = way.partition(", ")
    turns, _plan.turns = _plan.turns, lambda *_: bool(turned)
    try:
        yield algorithm
    finally:
        _plan.turns = turns


def iterate(samples, centers, max_iter, way):
    """Make passes one way."""
    with forced(way) as algorithm:
        return _fit.iterate(samples, centers, max_iter, algorithm=algorithm)
