"""
A library that calls SciPy
==========================

`nanopq <https://github.com/matsui528/nanopq>`_ quantizes vectors part by part, for nearest-neighbor search.
Its code books are made by SciPy's ``kmeans2``, and its codes by ``vq``. Ours have the same signatures and
draw the same random numbers, so it takes them without a change.
"""

import time

import matplotlib.pyplot as plt
import nanopq.pq
import numpy as np
import scipy.cluster.vq
from sklearn.datasets import load_sample_image

import numbakmeans

photo = load_sample_image("flower.jpg")[:424]
height, width, channels = photo.shape
side = 8
patches = photo.reshape(height // side, side, width // side, side, channels).swapaxes(1, 2)
X = patches.reshape(-1, side * side * channels).astype(np.float32)
print(f"{len(X)} patches of the photo, {X.shape[1]} values each")


def quantized(library):
    """Return nanopq's codes and what they stand for, with the functions of a library."""
    nanopq.pq.kmeans2, nanopq.pq.vq = library.kmeans2, library.vq
    quantizer = nanopq.PQ(M=16, Ks=256, verbose=False).fit(X, iter=20, seed=1)
    codes = quantizer.encode(X)
    return codes, quantizer.decode(codes)


# %%
# The first call of ours compiles, so both are called once before they are timed.

codes, seconds = {}, {}
for library in (scipy.cluster.vq, numbakmeans):
    quantized(library)
    began = time.perf_counter()
    codes[library], restored = quantized(library)
    seconds[library] = time.perf_counter() - began
equal = (codes[scipy.cluster.vq] == codes[numbakmeans]).mean()
faster = seconds[scipy.cluster.vq] / seconds[numbakmeans]
print(f"{equal:.2%} of the codes are the same, {faster:.1f} times as fast")

# %%
# With 16 bytes for each patch instead of 192, the photo is still one.

pixels = restored.reshape(height // side, width // side, side, side, channels).swapaxes(1, 2)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
sides = (("192 bytes a patch", photo), ("16 bytes a patch", pixels.reshape(photo.shape)))
for ax, (title, picture) in zip(axes, sides, strict=True):
    ax.imshow(np.clip(picture, 0, 255).astype(np.uint8))
    ax.set_title(title)
    ax.set_axis_off()
