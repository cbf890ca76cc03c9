"""
A stream that changes
=====================

Rows come a thousand at a time, and are gone afterwards. :class:`~numbakmeans.MiniBatchKMeans` takes them by
``partial_fit``: it holds the centers and a count for each, however long the stream is. Half way, a new
cluster appears; a center that is hardly used moves there.
"""

import matplotlib.pyplot as plt
import numpy as np

from numbakmeans import KMeans, MiniBatchKMeans

rng = np.random.default_rng(3)
places = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [6.0, 6.0]])


def batch(t):
    """Return the rows that come at time t."""
    n_places = 3 if t < 50 else 4
    return places[rng.integers(0, n_places, 1000)] + rng.normal(size=(1000, 2))


stream = MiniBatchKMeans(5, random_state=0)
paths = []
for t in range(100):
    stream.partial_fit(batch(t))
    paths.append(stream.cluster_centers_)
paths = np.array(paths)

# %%
# The paths of the five centers, and the last batches.

figure, ax = plt.subplots(figsize=(6, 5.5), layout="constrained")
ax.scatter(*np.concatenate([batch(t) for t in (97, 98, 99)]).T, s=3, color="0.8", linewidths=0)
for j, color in enumerate(plt.colormaps["tab10"](np.arange(5))):
    ax.plot(*paths[:, j].T, color=color, linewidth=1)
    ax.plot(*paths[-1, j], "X", color=color, markersize=12, markeredgecolor="black")
ax.set_aspect("equal")
ax.set_title("100 batches of 1000 rows")

# %%
# Had all rows been kept, a fit of them would give these centers:

rng = np.random.default_rng(3)
kept = np.concatenate([batch(t) for t in range(100)])
print(KMeans(5, random_state=0).fit(kept).cluster_centers_.round(2))
print(stream.cluster_centers_.round(2))
