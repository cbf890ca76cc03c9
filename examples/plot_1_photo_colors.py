"""
Colors of a photo
=================

A photo has thousands of colors. Clusters of its pixels are a palette; with every pixel in the color of its
center, the photo is posterised, or segmented by color.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from numbakmeans import KMeans

photo = load_sample_image("flower.jpg")
height, width, _ = photo.shape
pixels = photo.reshape(-1, 3).astype(np.float32)

# %%
# 273,280 pixels, in three palettes. Each takes a fraction of a second.

figure, axes = plt.subplots(1, 4, figsize=(11, 2.3), layout="constrained")
axes[0].imshow(photo)
axes[0].set_title(f"{len(np.unique(photo.reshape(-1, 3), axis=0)):,} colors")
palettes = {}
for ax, k in zip(axes[1:], (4, 16, 64), strict=True):
    kmeans = KMeans(k, random_state=0).fit(pixels)
    palettes[k] = np.rint(kmeans.cluster_centers_).astype(np.uint8)
    ax.imshow(palettes[k][kmeans.labels_].reshape(height, width, 3))
    ax.set_title(f"{k} colors")
for ax in axes:
    ax.set_axis_off()

# %%
# The palettes, with the widths by the number of pixels of each color, from dark to light.

figure, axes = plt.subplots(3, 1, figsize=(11, 2.2), layout="constrained")
for ax, (k, colors) in zip(axes, palettes.items(), strict=True):
    labels = KMeans(k, init=colors.astype(np.float32), n_init=1, max_iter=1).fit(pixels).labels_
    counts = np.bincount(labels, minlength=k)
    order = np.argsort(colors.astype(float) @ [0.3, 0.6, 0.1])
    left = np.concatenate([[0], np.cumsum(counts[order])])
    ax.barh(0, counts[order], left=left[:-1], color=colors[order] / 255, height=1)
    ax.set(xlim=(0, left[-1]), ylim=(-0.5, 0.5), ylabel=k)
    ax.set(xticks=[], yticks=[])
