"""
Chunks of a Dask array
======================

A chunk is reduced where it lies, to exact sums of integers, which add up in any order. So the centers have
the bits of a fit in memory, whatever the chunks are.
"""

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from numbakmeans import KMeans
from numbakmeans.dask import KMeans as DaskKMeans

rng = np.random.default_rng(0)
t = rng.uniform(0, 4 * np.pi, 60_000)
X = np.column_stack([t * np.cos(t), t * np.sin(t)]) + rng.normal(scale=0.5, size=(60_000, 2))

in_memory = KMeans(24, init="k-means||", random_state=0).fit(X)
for chunks in (60_000, 10_000, 1_777):
    on_dask = DaskKMeans(24, random_state=0).fit(da.from_array(X, chunks=(chunks, -1)))
    same = np.array_equal(on_dask.cluster_centers_, in_memory.cluster_centers_)
    print(f"chunks of {chunks:6} rows: {on_dask.n_iter_} passes, the bits of the fit in memory: {same}")
    assert same

# %%
# Labels are a Dask array, computed chunk by chunk when they are asked for.

print(on_dask.labels_)
labels = on_dask.labels_.compute()
figure, ax = plt.subplots(figsize=(6, 5.5), layout="constrained")
ax.scatter(*X.T, c=plt.colormaps["tab20"](labels % 20), s=1, linewidths=0)
ax.scatter(*on_dask.cluster_centers_.T, marker="X", s=60, color="white", edgecolors="black")
ax.set_aspect("equal")
