"""The bound on the error of the scores, checked against fractions."""

from fractions import Fraction

import numpy as np
import pytest

from numbakmeans._engine.algorithms.panels import panel_columns
from numbakmeans._engine.kernels import pack
from numbakmeans._engine.kernels.certify import block_buffers, error_bound, pack_centers, score_all
from numbakmeans._engine.structs.passes import Places, Transform
from numbakmeans._engine.transforms import scale_for
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.drivers import SERIAL_LOOP


@kernel
def score_panel(X, centers, places, transform, options, found, arena):
    """Write the best score of each row in a panel of centers, and the coefficients of its error bound."""
    (transposed, packs), (best, errors) = options, found
    packed = pack_centers(SERIAL_LOOP, 1, X, centers, transform, places, arena)
    block = block_buffers(X, len(X), 1, 1, transposed, packs, arena)
    score_all(X, 0, len(X), block, packed, transform, arena)
    for i in range(len(X)):
        best[i] = block.scores.best[0, i]
    for t in range(3):
        errors[t] = packed.errors[0, t]


def errors_over_bounds(dtype, X, centers, origin, scale, transposed):
    """Return the true error of the score of each row and center, divided by the bound on it."""
    columns = panel_columns(X.dtype, 100)
    wide = np.ascontiguousarray(centers.astype(np.float64))
    n_rows = len(X)
    norms = np.empty(n_rows)
    packs = bool(scale != 1.0 or origin.any())
    transform = Transform(origin, scale, not packs)
    pack.measure_rows(X, 0, n_rows, transform, norms)
    best = np.empty((len(centers), n_rows))
    bounds = np.empty((len(centers), 3))
    for j in range(len(centers)):
        # One panel per center, which comes first, so that it is the one that is kept of duplicates.
        members = np.full(columns, -1)
        members[j % columns] = 0
        places = Places(members, np.zeros(1, np.int64))
        score_panel(X, np.roll(wide, -j, 0), places, transform, (transposed, packs), (best[j], bounds[j]))

    def exact(row):
        return [
            (Fraction(float(v)) - Fraction(o)) * Fraction(scale) for v, o in zip(row, origin, strict=True)
        ]

    points = [exact(center) for center in wide]
    halves = [sum(v * v for v in y) / 2 for y in points]
    ratios = np.empty((len(X), len(centers)))
    for i in range(len(X)):
        x = exact(X[i])
        for j, (a, b, c) in enumerate(bounds):
            bound = Fraction(a + b * norms[i] + c * norms[i] ** 2)
            score = halves[j] - sum(u * v for u, v in zip(x, points[j], strict=True))
            ratios[i, j] = abs(Fraction(float(best[j, i])) - score) / bound
    return ratios


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 7, 50, 260])
@pytest.mark.parametrize(
    "kind", ["normal", "offset", "far origin", "mixed scales", "tiny", "positive", "as they are"]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_scores_are_within_their_bound(dtype, n_features, kind, transposed):
    rng = np.random.default_rng(n_features)
    X = rng.normal(size=(24, n_features))
    centers = rng.normal(size=(24, n_features))
    origin = centers.mean(0).astype(dtype).astype(np.float64)
    if kind == "offset":
        X, centers, origin = X + 1e6, centers + 1e6, origin + 1e6
    elif kind == "far origin":
        origin = origin + 1e4
    elif kind == "mixed scales":
        X = X * 10.0 ** rng.integers(-30, 1, size=X.shape)
        centers = centers * 10.0 ** rng.integers(-30, 1, size=X.shape)
    elif kind == "tiny":
        X, centers, origin = X * 1e-30, centers * 1e-30, origin * 1e-30
    elif kind == "positive":
        X, centers = np.abs(X), np.abs(centers)
    elif kind == "as they are":
        origin[:] = 0.0
    X, centers = X.astype(dtype), centers.astype(dtype)
    origin = origin.astype(dtype).astype(np.float64)
    scale = scale_for(np.abs(X.astype(float)).max(0), centers.astype(float), origin)
    scale = 1.0 if kind == "as they are" else scale
    ratios = errors_over_bounds(dtype, X, centers, origin, scale, transposed)
    assert ratios.max() <= 1
    # The negative control: a bound smaller by 1000 would not hold, where scores are rounded at all.
    assert kind in ("mixed scales", "offset") or ratios.max() > 1e-3


@pytest.mark.parametrize("transposed", [False, True])
def test_many_features_are_summed_in_chunks(transposed):
    # Products of about 1 + 2**-12 lose nearly half a unit in the last place of the sum, all in one direction.
    n_features = 4096
    center = np.full((1, n_features), 1.0 + 0.24 * 2.0**-11, np.float32)
    ratios = errors_over_bounds(np.float32, -center, center, np.zeros(n_features), 1.0, transposed)
    assert ratios.max() <= 1
    # The negative control: summed one after another, they would be beyond the bound.
    square = float(center[0, 0]) ** 2
    one_by_one = np.float32(0.5 * n_features * square)
    for _ in range(n_features):
        one_by_one = np.float32(float(one_by_one) + square)
    errors = np.empty(3)
    error_bound(n_features, True, np.sqrt(n_features * square), errors)
    bound = errors @ (n_features * square) ** np.array([0.0, 0.5, 1.0])
    assert abs(float(one_by_one) - 1.5 * n_features * square) > 5 * bound
