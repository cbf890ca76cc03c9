"""Data that breaks k-means implementations: name -> (X, starting centers), for a dtype."""

import functools

import numpy as np


def _shared(pairs):
    """Return pairs of arrays that many tests share, and that none can change."""
    for array in (array for pair in pairs.values() for array in pair):
        array.flags.writeable = False
    return pairs


@functools.cache
def cases(dtype):
    """Return the small cases; the centers are rows, or float64 values between rows."""
    rng = np.random.default_rng(20)
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    normal = rng.normal(size=(257, 6))
    grid = rng.integers(0, 4, size=(300, 3))
    spread = normal[:120, :4] * 10.0 ** rng.integers(-30, 30, size=(120, 4))
    mirrored = rng.normal(size=(150, 20))
    reach = rng.normal(size=(1, 20))
    ties = np.vstack([mirrored[:6] + reach, mirrored[:6] - reach]).astype(dtype)
    ties = np.vstack([ties, np.nextafter(ties, dtype(9))])
    blobs = rng.normal(size=(60, 48)) * 3
    crowd = blobs[rng.integers(60, size=600)] + rng.normal(size=(600, 48)) * 0.7
    pairs = rng.normal(size=(2, 70, 48))
    between = np.repeat((pairs[0] + pairs[1]) / 2, 4, axis=0).astype(dtype)
    between[1::4] = np.nextafter(between[1::4], dtype(9))
    between[2::4] += rng.normal(size=(70, 48)) * 1e-3
    along = rng.normal(size=(600, 4)) @ rng.normal(size=(4, 48)) + rng.normal(size=(600, 48)) * 0.3
    flat = np.pad(rng.integers(0, 5, size=(600, 4)), ((0, 0), (0, 44)))
    beside = np.column_stack([np.ones(600), crowd[:, 1:] * 1e-22])
    one_place = np.repeat(ties[:1] - reach, 300, axis=0)
    extreme = np.where(rng.random((90, 3)) < 0.5, huge, tiny) * rng.choice([-1, 0.5, 1], size=(90, 3))
    out = {
        "normal": (normal, normal[:7]),
        "float64 centers": (normal, normal[:7] + rng.normal(size=(7, 6)) * 1e-3),
        "ties on a grid": (grid, grid[:9]),
        "centers between grid points": (grid, np.unique(grid, axis=0)[:6] + 0.5),
        "duplicate rows": (np.repeat(normal[:5], 30, axis=0), normal[:5]),
        "all rows equal": (np.ones((40, 2)), np.array([[0.0, 0], [1, 1], [2, 2]])),
        "equal centers": (normal, normal[[3, 1, 3, 3, 1]]),
        "a thousand equal centers": (normal, np.vstack([np.repeat(normal[:2], 500, axis=0), normal[5:9]])),
        "ties but for one bit": (mirrored, ties),
        "ties but for one bit, offset 1e4": (mirrored + 1e4, ties + 1e4),
        "ties but for one bit, offset 1e8": (mirrored + 1e8, ties + 1e8),
        "many panels": (crowd, crowd[:390]),
        "many panels, offset and a center far out": (
            crowd + 1e4,
            np.vstack([crowd[:387] + 1e4, [[-1e7] * 48], crowd[7:9] + 1e4]),
        ),
        "many panels, rows between two centers": (between, pairs.reshape(-1, 48)),
        "many panels, a few directions": (along, along[:70]),
        "many panels, tiny beside a constant column": (beside, beside[:70]),
        "many panels, ties in a few directions": (flat, np.unique(flat, axis=0)[::6]),
        "many panels, rows left between two centers": left_behind(rng),
        "ties but for one bit, in one place": (one_place, ties),
        "many clusters": (rng.normal(size=(300, 33)), rng.normal(size=(100, 33))),
        "zeros of both signs": (np.array([[0.0], [-0.0], [0.0], [1.0]]), np.array([[-0.0], [0.0], [1.0]])),
        "empty clusters": (normal, np.vstack([normal[:3], np.full((2, 6), 1e6)])),
        "constant column": (np.column_stack([normal[:, 0], np.full(257, 3.3)]), normal[:4, :2]),
        "offset 1e4": (normal + 1e4, normal[:7] + 1e4),
        "offset 1e8": (normal + 1e8, normal[:7] + 1e8),
        "tiny": (normal * 1e-36, normal[:7] * 1e-36),
        "large": (normal * 1e36, normal[:7] * 1e36),
        "denormal": (
            rng.integers(-50, 50, size=(80, 3)) * float(tiny),
            np.arange(9).reshape(3, 3) * 10 * float(tiny),
        ),
        "mixed scales": (spread, spread[:5]),
        "largest and smallest": (extreme, extreme[:4] * 0.5),
        "near the maximum": (
            np.sign(normal[:50, :2]) * float(huge),
            np.sign(normal[:2, :2]) * float(huge) / 2,
        ),
        "one cluster": (normal, normal[:1]),
        "as many clusters as rows": (normal[:20], normal[:20]),
        "more clusters than rows": (normal[:4], normal[:9]),
        "more features than rows": (rng.normal(size=(9, 50)), rng.normal(size=(3, 50))),
        "one feature": (normal[:, :1], normal[:5, :1]),
        "one row": (normal[:1], normal[:1]),
        "odd widths": (rng.normal(size=(130, 13)), rng.normal(size=(11, 13))),
    }
    with np.errstate(over="ignore", under="ignore"):
        return _shared(
            {
                name: (X.astype(dtype), C.astype(np.float64 if "float64" in name else dtype))
                for name, (X, C) in out.items()
            }
        )


