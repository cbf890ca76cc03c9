"""Exact sums of whole columns: means, standard deviations, totals."""

from __future__ import annotations

import numpy as np

from numbakmeans._engine import plan as _plan
from numbakmeans._engine.bins import LOWEST
from numbakmeans._engine.samples import Samples, labeled_sums, update_means
from numbakmeans._engine.structs.sums import Sums
from numbakmeans._numba.drivers import Driver

ADD_COLUMNS, AVERAGES, VARIANCES, DIVIDE = (
    Driver("numbakmeans._engine.kernels.columns", name)
    for name in ("add_columns", "averages", "variances", "divide")
)


def column_means(samples: Samples, single: bool = False, divisor: int | None = None) -> np.ndarray:
    """Return the exact mean of each column, rounded once to float64 (or to float32 values).

    samples : without weights; divisor : divisor of the sums; the number of rows if None
    """
    divisor = len(samples) if divisor is None else divisor
    if samples.X is not None:
        plan, found = _plan.sweep(samples.shape, work=8 * samples.size), np.empty((1, samples.shape[1]))
        X = samples.wide if samples.few else samples.X
        if AVERAGES.on(plan.parallel)(X, plan.n_tasks, samples.many, (divisor, single, found)):
            samples.take_as_finite()
            return found[0]
    tables = _column_sums(samples)
    tables.counts[:, 0] = 0
    tables.counts[0, 0] = divisor
    means = np.zeros((1, samples.shape[1]))
    update_means(samples, tables, np.zeros(0, np.int32), means, single)
    return means[0]


def exact_total(samples: Samples) -> int:
    """Return the exact sum of all values, which are finite and without weights, in units of 2**LOWEST."""
    sums = _column_sums(samples).sums[:, 0]
    pairs = zip(sums.sum(0).ravel().tolist(), samples.bins[0].ravel().tolist(), strict=True)
    return sum(part << exponent - LOWEST for part, exponent in pairs)


def _column_sums(samples: Samples) -> Sums:
    """Return exact sums of a single cluster, which has all rows."""
    if not samples.finite or (samples.bins.scales != 1.0).any():
        return labeled_sums(samples, np.zeros(len(samples), np.int32), 1)
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    tables = samples.tables(1, plan.n_tasks)
    run = ADD_COLUMNS.on(plan.parallel)
    for X in [samples.wide] if samples.few else (X for _, X in samples.slabs()):
        run(X, plan.n_tasks, None, tables)
    return tables


def deviations(samples: Samples) -> np.ndarray:
    """Return the standard deviation of each column in float64: mean and variance are exact, and rounded once.

    The differences from the mean, and their squares, are rounded, too.
    """
    if samples.X is not None:
        plan, found = _plan.sweep(samples.shape, work=8 * samples.size), np.empty((1, samples.shape[1]))
        X = samples.wide if samples.few else samples.X
        if VARIANCES.on(plan.parallel)(X, plan.n_tasks, samples.many, found):
            samples.take_as_finite()
            return np.sqrt(found[0])
    means = column_means(samples)
    variances = np.empty(len(means))
    with np.errstate(over="ignore", invalid="ignore"):
        # A few columns at a time: all at once would be a copy of the data.
        for some in (slice(f, f + 4) for f in range(0, len(means), 4)):
            squares = samples.rows((slice(None), some))
            squares -= means[some]
            squares *= squares
            variances[some] = column_means(Samples(squares))
        return np.sqrt(variances)


def divided(samples: Samples, divisors: np.ndarray) -> np.ndarray:
    """Return the rows with each column divided by a number of the working dtype."""
    quotients = np.empty(samples.shape, samples.dtype)
    plan = _plan.sweep(samples.shape, work=8 * samples.size)
    if samples.few:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.divide(np.asarray(samples.X), divisors, out=quotients)
    run = DIVIDE.on(plan.parallel)
    for rows, X in samples.slabs():
        run(X, plan.n_tasks, divisors, quotients[rows])
    return quotients
