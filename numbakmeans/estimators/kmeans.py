"""KMeans: scikit-learn's estimator, on the engine of this package."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine.constraints import Constraints, as_fixed
from numbakmeans._engine.samples import Samples
from numbakmeans.estimators._base import with_callbacks
from numbakmeans.estimators._centers import CentersEstimator
from numbakmeans.estimators._restarts import Job, fit_best, starts_of, take_over, tolerance
from numbakmeans.estimators._validation import (
    as_rows,
    as_weights,
    check_parameters,
    generator_of,
    is_given,
)
from numbakmeans.estimators._watching import Callbacks


class KMeans(CentersEstimator):
    """
    K-means clustering, with the parameters, attributes and methods of scikit-learn's estimator.

    The result is a function of data, weights, parameters and random state: threads, memory layout and the
    algorithm chosen do not change a bit. A label is the nearest center by distances in float64, a center is
    the exact mean of its rows, the inertia an exact sum; each is rounded once.

    Parameters
    ----------
    n_clusters : int, default=8
        The number of clusters.
    init : {'k-means++', 'k-means||', 'random'}, callable or array_like, default='k-means++'
        Starting centers: greedy k-means++ [1]_, with ``2 + int(log(n_clusters))`` trials for each center;
        k-means|| [2]_; or distinct rows at random. In all of them a row counts with its weight.
        A callable takes the rows, the number of clusters and `random_state`, a RandomState, and returns
        the centers. An array (n_clusters, n_features) gives the centers themselves.
    n_init : 'auto' or int, default='auto'
        The number of starts, of which the one with the smallest inertia is kept, the first of equals. Each
        has a child stream of random numbers of its own (`numpy.random.Generator.spawn`), and so the first
        ones do not depend on their number. 'auto' is 10 if `init` is 'random' or a callable, else 1.
    max_iter : int, default=300
        The maximum number of passes from each start.
    tol : float, default=1e-4
        Passes also end once the squared shifts of all centers add up to no more than `tol` times the mean
        variance of the features. With 0 they end only where no label changes any more.
    verbose : int, default=0
        Whether to print the inertia of each pass, which costs a second pass.
    random_state : int, Generator, RandomState or None, default=None
        An int seeds `numpy.random.default_rng`. A RandomState is drawn from; None stands for NumPy's global
        one. The same int gives other starting centers than in scikit-learn.
    copy_x : bool, default=True
        Not used: the data is never changed, and never copied as a whole if it is large.
    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Not used: what is fastest is chosen by the size of the problem, and the result is the same.
    empty_clusters : {'relocate', 'keep', 'raise'}, default='relocate'
        What becomes of an empty cluster: its center moves to the row that is farthest from its own, as in
        scikit-learn; or it stays where it is; or ClusterError is raised. A cluster is empty if the weights
        of its rows add up to 0.
    metric : {'euclidean', 'cosine'}, default='euclidean'
        With 'cosine', this is spherical k-means [3]_: rows, starting centers and means are divided by their
        lengths, rounded once, in all methods. Distances are those between the ends of these vectors, and a
        squared one is twice ``1 - cos`` but for rounding. A mean of zero leaves its center where it is; a row
        of zeros is an error.
    fixed : array_like of int or bool, default=None
        The starting centers that stay, as indices or as a mask (n_clusters,), such as known classes that new
        ones are added to; `init` must give the centers. Empty clusters of fixed centers take no rows.
    keep_history : bool, default=False
        Whether to set `history_` and `inertias_`.
    progress : callable, default=None
        Called after each pass with its number, from 1, and the number of rows that changed their label. An
        exception from it ends the fit and propagates to the caller.

    Attributes
    ----------
    cluster_centers_ : ndarray (n_clusters, n_features), float32 or float64
        The centers. Only if `tol` or `max_iter` ended the passes, they are not the means of the rows in
        `labels_`.
    labels_ : ndarray (n_samples,), int32
        The nearest center of each row.
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
    history_ : ndarray (n_passes,), int64
        The number of rows that changed their label in each pass; only with `keep_history`.
    inertias_ : ndarray (n_init,), float64
        The inertia of each start; only with `keep_history`.

    See Also
    --------
    fit : The passes from given centers alone.
    MiniBatchKMeans : Batches of rows, for streams.
    kmeans2 : The function of `scipy.cluster.vq`.

    Notes
    -----
    With scikit-learn installed, this is one of its estimators: for its pipelines, searches, output containers
    and, from version 1.9 on, callbacks. Without, all of the above works all the same.

    float32 and float64 stay, float16 becomes float32, integers and bool become float64.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", Proceedings of the
       Eighteenth Annual ACM-SIAM Symposium on Discrete Algorithms, 2007.
    .. [2] B. Bahmani, B. Moseley, A. Vattani, R. Kumar, S. Vassilvitskii, "Scalable k-means++",
       Proceedings of the VLDB Endowment 5(7), 2012.
    .. [3] I. S. Dhillon, D. S. Modha, "Concept decompositions for large sparse text data using clustering",
       Machine Learning 42, 2001, doi 10.1023/A:1007612920971.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0],
    ...               [10, 2], [10, 4], [10, 0]])
    >>> kmeans = KMeans(n_clusters=2, init=X[[0, 3]]).fit(X)
    >>> kmeans.labels_
    array([0, 0, 0, 1, 1, 1], dtype=int32)
    >>> kmeans.cluster_centers_
    array([[ 1.,  2.],
           [10.,  2.]])
    >>> kmeans.predict([[0, 0], [12, 3]])
    array([0, 1], dtype=int32)
    >>> kmeans.inertia_, kmeans.converged_
    (16.0, True)
    """

    def __init__(
        self,
        n_clusters: Any = 8,
        *,
        init: Any = "k-means++",
        n_init: Any = "auto",
        max_iter: Any = 300,
        tol: Any = 1e-4,
        verbose: Any = 0,
        random_state: Any = None,
        copy_x: Any = True,
        algorithm: Any = "lloyd",
        empty_clusters: Any = "relocate",
        metric: Any = "euclidean",
        fixed: Any = None,
        keep_history: Any = False,
        progress: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm
        self.empty_clusters = empty_clusters
        self.metric = metric
        self.fixed = fixed
        self.keep_history = keep_history
        self.progress = progress

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KMeans:  # noqa: ARG002, by convention
        """
        Compute the clusters.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows to cluster.
        y : ignored
            By convention.
        sample_weight : array_like (n_samples,), optional
            How much each row counts, at least 0; a number holds for all rows. Starting centers that are given
            or come from a callable do not depend on it.

        Returns
        -------
        self : KMeans
            The fitted estimator.

        Raises
        ------
        ValueError
            A parameter is invalid, shapes do not match, there are fewer rows than clusters, or there are NaN,
            infinities or negative weights. The random state is unchanged.
        TypeError
            `X`, `sample_weight` or `init` does not hold real numbers.
        ClusterError
            A cluster is empty and `empty_clusters` is 'raise'.

        Warns
        -----
        ConvergenceWarning
            There are empty clusters in the end. scikit-learn's class, if that is installed.
        RuntimeWarning
            `n_init` is above 1, but `init` gives the centers.
        """
        self._fit(X, sample_weight)
        return self

    @property
    def _unit(self) -> bool:
        return bool(self.metric == "cosine")

    @with_callbacks
    def _fit(self, X: Any, sample_weight: Any) -> Samples:
        """Do what `fit` does, and return the rows."""
        check_parameters(self)
        generator = generator_of(self)
        rows = as_rows(self, X, fitting=True)
        if len(rows) < self.n_clusters:
            raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={self.n_clusters}.")
        samples = self._samples(rows, as_weights(sample_weight, len(rows)))
        job = self._job(samples)
        callbacks = None
        if Callbacks.are_possible(self):
            weights = {} if sample_weight is None else {"sample_weight": sample_weight}
            callbacks = Callbacks(self, self._n_init, X, weights)
        best, inertias = fit_best(job, generator, self._n_init, self, callbacks)
        take_over(self, best)
        if self.keep_history:
            self.history_ = np.array(best.moves, np.int64)
            self.inertias_ = np.array(inertias)
        if callbacks is not None:
            callbacks.end_fit(best.centers)
        return samples

    def _job(self, samples: Samples) -> Job:
        """Return what all starts have in common, and set how many there are."""
        mask = None if self.fixed is None else as_fixed(self.fixed, int(self.n_clusters))
        init = self.init
        if mask is not None and not (is_given(init) or callable(init)):
            raise ValueError(f"fixed needs starting centers: init must give them, got init={init!r}.")
        init, self._n_init = starts_of(self, samples, 10, self._unit)
        tol = tolerance(samples, self.tol)
        constraints = Constraints(mask, self._unit) if self._unit or mask is not None else None
        return Job(
            samples, int(self.n_clusters), init, int(self.max_iter), tol, self.empty_clusters, constraints
        )
