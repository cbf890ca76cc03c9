"""
How a label is certified
========================

Scores, ``|c|^2 / 2 - x.c``, are computed in float32, at the speed of a matrix product. An error bound tells
how far rounding can take them. Where the best score is ahead by more, the label is certain; where it is not,
the distances themselves decide.
"""

import matplotlib.pyplot as plt
import numpy as np

rng = np.random.default_rng(2)
centers = (rng.normal(size=(6, 8)) + 200).astype(np.float32)
# The first row is near a center; the second lies half way between two, but for a little.
rows = np.array([centers[2] * 0.9 + centers[5] * 0.1, centers[1] * 0.5001 + centers[4] * 0.4999])
rows = rows.astype(np.float32)


def scores(x):
    """Return scores in float32, their exact values, and the error bound."""
    rough = (centers**2).sum(1, dtype=np.float32) / np.float32(2) - centers @ x
    exact = (centers.astype(float) ** 2).sum(1) / 2 - centers.astype(float) @ x.astype(float)
    u, v, length, most = 2.0**-24, 2.0**-53, np.linalg.norm(x), np.linalg.norm(centers, axis=1).max()
    d = len(x)
    bound = 1.05 * ((d + 8) * u * (length * most + most**2 / 2) + (d + 4) * v * (length + most) ** 2)
    return rough, exact, bound


# %%
# To the left the nearest center is certain; to the right more than one is within the bound.

figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for ax, x, title in zip(axes, rows, ("certain", "decided by distances"), strict=True):
    rough, exact, bound = scores(x)
    base = exact.min()
    doubtful = rough - bound <= rough.min() + bound
    for j, color in enumerate(np.where(doubtful, "#d55e00", "#24507a")):
        ax.errorbar(j, rough[j] - base, bound, color=color, capsize=4, marker="o", markersize=4)
        ax.plot(j, exact[j] - base, "k_", markersize=14)
    ax.axhline(rough.min() + bound - base, color="0.7", linewidth=0.8)
    ax.set(title=title, xlabel="center", ylabel="score above the best")
    print(f"{title}: {np.count_nonzero(doubtful)} of {len(centers)} centers may be the nearest")
