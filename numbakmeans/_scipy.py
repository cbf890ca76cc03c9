"""Drop-in replacements for the functions of `scipy.cluster.vq`, with SciPy's names and defaults.

Signatures, semantics, streams of random numbers, errors and warnings are those of SciPy 1.17; where SciPy
fails, a table in docs/coming-from-scipy.md says what happens here instead. Arguments are parsed by
`_arguments`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from numbakmeans._arguments import (
    EMPTY_CLUSTER,
    NOT_FINITE,
    TOO_MANY_POINTS,
    ClusterError,
    as_columns,
    as_count,
    as_options,
    as_passes,
    as_thresh,
    like,
    require_codes,
    require_finite,
    require_finite_centers,
    require_size,
    size_of,
    takes_generator,
)
from numbakmeans._engine import plan as _plan
from numbakmeans._engine.assignment import nearest, nearest_few
from numbakmeans._engine.columns import deviations, divided
from numbakmeans._engine.distances import roots
from numbakmeans._engine.fit import Passes, iterate, seed
from numbakmeans._engine.refining import refine
from numbakmeans._engine.samples import (
    MAX_CLUSTERS,
    Samples,
    as_real,
    as_working,
    working_dtype,
)

__all__ = ["ClusterError", "kmeans", "kmeans2", "vq", "whiten"]


def whiten(obs: Any, check_finite: bool | None = None) -> np.ndarray:
    """
    Normalize a group of observations on a per feature basis.

    Each feature is divided by its standard deviation across all observations, which gives it unit
    variance. Mean and variance come from exact sums, each rounded once to float64.

    Parameters
    ----------
    obs : array_like (M, N)
        Each row is an observation, each column a feature.
    check_finite : bool, optional
        Whether to reject NaN and infinities. Default: True.

    Returns
    -------
    result : ndarray
        The values in `obs` divided by the standard deviation of their column.

    Raises
    ------
    TypeError
        `obs` does not hold real numbers.
    ValueError
        `obs` is a scalar, or holds NaN, infinities or missing values.

    Warns
    -----
    RuntimeWarning
        A column has standard deviation zero; its values stay as they are.

    See Also
    --------
    kmeans, kmeans2 : What whitened observations are clustered with.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import whiten
    >>> features = np.array([[1.9, 2.3, 1.7],
    ...                      [1.5, 2.5, 2.2],
    ...                      [0.8, 0.6, 1.7]])
    >>> whiten(features)
    array([[4.17944278, 2.69811351, 7.21248917],
           [3.29956009, 2.93273208, 9.33380951],
           [1.75976538, 0.7038557 , 7.21248917]])
    """
    return whiten_for(obs, check_finite, stacklevel=3)


def whiten_for(obs: Any, check_finite: bool | None, stacklevel: int) -> np.ndarray:
    """Do what `whiten` does; stacklevel : stack level of the caller to which warnings are attributed."""
    array = as_real(obs, "obs")
    if array.ndim == 0:
        raise ValueError("obs must have at least one dimension, got a scalar")
    require_size(array, "obs")
    if array.size == 0:
        return array.astype(working_dtype(array))
    samples = Samples(array.reshape(len(array), -1))
    checked = check_finite is None or check_finite
    # This usually finds out whether all values are finite.
    found = deviations(samples)
    if checked:
        require_finite(samples, "obs", obs)
    found = found.astype(samples.dtype)
    constant = found == 0
    if checked and constant.any():
        warnings.warn(
            "Some columns have standard deviation zero. The values of these columns will not change.",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    found[constant] = 1
    return divided(samples, found).reshape(array.shape)


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """
    Assign codes from a code book to observations.

    Each observation gets the index of the nearest row of the code book, the lowest index winning ties.
    The distance is computed from the differences, in float64: an offset of the data costs no accuracy, and
    the code is the nearest one for float32 data as well.

    Parameters
    ----------
    obs : array_like (M, N) or (M,)
        Each row is an observation.
    code_book : array_like (k, N) or (k,)
        Each row is a code.
    check_finite : bool, optional
        Whether to reject NaN and infinities. Default: True. Without the check a NaN distance counts as
        +inf, and an observation with no finite distance gets code 0.

    Returns
    -------
    code : ndarray (M,), int32
        The index of the nearest code.
    dist : ndarray (M,), float32 or float64
        The distance to it, rounded once; float32 if both arrays are.

    Raises
    ------
    TypeError
        An array does not hold real numbers.
    ValueError
        Shapes do not match, the code book is empty, or there are NaN, infinities or missing values.

    See Also
    --------
    kmeans : Makes a code book.
    numbakmeans.jit.nearest : The same in nopython code, with squared distances.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import vq
    >>> code_book = np.array([[1., 1., 1.],
    ...                       [2., 2., 2.]])
    >>> features = np.array([[1.9, 2.3, 1.7],
    ...                      [1.5, 2.5, 2.2],
    ...                      [0.8, 0.6, 1.7]])
    >>> vq(features, code_book)
    (array([1, 1, 0], dtype=int32), array([0.43588989, 0.73484692, 0.83066239]))
    """
    rows, book = as_real(obs, "obs"), as_working(code_book, "code_book")
    if rows.ndim == 0 and book.ndim == 0:
        rows, book = rows.reshape(1), book.reshape(1)
    require_codes(rows, book, "code_book")
    result = np.result_type(working_dtype(rows), book)
    if rows.size == 0:
        return np.zeros(len(rows), np.int32), np.zeros(len(rows), result)
    if _plan.found_at_once(rows.size, len(book)):
        single = result == np.float32
        codes, dists, finite, finite_book = nearest_few(as_columns(rows), as_columns(book), single)
        if not check_finite or (finite and finite_book):
            return codes, dists
    samples = Samples(as_columns(rows))
    # The sweep that finds the codes usually finds out whether all values are finite.
    codes, sq_dists = nearest(samples, as_columns(book))
    if check_finite:
        require_finite(samples, "obs", obs)
        require_finite(Samples(as_columns(book)), "code_book", code_book)
    return codes, roots(sq_dists, result == np.float32)


@takes_generator
def kmeans(
    obs: Any,
    k_or_guess: Any,
    iter: int = 20,
    thresh: float = 1e-5,
    check_finite: bool = True,
    *,
    rng: Any = None,
) -> tuple[np.ndarray, Any]:
    """
    Perform k-means on a set of observations, forming k clusters.

    Passes are made until the mean distance between observations and their codes changes by `thresh` or
    less. Codes without an observation are removed.

    Parameters
    ----------
    obs : array_like (M, N) or (M,)
        Each row is an observation.
    k_or_guess : int or array_like (k, N)
        The number of codes, in which case k random observations are the initial codes; or the initial
        codes themselves. Anything with a single element is a number.
    iter : int, optional
        Number of starts; the code book with the lowest distortion is returned. Not used with a guess.
    thresh : float, optional
        Change of the distortion at which to stop, at least 0.
    check_finite : bool, optional
        Whether to reject NaN and infinities. Default: True.
    rng : {None, int, numpy.random.Generator, ...}, optional
        Passed through `numpy.random.default_rng`. If it is not given, the global RandomState is used,
        as in SciPy.
    seed : {None, int, numpy.random.RandomState, numpy.random.Generator}, optional
        The legacy argument, with its legacy meaning: an int seeds a RandomState.

    Returns
    -------
    codebook : ndarray (k, N), or (k,) for 1-D data
        The codes; fewer than k where codes were removed.
    distortion : float32 or float64
        The exact mean of the (not squared) distances of the last pass, rounded once.

    Raises
    ------
    TypeError
        An array does not hold real numbers, `iter` or `thresh` has a wrong type, or both `rng` and `seed`
        are given.
    OverflowError
        `iter` is infinite, as in SciPy.
    ValueError
        Shapes do not match, there are fewer than one code or more codes than observations, `iter` is below
        1, `thresh` is negative or NaN, or there are NaN, infinities or missing values.

    See Also
    --------
    kmeans2 : A fixed number of passes, and labels.
    whiten : Gives the features unit variance.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import kmeans
    >>> features = np.array([[1.9, 2.3], [1.5, 2.5], [0.8, 0.6], [0.4, 1.8], [1.0, 1.0]])
    >>> codebook, distortion = kmeans(features, features[[0, 2]])
    >>> codebook
    array([[1.7       , 2.4       ],
           [0.73333333, 1.13333333]])
    >>> print(f"{distortion:.6f}")
    0.405639
    """
    rows, guess = as_real(obs, "obs"), as_working(k_or_guess, "k_or_guess")
    if rows.ndim not in (1, 2):
        raise ValueError(f"ndim different than 1 or 2 are not supported: obs has shape {rows.shape}")
    if rows.size == 0:
        raise ValueError(f"obs must not be empty, got shape {rows.shape}")
    samples = Samples(as_columns(rows))
    if check_finite:
        require_finite(samples, "obs", obs)
        require_finite_centers(guess, "k_or_guess", k_or_guess)
    starts = as_passes(iter, "iter must be at least 1, got {}")
    limit = as_thresh(thresh)
    if not limit >= 0:
        raise ValueError(f"thresh must be at least 0, got {thresh}")
    if guess.size != 1:
        if guess.size < 1:
            raise ValueError(f"Asked for 0 clusters. Initial book was {guess} (k_or_guess)")
        require_codes(rows, guess, "k_or_guess")
        book, distortion = refine(samples, as_columns(guess), limit)
        return like(book, rows), distortion

    value = guess.reshape(())[()]
    if not value == np.floor(value) or not math.isfinite(value):
        raise ValueError(f"If k_or_guess is a scalar, it must be an integer. Got {value}")
    k = int(value)
    if k < 1:
        raise ValueError(f"Asked for {k} clusters (k_or_guess).")
    generator = rng()
    if k > len(rows):
        raise ValueError(f"{TOO_MANY_POINTS}: k_or_guess is {k}, obs has {len(rows)} rows")
    runs = (refine(samples, seed(samples, k, "points", generator), limit) for _ in range(starts))
    # The first of the lowest; a NaN distortion never is.
    best_book, best = next(runs)
    for book, distortion in runs:
        if distortion < best or (np.isnan(best) and not np.isnan(distortion)):
            best_book, best = book, distortion
    return like(best_book, rows), best


@takes_generator
def kmeans2(
    data: Any,
    k: Any,
    iter: int = 10,
    thresh: float = 1e-5,
    minit: str = "random",
    missing: str = "warn",
    check_finite: bool = True,
    *,
    rng: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Classify a set of observations into k clusters using the k-means algorithm.

    The arguments, the random numbers drawn and the meaning of the result are those of
    `scipy.cluster.vq.kmeans2`. The bits do not depend on threads, memory layout or machine.

    Parameters
    ----------
    data : array_like (M, N) or (M,)
        M observations of N features, or M scalars.
    k : int or array_like (k, N) or (k,)
        The number of clusters, or the initial centroids (any array of more than one element; with
        ``minit='matrix'`` any array).
    iter : int, optional
        Number of passes. They stop earlier once no label changes, which does not affect the result.
    thresh : float, optional
        Not used, as in SciPy.
    minit : {'random', 'points', '++', 'matrix'}, optional
        Initial centroids: k draws from a Gaussian with the data's mean and covariance; k distinct rows at
        random; k rows chosen by k-means++ [1]_; or the centroids in `k`.
    missing : {'warn', 'raise'}, optional
        What to do about an empty cluster, which keeps its centroid: warn, or raise ClusterError in the
        pass in which it appears.
    check_finite : bool, optional
        Whether to reject NaN and infinities. Default: True. Without the check a NaN distance counts as
        +inf, and an observation with no finite distance gets label 0.
    rng : {None, int, numpy.random.Generator, ...}, optional
        Passed through `numpy.random.default_rng`. If it is not given, the global RandomState is used,
        as in SciPy.
    seed : {None, int, numpy.random.RandomState, numpy.random.Generator}, optional
        The legacy argument, with its legacy meaning: an int seeds a RandomState.

    Returns
    -------
    centroid : ndarray (k, N) or (k,), float32 or float64
        The exact means of the labeled observations, rounded once.
    label : ndarray (M,), int32
        The index of the nearest of the centroids that the last pass started from.

    Raises
    ------
    ClusterError
        A cluster is empty and `missing` is 'raise'. The generator has been advanced.
    TypeError
        An array does not hold real numbers, `iter` or `thresh` has a wrong type, or both `rng` and `seed`
        are given.
    OverflowError
        `iter` is infinite, as in SciPy.
    ValueError
        Shapes do not match, the input is empty, `minit` or `missing` is unknown, `iter` or `k` is below 1,
        there are more clusters than observations with ``minit='points'``, or there are NaN, infinities or
        missing values. The generator is unchanged.

    Warns
    -----
    UserWarning
        A cluster was empty in some pass; or `k` was not an integer and has been truncated.

    See Also
    --------
    fit : From given centers, with weights, a tolerance and a report.
    KMeans : An estimator, with restarts.
    kmeans2_batch : Many problems in one call.

    Notes
    -----
    Squared distances are float64: where observations and centroids are more than about 1e154, or less than
    1e-154, apart, they overflow or vanish, and labels need not be the nearest.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", Proceedings of the
       Eighteenth Annual ACM-SIAM Symposium on Discrete Algorithms, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import kmeans2
    >>> data = np.array([[0., 6.], [1., 7.], [2., 0.], [3., 1.], [9., 4.], [7., 4.]])
    >>> centroid, label = kmeans2(data, data[::2])
    >>> centroid
    array([[0.5, 6.5],
           [2.5, 0.5],
           [8. , 4. ]])
    >>> label
    array([0, 0, 1, 1, 2, 2], dtype=int32)
    >>> centroid, label = kmeans2(data, 3, minit='++', rng=1)
    >>> np.bincount(label)
    array([2, 2, 2])
    """
    options = (iter, thresh, minit, missing, check_finite)
    return kmeans2_for(data, k, *options, rng=rng, stacklevel=5)


