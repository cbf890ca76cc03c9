"""Calls from nopython code in every situation, compared with the calls from Python.

``python inside.py LAYER [PASSES]`` prints a JSON list of the differences. PASSES, 3 unless given, are those
of the calls from Python: another number is the negative control.
"""

import json
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit, prange, threading_layer

from numbakmeans import kmeans, kmeans2, vq, whiten

N_PROBLEMS = 6


# Without the GIL, for which two threads would wait in turns.
@njit(cache=True, nogil=True)
def everything(data, start, rng):
    """Return what the four functions make of one problem."""
    given = kmeans2(data, start, 3, missing="warn")
    drawn = kmeans2(data, 4, iter=3, minit="++", rng=rng)
    book, _ = kmeans(data, start, thresh=0.01)
    code, dist = vq(data, book)
    return given[0], given[1], drawn[0], drawn[1], code, dist, whiten(data)


@njit(cache=True, parallel=True)
def in_parallel(data, start):
    """Return centroids and labels of each problem, found in an iteration of a prange."""
    centroid = np.empty((len(data), *start.shape), start.dtype)
    label = np.empty(data.shape[:2], np.int32)
    for b in prange(len(data)):
        centroid[b], label[b] = kmeans2(data[b], start, 3)
    return centroid, label


def digests(results):
    arrays = [np.asarray(part) for part in results]
    return [(str(array.dtype), array.shape, array.tobytes()) for array in arrays]


def right(data, start, n_passes):
    """Return what `everything` must return, by calls from Python."""
    given = kmeans2(data, start, n_passes)
    drawn = kmeans2(data, 4, iter=n_passes, minit="++", rng=7)
    book, _ = kmeans(data, start, thresh=0.01)
    return *given, *drawn, *vq(data, book), whiten(data)


def forked(call):
    """Return whether call() is true in a child."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if call() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main(layer, n_passes):
    data = np.asfortranarray(np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32))
    data.flags.writeable = False
    start = data[:4].copy()
    expected = digests(right(data, start, n_passes))

    def same(_=None):
        return digests(everything(data, start, np.random.default_rng(7))) == expected

    many = np.stack([np.roll(data, b, axis=0) for b in range(N_PROBLEMS)])
    found = in_parallel(many, start)
    assert threading_layer() == layer
    alone = [kmeans2(problem, start, n_passes) for problem in many]
    with ThreadPoolExecutor(2) as pool:
        situations = {
            "called": same(),
            "inside of a prange": all(
                digests(part[b] for part in found) == digests(alone[b]) for b in range(N_PROBLEMS)
            ),
            "from two threads": all(pool.map(same, range(20))),
            # After a parallel region of the parent's.
            "in a forked child": forked(same),
        }
    print(json.dumps([situation for situation, fine in situations.items() if not fine]))


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
