"""K-means on Dask's arrays and data frames: the bits of `numbakmeans.KMeans`, on any number of machines.

kmeans       KMeans
collections  arrays and data frames as parts, and what is computed of all of them
passes       the passes of a fit, and its results
rounds       starting centers: the rounds of k-means||

What a task does with its part is in `_engine.parts`. This package alone imports Dask.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(
        "numbakmeans.dask needs Dask with its arrays: pip install 'numbakmeans[dask]'"
    ) from error

from numbakmeans.dask.kmeans import KMeans

__all__ = ["KMeans"]
