"""What SciPy's functions do inside nopython code: on one thread, and raising as in Python.

The arrays are copies that all kernels know (`_nopython`); the numbers come from an explicit generator.
Messages are constants: to put a number into one would take longer to compile than all the rest.
"""

import numpy as np

from numbakmeans._arguments import NOT_FINITE, TOO_MANY_POINTS
from numbakmeans._arrays import new_empty
from numbakmeans._jit import calling_kernel, frozen, kernel, objmode
from numbakmeans._kernels.canonical import nearest_chunk, root_single
from numbakmeans._kernels.means import exact_means, means_chunk
from numbakmeans._kernels.room import room_of
from numbakmeans._kernels.sums import add_labelled_slot, empty_tables
from numbakmeans._nopython import (
    LANES,
    ONE_THREAD,
    all_finite,
    narrow_of,
    precision_of,
    rows_of,
    take,
    wide_of,
)
from numbakmeans._samples import MAX_CLUSTERS
from numbakmeans._seeding import (
    draw_normals,
    draw_plus_plus,
    draw_points,
    gaussian_centers,
    pick_all,
    place_in_row_space,
    words_to_pick,
)

NO_GENERATOR = "in nopython code random numbers come from an explicit generator: pass rng"
TOO_MANY_CLUSTERS = f"{TOO_MANY_POINTS}: k exceeds the rows of data"
TOO_MANY_CODES = f"{TOO_MANY_POINTS}: k_or_guess exceeds the rows of obs"
NUMBER_OF_CLUSTERS = f"k of one element is a number of clusters: {NO_GENERATOR}"
NUMBER_OF_CODES = f"k_or_guess of one element is a number of codes: {NO_GENERATOR}"
GUESS_NOT_FINITE = f"{NOT_FINITE}: k_or_guess"


# --- starts


@calling_kernel
def in_row_space(X, mean, normals):
    """Return what `place_random` does where there are more features than rows, less the mean."""
    centered = new_empty(X.shape, np.float64)
    for i in range(len(X)):
        for f in range(X.shape[1]):
            centered[i, f] = X[i, f] - mean[f]
    freedom = max(len(X) - 1, 1)
    with objmode(centers="float64[:, ::1]"):
        centers = np.ascontiguousarray(place_in_row_space(centered, freedom, normals))
    return centers


@kernel
def count_of(k):
    count = np.int64(k)
    if count < 1 or count > MAX_CLUSTERS:
        raise ValueError("Cannot ask kmeans2 for that many clusters: k is out of range")
    return count


@kernel
def rows_by_points(X, k, minit, rng):
    count = count_of(k)
    if count > len(X):
        raise ValueError(TOO_MANY_CLUSTERS)
    return take(X, draw_points(rng, len(X), count, room_of(0)))


@kernel
def rows_by_plus_plus(X, k, minit, rng):
    count = count_of(k)
    room = room_of(words_to_pick(*X.shape, count))
    first, uniforms = draw_plus_plus(rng, len(X), count, room)
    return take(X, pick_all(*ONE_THREAD, X, first, uniforms, room))


@kernel
def rows_by_random(X, k, minit, rng):
    n_samples, n_features = X.shape
    count = count_of(k)
    normals = draw_normals(rng, n_samples, count, n_features).reshape((count, min(n_samples, n_features)))
    if n_samples >= n_features:
        return gaussian_centers(X, normals)
    mean = exact_means(X, n_samples, 53, -1074, room_of(0))
    return in_row_space(X, mean, normals) + mean


#: By `minit`, where that stands in the code: the others are not compiled for it.
DRAWN = {"points": rows_by_points, "++": rows_by_plus_plus, "random": rows_by_random}


@kernel
def drawn_rows(X, k, minit, rng):
    """Return starting centers, float64, for a number k and `minit` 'points', '++' or 'random'."""
    if minit == "points":
        return rows_by_points(X, k, minit, rng)
    if minit == "++":
        return rows_by_plus_plus(X, k, minit, rng)
    if minit == "matrix" and count_of(k) > 0:
        raise ValueError("k array doesn't match data rank: with minit='matrix' k must be an array")
    return rows_by_random(X, k, minit, rng)


@kernel
def given_centroids(X, k, minit, rng):
    """Return starting centers, float64, for an array k."""
    book = rows_of(k, np.float64)
    if book.size < 1:
        raise ValueError("Empty input is not supported. k has no elements")
    if book.shape[1] != X.shape[1]:
        raise ValueError("k array doesn't match data dimension: k and data differ in their features")
    if len(book) > MAX_CLUSTERS:
        raise ValueError("k holds too many centroids")
    return narrow_of(book, book.shape[1], np.float64)


@kernel
def given_or_drawn(X, k, minit, rng):
    """Return starting centers, float64, for an array k, which is a number if it has one element."""
    if k.size == 1:
        # Only the branch for the type of rng is compiled.
        if rng is None:
            raise ValueError(NUMBER_OF_CLUSTERS)
        return drawn_rows(X, np.int64(k.flat[0]), minit, rng)
    return given_centroids(X, k, minit, rng)


@kernel
def given_rows(X, k, minit, rng):
    """Return starting centers, float64, for an array k and any `minit`."""
    if minit == "matrix":
        return given_centroids(X, k, minit, rng)
    return given_or_drawn(X, k, minit, rng)


@kernel
def check_methods(minit, missing):
    """Refuse methods that there are not; return whether an empty cluster is an error."""
    if missing != "warn" and missing != "raise":
        raise ValueError("Unknown missing method: missing must be one of ('warn', 'raise')")
    if minit != "random" and minit != "points" and minit != "++" and minit != "matrix":
        raise ValueError("Unknown init method: minit must be one of ('random', 'points', '++', 'matrix')")
    return missing == "raise"