def left_behind(rng):
    """Return rows halfway between two centers, up to rounding, whose own center moves away after one pass."""
    places, aside, away = rng.normal(size=(3, 30, 48))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    away *= 3 / np.linalg.norm(away, axis=1, keepdims=True)
    places *= 0.5
    between = rng.normal(size=(8, 30, 48)) * 0.1
    between += places - (between * aside).sum(2, keepdims=True) * aside
    around = [places + side * aside + step for side in (-1, 1) for step in (-0.125, 0.125)]
    far = [places + away + step for step in rng.normal(size=(12, 30, 48)) * 0.01]
    X = np.vstack([*between, *around, *far])
    return X, np.vstack([places - aside, places + aside, places + 0.01 * away])


@functools.cache
def not_finite(dtype):
    """Return cases for check_finite=False."""
    rng = np.random.default_rng(21)
    X = rng.normal(size=(60, 3))
    nan, inf = np.nan, np.inf
    centers = X[:3].copy()
    one, both, mixed = X.copy(), X.copy(), X.copy()
    one[::7, 1] = inf
    both[::7, 1], both[1::7, 1] = inf, -inf
    mixed[::5, 0], mixed[3::9, 2], mixed[4::9, 2] = nan, inf, -inf
    bad_center = centers.copy()
    bad_center[1] = nan
    out = {
        "one infinity": (one, centers),
        "both infinities": (both, centers),
        "NaN and infinities": (mixed, centers),
        "all NaN": (np.full((8, 2), nan), np.zeros((2, 2))),
        "a NaN center": (X, bad_center),
    }
    return _shared({name: (X.astype(dtype), C.astype(dtype)) for name, (X, C) in out.items()})


def wide_enough(dtype, n_samples=13_000):
    """Return a case of many chunks, with ties, duplicates and an offset: (X, starting centers)."""
    rng = np.random.default_rng(22)
    X = np.round(rng.normal(size=(n_samples, 3)) * 8) / 4 + 100
    return X.astype(dtype), np.unique(X, axis=0)[::97][:12].astype(dtype)


def many_rows_and_features(dtype):
    """Return a case of many chunks and panels, whose rows get projections: (X, starting centers)."""
    rng = np.random.default_rng(23)
    places = rng.normal(size=(110, 52))
    X = places[rng.integers(110, size=3000)] + rng.normal(size=(3000, 52)) * 0.8
    return X.astype(dtype), X[:110].astype(dtype)


def layouts(X):
    """Return the values of a 2-D array in every layout that a caller might have."""
    wide = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)
    raw = np.zeros(X.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(X.dtype).reshape(X.shape)
    unaligned[:] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    return {
        "C": X.copy(),
        "Fortran": np.asfortranarray(X),
        "strided": wide[::2, ::3],
        "negative strides": X[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": read_only,
        "unaligned": unaligned,
        "other byte order": X.astype(X.dtype.newbyteorder()),
        "list": X.tolist() if X.dtype == np.float64 else X.copy(),
        "matrix": X.view(np.matrix),
    }
