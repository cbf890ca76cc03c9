"""
The same bits, however many threads
===================================

A hash tells whether two results are equal to the last bit. Here are those of centers and inertia, for several
numbers of threads, beside scikit-learn's. (On a machine with a single core the others come out alike.)
"""

import hashlib

import matplotlib.pyplot as plt
import numba
import numpy as np
from sklearn.cluster import KMeans as SklearnKMeans
from threadpoolctl import threadpool_limits

from numbakmeans import Blocks, KMeans

X = np.random.default_rng(0).normal(size=(40_000, 24)).astype(np.float32)
THREADS = [n for n in (1, 2, 4, 8) if n <= numba.config.NUMBA_NUM_THREADS]


def hash_of(kmeans):
    content = kmeans.cluster_centers_.tobytes() + np.float64(kmeans.inertia_).tobytes()
    return hashlib.sha256(content).hexdigest()[:12]


def ours(rows, n_threads):
    before = numba.get_num_threads()
    numba.set_num_threads(n_threads)
    kmeans = KMeans(40, init=X[:40], max_iter=30).fit(rows)
    numba.set_num_threads(before)
    return hash_of(kmeans)


def theirs(n_threads):
    with threadpool_limits(n_threads):
        return hash_of(SklearnKMeans(40, init=X[:40], n_init=1, max_iter=30).fit(X))


table = [(f"{n} threads", ours(X, n), theirs(n)) for n in THREADS]
table.append(("Fortran order", ours(np.asfortranarray(X), THREADS[-1]), "-"))
table.append(("in 7 blocks", ours(Blocks(np.array_split(X, 7)), THREADS[-1]), "-"))
for row in table:
    print("{:15} numbakmeans {}   scikit-learn {}".format(*row))
assert len({row[1] for row in table}) == 1

# %%
# The same as a picture: a color for each hash.


def color_of(text):
    return "white" if text == "-" else plt.colormaps["turbo"](int(text, 16) % 997 / 997)


figure, ax = plt.subplots(figsize=(8, 0.5 * len(table) + 0.8), layout="constrained")
for y, (title, *hashes) in enumerate(table):
    for x, text in enumerate(hashes):
        ax.add_patch(plt.Rectangle((x, -y), 0.95, 0.9, color=color_of(text), alpha=0.6))
        ax.text(x + 0.48, -y + 0.45, text, ha="center", va="center", family="monospace")
    ax.text(-0.05, -y + 0.45, title, ha="right", va="center")
ax.set(xlim=(-0.6, 2), ylim=(1 - len(table), 1.3))
for x, name in enumerate(("numbakmeans", "scikit-learn")):
    ax.text(x + 0.48, 1.1, name, ha="center")
ax.set_axis_off()
