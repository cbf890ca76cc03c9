"""Estimators with scikit-learn's conventions, which are scikit-learn's own where that is installed.

kmeans        KMeans
_validation   the arguments of estimators: parameters, samples, weights, feature names
_restarts     starting centers, the passes from each, and the best result: the only calls of the engine
_watching     what is told after each pass: history, progress, verbose output, callbacks
_base         scikit-learn's bases, exceptions and warnings, or what replaces them

This package alone imports scikit-learn, and `import numbakmeans` does not import this package.
"""

from numbakmeans.estimators.kmeans import KMeans

__all__ = ["KMeans"]
