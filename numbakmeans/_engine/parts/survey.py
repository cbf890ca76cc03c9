"""A first look at each part: sizes, ranges, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from numbakmeans._engine.constraints import with_unit_rows
from numbakmeans._engine.containers import special
from numbakmeans._engine.distances import exact_units
from numbakmeans._engine.parts.whole import rows_of
from numbakmeans._engine.samples import Samples, not_finite
from numbakmeans._engine.unit_rows import first_zero_row


class Fault(NamedTuple):
    """Why a part cannot be used: its number, a row in it, and words with the place "{row}"."""

    part: int
    row: int
    words: str


class Survey(NamedTuple):
    """What is found in some parts.

    sizes : the number of rows of each part; loads : the exact sum of its weights, in units of 2**LOWEST
    largest, finest, heaviest, lightest : as in `Whole`; heaviest is 0 if all rows count alike
    fault : the first one, if there is any
    """

    sizes: list[int]
    loads: list[int]
    largest: np.ndarray
    finest: np.ndarray
    heaviest: float
    lightest: float
    fault: Fault | None


def survey(block: Any, weights: Any, dtype: np.dtype, n_features: int, unit: bool) -> Survey:
    """Look at the rows and weights of one part."""
    rows = rows_of(block, dtype)
    largest, finest = np.zeros(n_features), np.full(n_features, np.inf)
    load, heaviest, lightest = 0, 0.0, np.inf
    fault = _fault(rows, weights, n_features, unit)
    if fault is None and len(rows):
        samples = Samples(rows)
        samples = with_unit_rows(samples, "X") if unit else samples
        largest, finest, _ = samples.measured
        if weights is not None:
            own = Samples(np.asarray(weights, np.float64).reshape(-1, 1))
            (heaviest,), (lightest,), _ = own.measured
            load = exact_units(own.array.ravel()) or 0
    return Survey([len(rows)], [load], largest, finest, heaviest, lightest, fault)


def _fault(rows: Any, weights: Any, n_features: int, unit: bool) -> Fault | None:
    """Return what makes a part unusable."""
    if rows.ndim != 2 or rows.shape[1] != n_features:
        return Fault(0, 0, f"X has {n_features} features, but the block with {{row}} has shape {rows.shape}.")
    if weights is not None:
        wrong = _wrong_weights(np.asarray(weights), len(rows))
        if wrong is not None:
            return wrong
    if len(rows) == 0:
        return None
    samples = Samples(rows)
    if not samples.finite:
        for part, X in samples.slabs():
            for row, column in not_finite(X):
                what, place = special(X[row, column]), f"{{row}}, column {column}"
                words = f"Input X contains {what} The first such value is in {place}."
                return Fault(0, part.start + row, words)
    zero = first_zero_row(samples) if unit else None
    return None if zero is None else Fault(0, zero, "{row} of X is zero, and so has no direction.")


def _wrong_weights(weights: np.ndarray, n_rows: int) -> Fault | None:
    """Return what is wrong with the weights of a part."""
    if weights.shape != (n_rows,):
        return Fault(
            0, 0, f"sample_weight has shape {weights.shape} where X has {n_rows} rows, from {{row}} on."
        )
    for wrong, words in (
        (~np.isfinite(weights), "Input sample_weight contains NaN or infinity"),
        (weights < 0, "Negative values in data passed to `sample_weight`"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            return Fault(0, row, f"{words}: {{row}} has the weight {weights[row]}.")
    return None


def merge_surveys(surveys: Sequence[Survey]) -> Survey:
    """Return what is found in all parts; surveys : in the order of the rows."""
    n_before, fault = 0, None
    for each in surveys:
        if each.fault is not None and fault is None:
            fault = each.fault._replace(part=n_before + each.fault.part)
        n_before += len(each.sizes)
    return Survey(
        [size for each in surveys for size in each.sizes],
        [load for each in surveys for load in each.loads],
        np.max([each.largest for each in surveys], axis=0),
        np.min([each.finest for each in surveys], axis=0),
        max(each.heaviest for each in surveys),
        min(each.lightest for each in surveys),
        fault,
    )
