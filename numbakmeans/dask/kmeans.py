"""KMeans on Dask's collections."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

from numbakmeans._arguments import EMPTY_CLUSTER, ClusterError
from numbakmeans._engine.algorithms.base import Rules
from numbakmeans._engine.constraints import Constraints, as_fixed
from numbakmeans._engine.containers import working
from numbakmeans._engine.distances import pad_centers
from numbakmeans.dask.collections import Parts, as_rows, is_collection, on_one_thread
from numbakmeans.dask.passes import Passes, inertia, mean_variance
from numbakmeans.dask.rounds import seed
from numbakmeans.estimators._base import Estimator, InvalidParameterError
from numbakmeans.estimators._restarts import Outcome, as_start, take_over
from numbakmeans.estimators._validation import (
    check_parameters,
    compare_names,
    generator_of,
    is_given,
    require_fitted,
    streams,
)
from numbakmeans.estimators.kmeans import KMeans as InMemory

#: The methods of `init`.
INITS = ("k-means||", "random")


class KMeans(Estimator):
    """
    K-means clustering of Dask's arrays and data frames.

    The result has the bits of `numbakmeans.KMeans` with the same parameters on the same rows in one array,
    whatever the chunks, the workers and the scheduler are. In a pass each chunk is reduced where it lies, to
    exact sums of ``n_clusters x n_features`` integers (one to three of them for each, by the range of the
    values); these are merged in a tree. Rows never travel, but for some candidates for starting centers.

    Parameters
    ----------
    n_clusters : int, default=8
        The number of clusters.
    init : {'k-means||', 'random'} or array_like, default='k-means||'
        Starting centers: k-means|| [1]_, in five rounds, each with two looks at all rows; or distinct rows at
        random, without weights. An array (n_clusters, n_features) gives the centers themselves.
    n_init : 'auto' or int, default='auto'
        The number of starts, of which the one with the smallest inertia is kept. 'auto' is 10 if `init` is
        'random', else 1.
    max_iter : int, default=300
        The maximum number of passes from each start.
    tol : float, default=1e-4
        Passes also end once the squared shifts of all centers add up to no more than `tol` times the mean
        variance of the features. With 0 they end only where no label changes any more.
    random_state : int, Generator, RandomState or None, default=None
        As in `numbakmeans.KMeans`.
    empty_clusters : {'relocate', 'keep', 'raise'}, default='relocate'
        What becomes of an empty cluster, as in `numbakmeans.KMeans`.
    metric : {'euclidean', 'cosine'}, default='euclidean'
        With 'cosine', this is spherical k-means, as in `numbakmeans.KMeans`.
    fixed : array_like of int or bool, default=None
        The starting centers that stay; `init` must give them.

    Attributes
    ----------
    cluster_centers_ : ndarray (n_clusters, n_features), float32 or float64
        The centers.
    labels_ : dask array (n_samples,), int32
        The nearest center of each row. They are not computed before they are asked for.
    inertia_ : float
        The weighted sum of the squared distances to these centers.
    n_iter_ : int
        The number of passes from the start that was kept.
    converged_ : bool
        Whether the passes ended before `max_iter`.
    n_empty_ : int
        The number of empty clusters.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray (n_features,) of str objects
        The names of the features; only set if `X` was a data frame whose column names are strings.

    See Also
    --------
    numbakmeans.KMeans : The same on one machine.

    Notes
    -----
    Every pass reads all rows. ``X = X.persist()`` before `fit` keeps them in the memory of the workers, if
    that is large enough; otherwise each pass reads them from their source, which must give the same values
    each time. A worker that is lost does not matter: its chunks are read again.

    A task uses one thread, and a worker works on as many tasks at once as Dask gives it threads. So there
    should be several chunks for each thread, of some 10 to 100 MB.

    References
    ----------
    .. [1] B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii, "Scalable k-means++",
       Proceedings of the VLDB Endowment 5(7), 2012.

    Examples
    --------
    >>> import dask.array as da
    >>> from numbakmeans.dask import KMeans
    >>> X = da.random.default_rng(0).normal(size=(10_000, 4), chunks=(1000, 4))
    >>> kmeans = KMeans(3, random_state=0).fit(X)
    >>> kmeans.labels_
    dask.array<kmeans_labels, shape=(10000,), dtype=int32, chunksize=(1000,), chunktype=numpy.ndarray>
    """

    cluster_centers_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        n_clusters: Any = 8,
        *,
        init: Any = "k-means||",
        n_init: Any = "auto",
        max_iter: Any = 300,
        tol: Any = 1e-4,
        random_state: Any = None,
        empty_clusters: Any = "relocate",
        metric: Any = "euclidean",
        fixed: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.empty_clusters = empty_clusters
        self.metric = metric
        self.fixed = fixed

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KMeans:  # noqa: ARG002, by convention
        """
        Compute the clusters.

        Parameters
        ----------
        X : array or data frame of Dask, (n_samples, n_features)
            The rows to cluster; the numbers of rows of the chunks need not be known.
        y : ignored
            By convention.
        sample_weight : array or series of Dask, or array_like (n_samples,), optional
            How much each row counts, at least 0; a number holds for all rows.

        Returns
        -------
        self : KMeans
            The fitted estimator.

        Raises
        ------
        ValueError
            A parameter is invalid, shapes do not match, there are fewer rows than clusters, or there are NaN,
            infinities or negative weights: the chunk and the row are named.
        TypeError
            `X` is no collection of Dask, or does not hold real numbers.
        RuntimeError
            A worker cannot import numbakmeans, or has another version.
        ClusterError
            A cluster is empty and `empty_clusters` is 'raise'.

        Warns
        -----
        ConvergenceWarning
            There are empty clusters in the end.
        """
        self._check()
        generator = generator_of(self)
        parts = Parts(X, sample_weight, self.metric == "cosine")
        n_samples, n_features = parts.whole.n_samples, len(parts.whole.largest)
        if n_samples < self.n_clusters:
            raise ValueError(f"n_samples={n_samples} should be >= n_clusters={self.n_clusters}.")
        passes = Passes(parts)
        if not passes.samples.summable:
            raise ValueError("sample_weight and X are too far apart in magnitude: scale one of them")
        starts = self._starts(parts, generator)
        tol = self.tol * mean_variance(parts) if self.tol else 0.0
        best: Outcome | None = None
        for start in starts:
            outcome = self._fit_once(parts, passes, start(), tol)
            if best is None or outcome.inertia < best.inertia:
                best = outcome
        assert best is not None
        self.n_features_in_ = n_features
        self._take_names(X)
        take_over(self, best)
        self.labels_ = self._predicted(as_rows(X), parts.all_sizes)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> da.Array:  # noqa: ARG002
        """
        Compute the clusters, and return the label of each row.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        labels : dask array (n_samples,), int32
            The nearest center of each row, not yet computed.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """
        Compute the clusters, and return the distances of the rows to all centers.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        X_new : dask array (n_samples, n_clusters), float32 or float64
            As in `transform`.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def predict(self, X: Any) -> Any:
        """
        Return the nearest center of each row.

        Parameters
        ----------
        X : array or data frame of Dask, or array_like, (n_samples, n_features)
            The rows.

        Returns
        -------
        labels : dask array or ndarray (n_samples,), int32
            The indices of the centers, the lowest of equally near ones; not yet computed if `X` is a
            collection of Dask.
        """
        require_fitted(self)
        return self._predicted(self._checked(X), None) if is_collection(X) else self._model().predict(X)

    def transform(self, X: Any) -> Any:
        """
        Return the distances of the rows to all centers.

        Parameters
        ----------
        X : array or data frame of Dask, or array_like, (n_samples, n_features)
            The rows.

        Returns
        -------
        X_new : dask array or ndarray (n_samples, n_clusters), float32 or float64
            The distances, rounded once; not yet computed if `X` is a collection of Dask.
        """
        require_fitted(self)
        if not is_collection(X):
            return self._model().transform(X)
        array, n_clusters = self._checked(X), len(self.cluster_centers_)
        single = working(array.dtype) == self.cluster_centers_.dtype == np.float32
        dtype = np.dtype(np.float32 if single else np.float64)
        chunks = (array.chunks[0], (n_clusters,))
        meta = np.empty((0, n_clusters), dtype)
        return array.map_blocks(kmeans_distances, model=self._model(), chunks=chunks, dtype=dtype, meta=meta)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: ARG002, by convention
        """
        Return the inertia of rows, with the opposite sign: more is better.

        Parameters
        ----------
        X : array or data frame of Dask, or array_like, (n_samples, n_features)
            The rows.
        y : ignored
            By convention.
        sample_weight : array or series of Dask, or array_like (n_samples,), optional
            How much each row counts, as in `fit`.

        Returns
        -------
        score : float
            Minus the weighted sum of the squared distances to the nearest centers.
        """
        require_fitted(self)
        if not is_collection(X):
            return self._model().score(X, sample_weight=sample_weight)
        parts = Parts(self._checked(X), sample_weight, self.metric == "cosine")
        return -inertia(parts, self.cluster_centers_).rounded()

    def _check(self) -> None:
        """Check the parameters."""
        if callable(self.init) or (isinstance(self.init, str) and self.init not in INITS):
            raise InvalidParameterError(
                f"The 'init' parameter of {type(self).__name__} must be a str among {set(INITS)} or an "
                f"array-like. Got {self.init!r} instead."
            )
        check_parameters(self)
        if self.fixed is not None and not is_given(self.init):
            raise ValueError(f"fixed needs starting centers: init must give them, got init={self.init!r}.")

    def _starts(self, parts: Parts, generator: Any) -> list[Callable[[], np.ndarray]]:
        """Return functions that make the starting centers."""
        n_clusters, unit = int(self.n_clusters), self.metric == "cosine"
        if is_given(self.init):
            centers = as_start(self.init, (n_clusters, len(parts.whole.largest)), unit)
            return [lambda: centers]
        method = str(self.init)
        if method == "random" and parts.whole.weighted:
            raise ValueError("init='random' draws rows without weights: use 'k-means||' with sample_weight")
        many = 10 if method == "random" else 1
        n_init = many if isinstance(self.n_init, str) else int(self.n_init)
        return [
            functools.partial(seed, parts, n_clusters, method, each) for each in streams(generator, n_init)
        ]

    def _fit_once(self, parts: Parts, passes: Passes, start: np.ndarray, tol: float) -> Outcome:
        """Make the passes from one start."""
        fixed, unit = self.fixed, self.metric == "cosine"
        mask = None if fixed is None else as_fixed(fixed, int(self.n_clusters))
        constraints = Constraints(mask, unit) if unit or mask is not None else None
        relocates, stops = self.empty_clusters == "relocate", self.empty_clusters == "raise"
        rules = Rules(int(self.max_iter), stops, relocates, tol, constraints)
        wide = pad_centers(start)
        run = passes.run_all(wide, np.empty(0, np.int32), rules, None)
        centers = wide[:, : start.shape[1]].astype(passes.samples.dtype)
        total = inertia(parts, centers)
        n_empty = int(np.count_nonzero(total.counts == 0))
        if stops and (run.ever_empty or n_empty):
            raise ClusterError(
                f"{EMPTY_CLUSTER} In the last pass: {n_empty or run.n_empty} of {self.n_clusters}."
            )
        none = np.empty(0, np.int32)
        return Outcome(centers, none, total.rounded(), run.n_iter, run.converged, n_empty, [])

    def _take_names(self, X: Any) -> None:
        """Take over the names of the features."""
        names = _names_of(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _checked(self, X: Any) -> da.Array:
        """Return rows that have the features seen in `fit`."""
        array, names = as_rows(X), _names_of(X)
        if names is not None and hasattr(self, "feature_names_in_"):
            compare_names(self, names)
        if array.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {array.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        return array

    def _model(self) -> InMemory:
        """Return an estimator with these centers, for rows in memory."""
        model = InMemory(self.n_clusters, metric=self.metric)
        for name in ("cluster_centers_", "_n_features_out", "n_features_in_"):
            setattr(model, name, getattr(self, name))
        return model

    def _predicted(self, array: da.Array, sizes: tuple[int, ...] | None) -> da.Array:
        """Return the labels of rows, not yet computed; sizes : those of the chunks, None if not known."""
        chunks = array.chunks[:1] if sizes is None else (sizes,)
        options = {"chunks": chunks, "drop_axis": 1, "dtype": np.int32, "meta": np.empty(0, np.int32)}
        return array.map_blocks(kmeans_labels, model=self._model(), **options)


def _names_of(X: Any) -> np.ndarray | None:
    """Return the names of a data frame's columns, if all are strings."""
    names = list(getattr(X, "columns", ()))
    return np.array(names, dtype=object) if names and all(isinstance(name, str) for name in names) else None


def kmeans_labels(block: Any, model: InMemory) -> np.ndarray:
    """Return the labels of the rows of a chunk."""
    return on_one_thread(model.predict, block) if block.shape[0] else np.empty(0, np.int32)


def kmeans_distances(block: Any, model: InMemory) -> np.ndarray:
    """Return the distances of the rows of a chunk to all centers."""
    empty = np.empty((0, len(model.cluster_centers_)), model.cluster_centers_.dtype)
    return on_one_thread(model.transform, block) if block.shape[0] else empty
