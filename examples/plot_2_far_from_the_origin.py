"""
Points far from the origin
==========================

Coordinates in meters, as surveyors have them (UTM), are some 500,000 by 5,400,000, and clusters are a few
meters wide. In float32 the usual formula ``|x|^2 - 2 x.c + |c|^2`` loses all of that to rounding: labels are
wrong, in silence. Here a label is certified by an error bound, or decided by the distances themselves.
(SciPy compares coordinates up to five features, and uses the formula for more of them.)
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster import vq as scipy_vq
from sklearn.cluster import KMeans as SklearnKMeans

from numbakmeans import vq

rng = np.random.default_rng(0)
trees = rng.uniform(0, 400, size=(9, 2))
origin = np.array([500_000.0, 5_400_000.0])
points = origin + trees[rng.integers(0, 9, 3000)] + rng.normal(scale=25, size=(3000, 2))
points, centers = points.astype(np.float32), (origin + trees).astype(np.float32)

# The right labels: distances in float64, of these very float32 values.
differences = points[:, None].astype(np.float64) - centers[None].astype(np.float64)
right = (differences**2).sum(2).argmin(1)

# %%
# Three libraries label the same float32 points by the same float32 centers.

their_model = SklearnKMeans(9, init=centers, n_init=1, max_iter=1).fit(points)
their_model.cluster_centers_ = centers
found = {
    "SciPy": scipy_vq.vq(points, centers)[0],
    "scikit-learn": their_model.predict(points),
    "numbakmeans": vq(points, centers)[0],
}

figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True, layout="constrained")
place = points - origin
for ax, (name, labels) in zip(axes, found.items(), strict=True):
    wrong = labels != right
    ax.scatter(*place.T, c=plt.colormaps["tab10"](labels), s=6, linewidths=0)
    ax.scatter(*place[wrong].T, c="black", s=6, linewidths=0)
    ax.set_title(f"{name}: {100 * wrong.mean():.1f}% wrong (black)")
    ax.set_aspect("equal")
assert (found["numbakmeans"] == right).all()
