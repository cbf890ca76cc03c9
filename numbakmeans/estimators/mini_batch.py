"""MiniBatchKMeans: scikit-learn's estimator for streams, on the engine of this package."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine.assignment import nearest_labels
from numbakmeans._engine.distances import exact_sum
from numbakmeans._engine.samples import Samples
from numbakmeans.estimators._base import warn
from numbakmeans.estimators._centers import CentersEstimator
from numbakmeans.estimators._mini_batches import Batches, Convergence, Learner
from numbakmeans.estimators._restarts import Job, assigned, starts_of, tolerance
from numbakmeans.estimators._validation import (
    as_rows,
    as_weights,
    check_parameters,
    generator_of,
    streams,
)


class MiniBatchKMeans(CentersEstimator):
    """
    K-means by mini-batches [1]_, with the parameters, attributes and methods of scikit-learn's estimator.

    Each batch of rows moves the centers that are nearest to them. `fit` draws the batches from all rows;
    `partial_fit` takes the rows of a stream as they come. The result is a function of rows, their order,
    parameters and random state: threads, memory layout and blocks (`Blocks`) do not change a bit.

    This is for rows that come only once, or are too many for a few passes. Otherwise `KMeans` often takes no
    longer, as it computes few of the distances after its first passes, and ends where no row would move.

    Parameters
    ----------
    n_clusters : int, default=8
        The number of clusters.
    init : {'k-means++', 'k-means||', 'random'}, callable or array_like, default='k-means++'
        Starting centers, as in `KMeans`, from `init_size` rows.
    max_iter : int, default=100
        The maximum number of times that as many rows are drawn as there are.
    batch_size : int, default=1024
        The number of rows of a batch. They are drawn with repetition; more weight is a better chance.
    verbose : int, default=0
        Whether to print the inertia of each batch.
    compute_labels : bool, default=True
        Whether to set `labels_`, and `inertia_` of all rows.
    random_state : int, Generator, RandomState or None, default=None
        An int seeds `numpy.random.default_rng`. A RandomState is drawn from; None stands for NumPy's global
        one. The same int gives other starting centers and batches than in scikit-learn.
    tol : float, default=0.0
        `fit` ends when the squared shifts of all centers after a batch add up to no more than `tol` times the
        mean variance of the features. With 0 they are not looked at.
    max_no_improvement : int or None, default=10
        `fit` ends when so many batches in a row have brought no new minimum of the moving average of the
        inertia, in which a batch counts for ``2 batch_size / (n_samples + 1)``.
    init_size : int, default=None
        The number of rows, drawn at random, that the starting centers of `fit` are found in: three batches,
        or ``3 n_clusters`` if these have fewer rows than there are clusters.
    n_init : 'auto' or int, default='auto'
        The number of starts, of which `fit` keeps the one with the smallest inertia over `init_size` rows.
        'auto' is 3 if `init` is 'random' or a callable, else 1. `partial_fit` has one start.
    reassignment_ratio : float, default=0.01
        A center whose count is below this share of the largest one is replaced by a row of a batch: at every
        batch as long as a center has no rows, and then whenever ``10 n_clusters`` rows have come.

    Attributes
    ----------
    cluster_centers_ : ndarray (n_clusters, n_features), float32 or float64
        The centers.
    labels_ : ndarray (n_samples,), int32
        The nearest center of each row; after `partial_fit` those of the last batch.
    inertia_ : float
        The weighted sum of the squared distances to these centers; after `partial_fit` that of the last
        batch. Without `compute_labels`, `fit` estimates it by the moving average.
    n_iter_ : int
        How often as many rows as there are were drawn in `fit`, rounded up.
    n_steps_ : int
        The number of batches.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray (n_features,) of str objects
        The names of the features; only set if `X` was a data frame whose column names are strings.

    See Also
    --------
    KMeans : The exact passes over all rows.
    Blocks : Rows that are larger than memory.

    References
    ----------
    .. [1] D. Sculley, "Web-scale k-means clustering", Proceedings of the 19th International Conference on
       World Wide Web, 2010, doi 10.1145/1772690.1772862.

    Examples
    --------
    >>> import numpy as np
    >>> from numbakmeans import MiniBatchKMeans
    >>> rng = np.random.default_rng(0)
    >>> stream = (rng.normal(size=(1000, 2)) + 5 * rng.integers(1, 3, (1000, 1)) for _ in range(20))
    >>> kmeans = MiniBatchKMeans(n_clusters=2, random_state=0)
    >>> for rows in stream:
    ...     kmeans = kmeans.partial_fit(rows)
    >>> np.sort(kmeans.cluster_centers_, axis=0).round()
    array([[ 5.,  5.],
           [10., 10.]])
    >>> kmeans.n_steps_
    20
    """

    def __init__(
        self,
        n_clusters: Any = 8,
        *,
        init: Any = "k-means++",
        max_iter: Any = 100,
        batch_size: Any = 1024,
        verbose: Any = 0,
        compute_labels: Any = True,
        random_state: Any = None,
        tol: Any = 0.0,
        max_no_improvement: Any = 10,
        init_size: Any = None,
        n_init: Any = "auto",
        reassignment_ratio: Any = 0.01,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:  # noqa: ARG002
        """
        Compute the clusters from batches that are drawn from all rows.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows to cluster.
        y : ignored
            By convention.
        sample_weight : array_like (n_samples,), optional
            How much each row counts, at least 0; a number holds for all rows.

        Returns
        -------
        self : MiniBatchKMeans
            The fitted estimator.

        Raises
        ------
        ValueError
            A parameter is invalid, shapes do not match, there are fewer rows than clusters, or there are NaN,
            infinities or negative weights. The random state is unchanged.
        TypeError
            `X`, `sample_weight` or `init` does not hold real numbers.

        Warns
        -----
        RuntimeWarning
            `init_size` is smaller than `n_clusters`; or `n_init` is above 1, but `init` gives the centers.
        """
        self._fit(X, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MiniBatchKMeans:  # noqa: ARG002
        """
        Move the centers by one batch. The first batch gives the starting centers, unless `init` does.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows of the batch: the first one must have as many as there are clusters.
        y : ignored
            By convention.
        sample_weight : array_like (n_samples,), optional
            How much each row counts, at least 0; a number holds for all rows.

        Returns
        -------
        self : MiniBatchKMeans
            The estimator.

        Raises
        ------
        ValueError, TypeError
            As in `fit`; centers and counts are unchanged.
        """
        check_parameters(self)
        first = not hasattr(self, "cluster_centers_")
        generator = generator_of(self) if first else None
        samples = self._read(X, sample_weight, fitting=first)
        if generator is not None:
            job = self._job(samples)
            for_batches, for_start = streams(generator, 2)
            self._learner = self._new_learner(for_batches)
            centers = self._starting_centers(job, Batches(samples, for_batches), for_start)
            self.n_steps_ = 0
        else:
            centers = self.cluster_centers_
        self.cluster_centers_ = self._step(samples, centers, nearest_labels(samples, centers))
        self._n_features_out = len(self.cluster_centers_)
        self.n_steps_ += 1
        self._label(samples)
        return self

    def _read(self, X: Any, sample_weight: Any, *, fitting: bool) -> Samples:
        """Return rows and weights, checked."""
        rows = as_rows(self, X, fitting=fitting)
        if fitting and len(rows) < self.n_clusters:
            raise ValueError(f"n_samples={len(rows)} should be >= n_clusters={self.n_clusters}.")
        return self._samples(rows, as_weights(sample_weight, len(rows)))

    def _fit(self, X: Any, sample_weight: Any) -> Samples:
        check_parameters(self)
        generator = generator_of(self)
        samples = self._read(X, sample_weight, fitting=True)
        job = self._job(samples)
        for_batches, *for_starts = streams(generator, 1 + self._n_init)
        batches = Batches(samples, for_batches)
        self._learner = self._new_learner(for_batches)
        mean_inertia = self._run(job, batches, self._best_start(job, batches, for_starts))
        self._label(samples)
        if not self.compute_labels:
            total = float(len(samples)) if samples.weights is None else exact_sum(samples.weights)
            self.inertia_ = mean_inertia * total
        return samples

    def _label(self, samples: Samples) -> None:
        """Set the attributes that belong to rows, or delete those of earlier rows."""
        for name in ("labels_", "inertia_"):
            vars(self).pop(name, None)
        if self.compute_labels:
            self.labels_, self.inertia_ = assigned(samples, self.cluster_centers_)

    def _set_sizes(self, samples: Samples) -> None:
        """Set the number of rows of a batch, and of those that starting centers are found in."""
        self._batch_size = min(int(self.batch_size), len(samples))
        if self.init_size is None:
            size = 3 * self._batch_size
            size = 3 * int(self.n_clusters) if size < self.n_clusters else size
        else:
            size = int(self.init_size)
            if size < self.n_clusters:
                warn(
                    f"init_size={size} should be larger than n_clusters={self.n_clusters}. Setting it to "
                    "min(3*n_clusters, n_samples)",
                    RuntimeWarning,
                )
                size = 3 * int(self.n_clusters)
        self._init_size = min(size, len(samples))

    def _job(self, samples: Samples) -> Job:
        """Return what all starts have in common, and set how many there are, and from how many rows."""
        init, self._n_init = starts_of(self, samples, 3)
        self._set_sizes(samples)
        tol = tolerance(samples, self.tol)
        return Job(samples, int(self.n_clusters), init, int(self.max_iter), tol, "keep", None)

    def _new_learner(self, stream: np.random.Generator) -> Learner:
        return Learner(int(self.n_clusters), float(self.reassignment_ratio), stream)

    def _starting_centers(self, job: Job, batches: Batches, stream: np.random.Generator) -> np.ndarray:
        """Return starting centers, in the working dtype."""
        if isinstance(job.init, np.ndarray):
            centers = job.init
        else:
            centers = job._replace(samples=batches.uniform(self._init_size, stream)).start(stream)
        return centers.astype(job.samples.dtype)

    def _best_start(self, job: Job, batches: Batches, for_starts: list[np.random.Generator]) -> np.ndarray:
        """Return the starting centers with the smallest inertia over some rows, the first of equals."""
        starts = [self._starting_centers(job, batches, stream) for stream in for_starts]
        if len(starts) == 1:
            return starts[0]
        judges = batches.weighted(self._init_size)
        inertias = [assigned(judges, start)[1] for start in starts]
        if self.verbose:
            for t, inertia in enumerate(inertias):
                print(f"Inertia for init {t + 1}/{len(starts)}: {inertia}")
        return starts[int(np.argmin(inertias))]

    def _run(self, job: Job, batches: Batches, centers: np.ndarray) -> float:
        """Draw batches until the centers no longer improve, and set the attributes of a fit.

        Returns the mean inertia of a row, averaged over the last batches.
        """
        n_samples, size, mean = len(job.samples), self._batch_size, 0.0
        n_steps = job.max_iter * n_samples // size
        convergence = Convergence(n_samples, size, self.max_no_improvement, job.tol)
        for step in range(1, n_steps + 1):
            batch, before = batches.weighted(size), centers
            labels, inertia = assigned(batch, before)
            centers, mean = self._step(batch, before, labels), inertia / size
            reason = convergence.reached(mean, before, centers)
            if self.verbose:
                average = "" if convergence.average is None else f", ewa inertia: {convergence.average}"
                print(f"Minibatch step {step}/{n_steps}: mean batch inertia: {mean}{average}")
            if reason:
                if self.verbose:
                    print(f"Converged ({reason}) at step {step}/{n_steps}")
                break
        self.cluster_centers_, self._n_features_out = centers, len(centers)
        self.n_steps_, self.n_iter_ = step, -(-step * size // n_samples)
        return mean if convergence.average is None else convergence.average

    def _step(self, batch: Samples, centers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the centers after a batch; labels : of the nearest ones before."""
        centers, n_replaced = self._learner.step(batch, centers, labels)
        if self.verbose and n_replaced:
            print(f"[MiniBatchKMeans] Reassigning {n_replaced} cluster centers.")
        return centers
