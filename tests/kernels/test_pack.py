"""Packed rows and centers, and the marking of duplicate centers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numbakmeans._engine.algorithms import panels as _panels
from numbakmeans._engine.kernels import pack
from numbakmeans._engine.structs.passes import Transform
from numbakmeans._engine.transforms import scale_for


def marks(centers):
    centers = np.ascontiguousarray(centers, np.float64)
    distinct = np.zeros(len(centers), np.bool_)
    pack.distinct_centers(centers, centers.shape[1], distinct)
    return distinct.tolist()


@given(st.lists(st.lists(st.sampled_from([-0.0, 0.0, 1.0, -1.0, 1e300]), min_size=2, max_size=2), min_size=1))
def test_the_first_of_equal_centers_is_distinct(rows):
    expected = [all(row != other for other in rows[:j]) for j, row in enumerate(rows)]
    assert marks(rows) == expected


def test_one_of_thousands_of_equal_centers_is_distinct():
    assert sum(marks(np.ones((5000, 3)))) == 1
    assert sum(marks(np.arange(5000.0).reshape(-1, 1))) == 5000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_clusters", [1, 15, 16, 17, 32, 33, 70])
def test_panels_hold_every_center_once(dtype, n_clusters):
    rng = np.random.default_rng(n_clusters)
    centers = rng.integers(-8, 8, size=(n_clusters, 4)).astype(np.float64)
    distinct = np.array(marks(centers))
    columns = _panels.panel_columns(np.dtype(dtype), n_clusters)
    n_panels = -(-n_clusters // columns)
    order = _panels.places_of(rng.permutation(n_clusters), columns)
    packed = _panels.pack_buffers(n_clusters, 3, order, np.dtype(dtype))
    packed.distinct[:] = distinct
    members, panels, half_norms = packed.members, packed.panels, packed.half_norms
    origin = np.array([1.0, 2.0, 3.0])
    transform = Transform(origin, 0.5, False)
    largest = [pack.pack_panel(centers, transform, packed, p) for p in range(n_panels)]
    places = np.argsort(members[:n_clusters])
    flat = panels.transpose(0, 2, 1).reshape(-1, 3)
    norms = half_norms.reshape(-1)
    assert np.isinf(norms[n_clusters:]).all()
    flat, norms = flat[places], norms[places]
    moved = (centers[:, :3] - origin) / 2
    # Centers that equal another in all four columns are left out.
    assert np.array_equal(flat[:n_clusters][distinct], -moved[distinct])
    assert np.array_equal(norms[:n_clusters][distinct], (moved[distinct] ** 2).sum(1) / 2)
    assert np.isinf(norms[:n_clusters][~distinct]).all()
    squares = np.where(distinct, (moved**2).sum(1), 0)[members[:n_clusters]]
    squares = np.append(squares, np.zeros(len(members) - n_clusters)).reshape(n_panels, columns)
    assert np.array_equal(largest, np.sqrt(squares.max(1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_packed_rows_are_shifted_and_scaled(dtype):
    X = np.arange(12.0).reshape(4, 3).astype(dtype)
    rows, norms = np.zeros((4, 3), dtype), np.zeros(4)
    transform = Transform(np.ones(3), 0.25, False)
    pack.pack_rows(X, np.array([3, 1]), 2, transform, rows)
    pack.measure_rows(X, 1, 4, transform, norms)
    expected = (X[[3, 1]] - 1) / 4
    assert np.array_equal(rows[:2], expected)
    assert not rows[2:].any()
    assert np.allclose(norms[[3, 1]], np.linalg.norm(expected, axis=1))
    assert norms[0] == 0.0


@pytest.mark.parametrize(
    ("top", "usable"),
    [
        (1.0, True),
        (1e-100, True),
        (1e100, True),
        (0.0, False),
        (1e-130, False),
        (1e130, False),
        (np.nan, False),
    ],
)
@pytest.mark.parametrize("where", ["rows", "centers"])
def test_the_scale_is_a_power_of_two_where_it_is_usable(top, usable, where):
    largest, centers = np.zeros(3), np.zeros((4, 4))
    if where == "rows" and not np.isnan(top):
        largest[2] = top
    else:
        centers[3, 2] = -top
    scale = scale_for(largest, centers[:, :3], np.zeros(3))
    assert (scale > 0) == usable
    assert not usable or 0.5 <= top * scale <= 1
    assert not usable or np.frexp(scale)[0] == 0.5
