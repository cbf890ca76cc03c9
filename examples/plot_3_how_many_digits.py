"""
How many kinds of digits?
=========================

1797 handwritten digits of 8 x 8 pixels, which come with scikit-learn. How many clusters should one ask for?
There are ten digits, but some are written in more than one way.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from numbakmeans import choose_k

X, digits = load_digits(return_X_y=True)
choice = choose_k(X, range(2, 25), rng=0)

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for ax, name in zip(axes, ("inertia", "silhouette", "davies_bouldin"), strict=True):
    ax.plot(choice.k, getattr(choice, name), marker="o", color="#24507a")
    ax.set(title=name.replace("_", "-"), xlabel="clusters")
axes[0].axvline(choice.elbow, color="#d55e00", linestyle="--")
axes[1].axvline(choice.best, color="#d55e00", linestyle="--")

# %%
# The curves are smooth: the data has no number of clusters of its own that would stand out. The centers say
# more. Those of 16 clusters show which digits are written in two ways.

centers = choice.centers[list(choice.k).index(16)]
figure, axes = plt.subplots(2, 8, figsize=(11, 3), layout="constrained")
labels = ((X[:, None] - centers) ** 2).sum(2).argmin(1)
for j, ax in enumerate(axes.ravel()):
    own = digits[labels == j]
    ax.imshow(centers[j].reshape(8, 8), cmap="gray_r")
    most = np.bincount(own).argmax()
    ax.set_title(f"{most} ({100 * np.mean(own == most):.0f}% of {len(own)})", fontsize=8)
    ax.set_axis_off()
