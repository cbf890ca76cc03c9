"""
A stream of batches
===================

Rows come a few hundred at a time, and are gone afterwards. :class:`~numbakmeans.MiniBatchKMeans` takes them
by ``partial_fit``: it holds the centers and a count for each, however long the stream is. A center is the
mean of all rows that it was the nearest of when they came, so it settles down as they add up.
"""

import matplotlib.pyplot as plt
import numpy as np

from numbakmeans import KMeans, MiniBatchKMeans

rng = np.random.default_rng(4)
places = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [6.0, 6.0], [3.0, 3.0]])


def batch():
    """Return the rows that come next."""
    return places[rng.integers(0, 5, 300)] + rng.normal(size=(300, 2))


stream = MiniBatchKMeans(5, init=rng.uniform(1, 5, size=(5, 2)))
paths, kept = [stream.init], []
for _ in range(60):
    rows = batch()
    stream.partial_fit(rows)
    paths.append(stream.cluster_centers_)
    kept.append(rows)
paths = np.array(paths)

# %%
# The paths of the centers over the last batches. Crosses are where they end, circles the centers of a fit of
# all rows, had they been kept.

full = KMeans(5, random_state=0).fit(np.concatenate(kept))
figure, ax = plt.subplots(figsize=(6, 5.5), layout="constrained")
ax.scatter(*np.concatenate(kept[-8:]).T, s=4, color="0.8", linewidths=0)
for j, color in enumerate(plt.colormaps["tab10"](np.arange(5))):
    ax.plot(*paths[:, j].T, color=color, linewidth=1.5)
    ax.plot(*paths[-1, j], "X", color=color, markersize=11, markeredgecolor="black")
ax.scatter(*full.cluster_centers_.T, s=320, facecolors="none", edgecolors="black")
ax.set_aspect("equal")
ax.set_title("60 batches of 300 rows")
print(f"inertia over that of the full fit: {-stream.score(np.concatenate(kept)) / full.inertia_:.4f}")
