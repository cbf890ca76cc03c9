"""What all estimators do with their centers: predict, transform, score, and a fit that returns something."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbakmeans._engine.assignment import nearest_labels
from numbakmeans._engine.constraints import with_unit_rows
from numbakmeans._engine.distances import distances
from numbakmeans._engine.samples import Samples
from numbakmeans.estimators._base import Estimator
from numbakmeans.estimators._restarts import assigned
from numbakmeans.estimators._validation import as_rows, as_weights, require_finite, require_fitted


class CentersEstimator(Estimator):
    """An estimator whose `_fit` sets `cluster_centers_` and, if asked for, `labels_`."""

    cluster_centers_: np.ndarray
    labels_: np.ndarray

    def _fit(self, X: Any, sample_weight: Any) -> Samples:
        """Do what `fit` does, and return the rows."""
        raise NotImplementedError

    @property
    def _unit(self) -> bool:
        """Whether rows and centers have length 1."""
        return False

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:  # noqa: ARG002
        """
        Compute the clusters, and return the label of each row.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        labels : ndarray (n_samples,), int32
            The nearest center of each row.
        """
        samples = self._fit(X, sample_weight)
        if hasattr(self, "labels_"):
            return self.labels_
        return nearest_labels(samples, self.cluster_centers_)

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:  # noqa: ARG002
        """
        Compute the clusters, and return the distances of the rows to all centers.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        X_new : ndarray (n_samples, n_clusters), float32 or float64
            As in `transform`.
        """
        return distances(self._fit(X, sample_weight), self.cluster_centers_)

    def predict(self, X: Any) -> np.ndarray:
        """
        Return the nearest center of each row.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows.

        Returns
        -------
        labels : ndarray (n_samples,), int32
            The indices of the centers, the lowest of equally near ones.
        """
        require_fitted(self)
        rows = as_rows(self, X)
        if self._unit:
            return nearest_labels(self._samples(rows), self.cluster_centers_)
        samples = Samples(rows)
        # The sweep that finds the labels usually finds out whether all values are finite.
        labels = nearest_labels(samples, self.cluster_centers_)
        self._require_finite(samples)
        return labels

    def transform(self, X: Any) -> np.ndarray:
        """
        Return the distances of the rows to all centers.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows.

        Returns
        -------
        X_new : ndarray (n_samples, n_clusters), float32 or float64
            The distances, rounded once; float32 if rows and centers are.
        """
        require_fitted(self)
        return distances(self._samples(as_rows(self, X)), self.cluster_centers_)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: ARG002, by convention
        """
        Return the inertia of rows, with the opposite sign: more is better.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            The rows.
        y : ignored
            By convention.
        sample_weight : array_like (n_samples,), optional
            How much each row counts, as in `fit`.

        Returns
        -------
        score : float
            Minus the weighted sum of the squared distances to the nearest centers.
        """
        require_fitted(self)
        rows = as_rows(self, X)
        samples = self._samples(rows, as_weights(sample_weight, len(rows)))
        return -assigned(samples, self.cluster_centers_)[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _samples(self, rows: np.ndarray, weights: np.ndarray | None = None) -> Samples:
        """Return rows as the engine takes them; ValueError if there are NaN, infinities, or zero rows."""
        samples = Samples(rows, weights)
        self._require_finite(samples)
        return with_unit_rows(samples, "X") if self._unit else samples

    def _require_finite(self, samples: Samples) -> None:
        require_finite(samples, getattr(self, "feature_names_in_", None))