# --- passes of `kmeans`, distances, deviations


@kernel
def roots(sq_dists, single, dists):
    """Write sqrt of squared distances, rounded once to float32 or float64."""
    for i in range(len(dists)):
        dists[i] = root_single(sq_dists[i]) if single else np.sqrt(sq_dists[i])


@kernel
def distortion_of(sq_dists, single, dists):
    """Return the exact mean of the distances, rounded once; dists : workspace, float64."""
    roots(sq_dists, single, dists)
    column = frozen(dists.reshape((len(dists), 1)))
    return exact_means(column, len(dists), *precision_of(single), room_of(0))[0]


@kernel
def labelled_means(X, labels, grids, sums, counts, wide):
    """Replace the codes by the exact means of their rows, rounded once to the dtype of X.

    grids, sums, counts : from `sums.empty_tables`, used again for each pass

    Returns
    -------
    sizes : (n_codes,), int64
    """
    exponents, constants, scales = grids
    sums[:], counts[:] = 0, 0
    room, sizes = room_of(0), new_empty(len(wide), np.int64)
    add_labelled_slot(0, X, labels, len(X), constants, scales, sums, counts, room)
    means_chunk(0, sums, counts, exponents, *precision_of(X.itemsize == 4), len(wide), wide, sizes, room)
    return sizes


@kernel
def refine(X, book, single, thresh):
    """Make the passes of `kmeans` from one start; return the codes that have members, and the distortion.

    book : (k, n_features), float64; single : whether the first distances are rounded to float32
    """
    n_samples, n_features = X.shape
    labels, sq_dists = new_empty(n_samples, np.int32), new_empty(n_samples, np.float64)
    dists, wide = new_empty(n_samples, np.float64), wide_of(book)
    room = room_of(0)
    grids, sums, counts = empty_tables(*ONE_THREAD, X, len(wide), room)
    previous, narrow = np.inf, False
    while True:
        nearest_chunk(X, wide, 0, n_samples, LANES, labels, sq_dists, room)
        distortion = distortion_of(sq_dists, single, dists)
        sizes = labelled_means(X, labels, grids, sums, counts, wide)
        kept = 0
        for j in range(len(wide)):
            if sizes[j] > 0:
                for f in range(wide.shape[1]):
                    wide[kept, f] = wide[j, f]
                kept += 1
        wide = wide[:kept]
        # As NumPy compares a float32 with a Python float.
        narrow = narrow and single
        change = abs(previous - distortion)
        more = np.float32(change) > np.float32(thresh) if narrow else change > thresh
        if not more:
            return narrow_of(wide, n_features, np.float64), distortion
        previous, narrow, single = distortion, single, X.itemsize == 4


@kernel
def drawn_codes(X, count, iter, single, thresh, check_finite, rng):
    """Return what `refine` does from the best of some random starts.

    single, check_finite : of a guess, which `given_codes` takes in the same place
    """
    count = np.int64(count)
    n_samples, n_features = X.shape
    if count < 1:
        raise ValueError("Asked for less than one cluster (k_or_guess).")
    if count > n_samples:
        raise ValueError(TOO_MANY_CODES)
    best_book, best = new_empty((0, n_features), np.float64), np.nan
    for start in range(iter):
        first = take(X, draw_points(rng, n_samples, count, room_of(0)))
        book, distortion = refine(X, first, False, thresh)
        if start == 0 or distortion < best or (np.isnan(best) and not np.isnan(distortion)):
            best_book, best = book, distortion
    return best_book, best


@kernel
def given_codes(X, guess, iter, single, thresh, check_finite, rng):
    """Return what `refine` does from an array of codes, which is a number if it has one element."""
    book = rows_of(guess, np.float64)
    if check_finite and not all_finite(book):
        raise ValueError(GUESS_NOT_FINITE)
    if book.size == 1:
        # Only the branch for the type of rng is compiled.
        if rng is None:
            raise ValueError(NUMBER_OF_CODES)
        if not np.isfinite(book[0, 0]) or book[0, 0] != np.floor(book[0, 0]):
            raise ValueError("If k_or_guess is a scalar, it must be an integer.")
        return drawn_codes(X, np.int64(book[0, 0]), iter, single, thresh, check_finite, rng)
    if book.size < 1:
        raise ValueError("Asked for 0 clusters: k_or_guess has no elements")
    if book.shape[1] != X.shape[1]:
        raise ValueError("obs and code should have same number of features (columns): k_or_guess has not")
    if len(book) > MAX_CLUSTERS:
        raise ValueError("k_or_guess holds too many codes")
    return refine(X, narrow_of(book, book.shape[1], np.float64), single, thresh)


@kernel
def divide_by_deviations(X, result):
    """Write X with each column divided by its standard deviation; return whether one has none."""
    n_samples, n_features = X.shape
    constant = False
    if X.size == 0:
        return constant
    room = room_of(0)
    means = exact_means(X, n_samples, 53, -1074, room)
    squares = new_empty((n_samples, 1), np.float64)
    for f in range(n_features):
        for i in range(n_samples):
            difference = X[i, f] - means[f]
            squares[i, 0] = difference * difference
        # Rounded to the dtype, in which the division is done, too.
        result[0, f] = np.sqrt(exact_means(frozen(squares), n_samples, 53, -1074, room)[0])
        deviation = result[0, f]
        if deviation == 0:
            constant, deviation = True, result.dtype.type(1)
        for i in range(n_samples):
            result[i, f] = X[i, f] / deviation
    return constant
