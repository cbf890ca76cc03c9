"""Estimators with scikit-learn's conventions, which are scikit-learn's own where that is installed.

kmeans        KMeans
mini_batch    MiniBatchKMeans
_centers      what both do with fitted centers: predict, transform, score
_mini_batches the batches of MiniBatchKMeans, what each changes, and when that ends
_validation   the arguments of estimators: parameters, samples, weights, feature names
_restarts     starting centers, the passes from each, and the best result
_watching     what is told after each pass: history, progress, verbose output, callbacks
_base         scikit-learn's bases, exceptions and warnings, or what replaces them

This package alone imports scikit-learn, and `import numbakmeans` does not import this package.
"""

from numbakmeans.estimators.kmeans import KMeans
from numbakmeans.estimators.mini_batch import MiniBatchKMeans

__all__ = ["KMeans", "MiniBatchKMeans"]
