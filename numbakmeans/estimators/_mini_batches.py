"""Mini-batch k-means: centers that move with each batch towards the means of its rows, and when that ends."""

from __future__ import annotations

import numpy as np

from numbakmeans._engine.distances import exact_sum
from numbakmeans._engine.samples import Samples, labeled_means, labeled_totals


class Batches:
    """Draws rows: each as likely as its weight says, independently of the others.

    Parameters
    ----------
    samples : all rows, and their weights
    stream : what is drawn from
    """

    def __init__(self, samples: Samples, stream: np.random.Generator) -> None:
        self._samples, self._stream, weights = samples, stream, samples.weights
        #: The rows that can be drawn, and their running sum of weights; None if these are all rows alike.
        self._rows = None if weights is None else np.flatnonzero(weights)
        self._cumulative = None if weights is None else np.cumsum(weights[self._rows] / weights.max())
        self._n_rows = len(samples) if self._rows is None else len(self._rows)

    def weighted(self, n_rows: int) -> Samples:
        """Return rows, with repetition, that all count alike: more weight is a better chance."""
        drawn = self._stream.random(n_rows)
        if self._cumulative is None:
            # What weights of 1 give.
            places = (drawn * self._n_rows).astype(np.int64)
        else:
            places = np.searchsorted(self._cumulative, drawn * self._cumulative[-1], side="right")
        return self._of(np.minimum(places, self._n_rows - 1), weighted=False)

    def uniform(self, n_rows: int, stream: np.random.Generator) -> Samples:
        """Return rows, with repetition, and their weights; all rows if that is enough."""
        if n_rows < self._n_rows:
            return self._of(stream.integers(0, self._n_rows, n_rows), weighted=True)
        if self._n_rows == len(self._samples):
            return self._samples
        return self._of(np.arange(self._n_rows), weighted=True)

    def _of(self, places: np.ndarray, *, weighted: bool) -> Samples:
        """Return rows by their places among those that can be drawn."""
        rows, weights = places if self._rows is None else self._rows[places], self._samples.weights
        return Samples(self._samples.array[rows], weights[rows] if weighted and weights is not None else None)


class Learner:
    """What is known about the clusters besides their centers, and how a batch changes both.

    A center is the weighted mean of all rows that it has been the nearest of when they came (Sculley 2010).
    A center that hardly ever is can be replaced by a row of the batch.

    Parameters
    ----------
    n_clusters : number of centers
    reassignment_ratio : a center may be replaced if its count is below this share of the largest one
    stream : what the rows are drawn from that replace centers

    Attributes
    ----------
    counts : (n_clusters,), float64, the weights of the rows that each center is the mean of
    """

    def __init__(self, n_clusters: int, reassignment_ratio: float, stream: np.random.Generator) -> None:
        self.counts = np.zeros(n_clusters)
        self._ratio, self._stream = reassignment_ratio, stream
        self._n_rows = 0  # since a replacement was considered

    def step(self, batch: Samples, centers: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the centers after a batch, and how many of them were replaced.

        Computed in float64, and rounded once to the dtype of the centers. labels : of the nearest centers
        """
        means, sizes = labeled_means(batch, labels, len(centers))
        weights = batch.weights
        added = sizes.astype(np.float64) if weights is None else labeled_totals(weights, labels, len(centers))
        with np.errstate(over="ignore"):
            total = self.counts + added
        if not np.isfinite(total).all():
            raise ValueError("sample_weight is too large: the weights of a cluster add up to infinity")
        considers = not self.counts.all() or self._n_rows + len(batch) >= 10 * len(centers)
        self._n_rows = 0 if considers else self._n_rows + len(batch)
        moved, here = centers.copy(), added > 0
        before, share = (self.counts[here] / total[here])[:, None], (added[here] / total[here])[:, None]
        moved[here] = before * centers[here].astype(np.float64) + share * means[here].astype(np.float64)
        self.counts = total
        return moved, self._replace(batch, moved) if considers else 0

    def _replace(self, batch: Samples, centers: np.ndarray) -> int:
        """Replace centers of low counts by rows, at most half of a batch; return how many."""
        rows = np.arange(len(batch)) if batch.weights is None else np.flatnonzero(batch.weights)
        low = self.counts < self._ratio * self.counts.max()
        low[self.counts.argmax()] = False
        # Those with the lowest counts, where there are too many.
        replaced = np.argsort(np.where(low, self.counts, np.inf), kind="stable")
        replaced = np.sort(replaced[: min(np.count_nonzero(low), len(rows) // 2)])
        if len(replaced):
            centers[replaced] = batch.rows(self._stream.permutation(rows)[: len(replaced)])
            # So that they are not replaced again at once.
            self.counts[replaced] = np.delete(self.counts, replaced).min()
        return len(replaced)


class Convergence:
    """Says when mini-batches no longer improve the centers; the rules are scikit-learn's.

    Parameters
    ----------
    n_samples, batch_size : the weight of a batch in the moving average is 2 batch_size / (n_samples + 1)
    max_no_improvement : batches in a row without a new minimum of the moving average that end the fit, or
        None
    tol : the sum of the squared shifts of all centers that ends it, or 0
    """

    def __init__(self, n_samples: int, batch_size: int, max_no_improvement: int | None, tol: float) -> None:
        self._share = min(2.0 * batch_size / (n_samples + 1), 1.0)
        self._max_no_improvement, self._tol = max_no_improvement, tol
        self._n_steps, self._n_not_improved = 0, 0
        self._least = np.inf
        #: The moving average of the mean inertia of a row; None before the second batch.
        self.average: float | None = None

    def reached(self, mean: float, before: np.ndarray, after: np.ndarray) -> str:
        """Return why a fit ends after a batch, "" if it goes on.

        mean : the inertia of a row of the batch; before, after : the centers
        """
        self._n_steps += 1
        if self._n_steps == 1:
            # That of the starting centers says nothing.
            return ""
        old, share = mean if self.average is None else self.average, self._share
        self.average = old * (1 - share) + mean * share
        if self._tol > 0.0:
            shifts = (after.astype(np.float64) - before.astype(np.float64)) ** 2
            if exact_sum(shifts.ravel()) <= self._tol:
                return "small centers change"
        if self.average < self._least:
            self._least, self._n_not_improved = self.average, 0
        else:
            self._n_not_improved += 1
        stops = self._max_no_improvement is not None and self._n_not_improved >= self._max_no_improvement
        return "lack of improvement in inertia" if stops else ""
