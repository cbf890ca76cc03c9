"""Exact sums, checked against fractions."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from numbakmeans._engine.kernels import sums
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.structs.sums import TaskSums
from numbakmeans._numba.compiler import kernel

ANY = st.floats(allow_nan=False, allow_infinity=False)

NO_PARTS = np.empty((0, 0), np.int64)


@kernel
def make_bins(ends, exponents, constants, scales):
    sums.make_bins(ends, False, exponents, constants, scales)


@given(st.lists(st.lists(ANY, min_size=3, max_size=3), min_size=1, max_size=8))
def test_bins_of_kernels_match_python(rows):
    samples = Samples(np.array(rows))
    wanted, found = samples.bins, tuple(map(np.empty_like, samples.bins))
    make_bins(samples.ranges.ends, *found)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


class ManySamples(Samples):
    """Samples whose bins are halved, as for many rows."""

    many = True


@pytest.mark.parametrize("kind", [Samples, ManySamples])
@given(st.lists(ANY, min_size=1, max_size=12))
@example([1.7e308, 5e-324, -1.7e308, 2.0**998, 2.0**971 + 1.0])
def test_parts_add_up_to_the_value(kind, values):
    samples = kind(np.array(values).reshape(-1, 1))
    bins = samples.bins
    exponents = bins.exponents
    for i, value in enumerate(values):
        mine = TaskSums(
            bins,
            np.zeros((2, len(exponents), 1), np.int64),
            np.zeros(2, np.int64),
            np.empty(1),
            None,
            NO_PARTS,
        )
        table, other = mine.sums
        sums.add_row(samples.X, i, None, i, 0, mine)
        parts = zip(table[:, 0].tolist(), exponents[:, 0].tolist(), strict=True)
        assert sum(q * Fraction(2) ** e for q, e in parts) == Fraction(value)
        alone = table.copy()
        sums.move_row(samples.X, i, None, i, 0, 1, mine)
        assert not table.any()
        assert mine.counts.tolist() == [0, 1]
        assert np.array_equal(other, alone)
        sums.add_lanes(samples.X[i : i + 1], 1, bins, table)
        assert np.array_equal(table, alone)
        sums.add_totals(other, -1, table)
        assert not table.any()


@given(st.lists(st.tuples(ANY, ANY, st.integers(0, 3)), min_size=1, max_size=140))
def test_lanes_and_rows_are_relabeled_alike(rows):
    samples = Samples(np.array([row[:2] for row in rows]))
    new_labels = np.array([row[2] for row in rows])
    n_rows, bins = len(rows), samples.bins
    shape = bins.constants.shape

    def outputs():
        tables = np.zeros((4, *shape), np.int64), np.zeros(4, np.int64)
        return np.full(n_rows, -1, np.int32), TaskSums(bins, *tables, np.empty(2), None, NO_PARTS)

    by_rows, by_lanes = outputs(), outputs()
    parts = np.empty((*shape, n_rows), np.int64)
    sums.split_lanes(samples.X.T.copy(), n_rows, bins, np.empty(n_rows), parts)
    for turn, label in enumerate((sums.label_lanes, sums.relabel_lanes)):
        # The second time, some rows have other labels.
        new_labels[:: 1 + turn] = (new_labels[:: 1 + turn] + turn) % 4
        moved = sums.relabel(samples.X, 0, n_rows, new_labels, *by_rows)
        assert label(parts, 0, n_rows, new_labels, *by_lanes) == moved > 0
        (labels, mine), (lane_labels, by_lane) = by_rows, by_lanes
        np.testing.assert_array_equal(lane_labels, labels)
        np.testing.assert_array_equal(by_lane.sums, mine.sums)
        np.testing.assert_array_equal(by_lane.counts, mine.counts)


def sums_by_exponent(samples, labels):
    """Return the nonzero parts of the sums of two clusters, by cluster, feature and exponent."""
    bins = samples.bins
    exponents = bins.exponents
    table = np.zeros((2, *exponents.shape), np.int64)
    mine = TaskSums(bins, table, np.zeros(2, np.int64), np.empty(samples.shape[1]), None, NO_PARTS)
    for i, j in enumerate(labels):
        sums.add_row(samples.X, i, None, i, j, mine)
    return Counter({(j, f, exponents[p, f]): table[j, p, f] for j, p, f in np.argwhere(table).tolist()})


@pytest.mark.parametrize("kind", [Samples, ManySamples])
def test_accumulators_of_blocks_add_up(kind):
    """For any number of rows and any scale, the parts of the whole are the sums of those of its blocks."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3)) * 10.0 ** rng.integers(-12, 12, (300, 3))
    X[200:] *= 1e30
    labels = rng.integers(0, 2, 300)
    total = Counter()
    for block in (slice(0, 10), slice(10, 200), slice(200, 300)):
        total.update(sums_by_exponent(kind(X[block]), labels[block]))
    whole = sums_by_exponent(kind(X), labels)
    assert {key: part for key, part in total.items() if part} == dict(whole)
    assert len(whole) > 2 * 3 * 4


def test_photo_pixels_need_one_part_and_normal_doubles_two():
    rng = np.random.default_rng(0)
    pixels = Samples(rng.integers(0, 256, size=(100_000, 3)).astype(np.float64))
    assert pixels.bins[0].shape == (1, 3)
    assert Samples(rng.normal(size=(10_000, 4))).bins[0].shape == (2, 4)