def kmeans2_for(
    data: Any,
    k: Any,
    iter: Any,
    thresh: Any,
    minit: Any,
    missing: Any,
    check_finite: Any,
    *,
    rng: Any,
    stacklevel: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Do what `kmeans2` does.

    rng : returns the generator; stacklevel : stack level of the caller, for warnings of `_report_empty`
    """
    n_iter = as_options(iter, thresh, minit, missing)
    rows = as_real(data, "data")
    if rows.ndim not in (1, 2):
        raise ValueError(
            f"Input of rank > 2 is not supported. data has shape {rows.shape}, not (M, N) or (M,)"
        )
    require_size(rows, "data")
    if rows.size < 1:
        raise ValueError(f"Empty input is not supported. data has shape {rows.shape}")
    samples = Samples(as_columns(rows))
    if check_finite:
        require_finite(samples, "data", data)

    if minit == "matrix" or size_of(k) != 1:
        start = _given_centroids(k, rows)
        if check_finite:
            require_finite_centers(start, "k", k)
    else:
        count = as_count(np.asarray(k))
        if count != np.asarray(k):
            warnings.warn("k was not an integer, was converted.", stacklevel=stacklevel - 1)
        generator = rng()
        if minit == "points" and count > len(rows):
            raise ValueError(f"{TOO_MANY_POINTS}: k is {count}, data has {len(rows)} rows")
        start = seed(samples, count, minit, generator)
        if check_finite and not np.isfinite(start).all():
            raise ValueError(f"{NOT_FINITE}: a centroid from data with minit={minit!r} is not finite")

    passes = iterate(samples, start, n_iter, stop_on_empty=missing == "raise")
    if passes.ever_empty:
        _report_empty(passes, missing, stacklevel)
    centroids = passes.centers[:, : samples.shape[1]].astype(samples.dtype)
    return like(centroids, rows), passes.labels


def _given_centroids(k: Any, rows: np.ndarray) -> np.ndarray:
    """Return the centroids in k as (n_clusters, n_features), checked against the data."""
    book = as_working(k, "k")
    if book.size < 1:
        raise ValueError(f"Empty input is not supported. k has shape {book.shape}")
    if book.ndim != rows.ndim:
        raise ValueError(f"k array doesn't match data rank: k has shape {book.shape}, data {rows.shape}")
    if rows.ndim == 2 and book.shape[1] != rows.shape[1]:
        raise ValueError(f"k array doesn't match data dimension: k has shape {book.shape}, data {rows.shape}")
    if len(book) > MAX_CLUSTERS:
        raise ValueError(f"k must hold at most {MAX_CLUSTERS} centroids, got {len(book)}")
    return as_columns(book)


def _report_empty(passes: Passes, missing: str, stacklevel: int) -> None:
    count = f"In the last pass: {passes.n_empty} of {len(passes.centers)}."
    if missing == "raise":
        raise ClusterError(f"{EMPTY_CLUSTER} {count}")
    warnings.warn(f"{EMPTY_CLUSTER} {count}", stacklevel=stacklevel)
