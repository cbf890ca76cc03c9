"""
Product quantization in a prange
================================

Vectors are cut into parts, and each part is replaced by the number of the nearest center in a code book of
its own: 64 pixels become 8 bytes. The code books are independent of each other, so each thread makes some of
them, in the user's own compiled loop.
"""

import matplotlib.pyplot as plt
import numpy as np
from numba import njit, prange
from sklearn.datasets import load_digits

from numbakmeans import jit


@njit(parallel=True)
def quantize(X, n_parts, k, starts):
    width = X.shape[1] // n_parts
    books = np.empty((n_parts, k, width), X.dtype)
    codes = np.empty((len(X), n_parts), np.uint8)
    for p in prange(n_parts):
        part = X[:, p * width : (p + 1) * width]
        result = jit.fit(part, part[starts], 50)
        books[p] = result.centers
        for i in range(len(X)):
            codes[i, p] = result.labels[i]
    return books, codes


X = load_digits().data.astype(np.float32)
starts = np.random.default_rng(0).choice(len(X), 64, replace=False)

# %%
# From 1 to 16 bytes for each picture, instead of 256.

restored = {}
for n_parts in (1, 2, 4, 8, 16):
    books, codes = quantize(X, n_parts, 64, starts)
    parts = [book[code] for book, code in zip(books, codes.T, strict=True)]
    restored[n_parts] = np.concatenate(parts, axis=1)

figure, axes = plt.subplots(6, 8, figsize=(8, 6.4), layout="constrained")
for row, (title, pictures) in zip(axes, [("64 floats", X), *restored.items()], strict=True):
    for ax, picture in zip(row, pictures[:8], strict=True):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    error = np.sqrt(((pictures - X) ** 2).mean())
    name = title if isinstance(title, str) else f"{title} byte{'s' if title > 1 else ''}"
    row[0].set_ylabel(f"{name}\nerror {error:.1f}", fontsize=8)
