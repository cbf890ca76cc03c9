"""Compare calls from nopython code, of every form and in every situation, with calls from Python.

``python -m support.nopython_program LAYER [PASSES]`` prints a JSON list of the situations that differ.
PASSES, 3 by default, is the number of passes of the calls from Python: any other number is the negative
control.
"""

import json
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import literal_unroll, njit, prange, threading_layer

from numbakmeans import kmeans, kmeans2, vq, whiten

N_PROBLEMS = 6


# The calls differ in form: arguments by name, by position or left out, literal or run-time strings, a number
# or an array, 1-D or 2-D, dtype, layout. Without the GIL, on which two threads would take turns.
@njit(cache=True, nogil=True)
def given(single, double, whole, minit, missing, n_passes):
    """Return the results for given starts; single is read-only and in Fortran order."""
    places = kmeans2(single, single[:4], n_passes, 1e-5, "matrix", "warn", True)
    names = kmeans2(iter=n_passes, missing=missing, data=double[::2], k=double[:3], minit=minit)
    integers = kmeans2(whole, double[:4].T[:3].T, n_passes, check_finite=False)
    flat = kmeans2(double[:, 1], double[:5, 1], n_passes, missing="raise")
    book, distortion = kmeans(single, single[:4], n_passes, 0.01)
    flat_book, flat_distortion = kmeans(whole[:, 0], k_or_guess=double[:2, 0], thresh=0.01)
    codes, dists = vq(single, book, check_finite=False)
    mixed, mixed_dists = vq(obs=double.T[:, :3].T, code_book=single[:5])
    flat_codes, flat_dists = vq(whole[:, 2], flat_book)
    return (
        *(places[0], places[1], names[0], names[1], integers[0], integers[1], flat[0], flat[1]),
        *(book, np.array([distortion]), flat_book, np.array([flat_distortion])),
        *(codes, dists, mixed, mixed_dists, flat_codes, flat_dists),
        *(whiten(single), whiten(double[:, 0], False), whiten(obs=whole, check_finite=True)),
    )


@njit(cache=True, nogil=True)
def drawn(single, double, whole, minit, missing, n_passes, rng):
    """Return the results for starts that the functions draw."""
    plus = kmeans2(single, 4, n_passes, minit="++", rng=rng)
    points = kmeans2(double.T[::-1].T, 3, n_passes, minit="points", missing="warn", rng=rng)
    normals = kmeans2(whole, 2, n_passes, rng=rng)
    later = kmeans2(double[:, 0], 3, n_passes, 1e-5, minit, missing, True, rng=rng)
    book, distortion = kmeans(double, 3, n_passes, rng=rng)
    return (
        *(plus[0], plus[1], points[0], points[1], normals[0], normals[1], later[0], later[1]),
        *(book, np.array([distortion])),
    )


@njit(cache=True, nogil=True)
def in_a_row(results):
    """Return all values of some arrays in one array, float64."""
    size = 0
    for part in literal_unroll(results):
        size += part.size
    row, first = np.empty(size), 0
    for part in literal_unroll(results):
        for value in part.flat:
            row[first] = value
            first += 1
    return row


@njit(cache=True, parallel=True)
def in_parallel(singles, doubles, wholes, methods, n_passes, rng):
    """Return the results of both functions outside a prange and inside one.

    Inside, only one problem is given to `drawn`: two threads must not use a generator at once.

    methods : run-time strings, as from Python; literals would compile both functions again
    """
    minit, start, missing = methods
    here = given(singles[0], doubles[0], wholes[0], minit, missing, n_passes)
    random = drawn(singles[0], doubles[0], wholes[0], start, missing, n_passes, rng)
    rows, row = np.empty((len(singles), len(in_a_row(here)))), np.empty(len(in_a_row(random)))
    for b in prange(len(singles)):
        rows[b] = in_a_row(given(singles[b], doubles[b], wholes[b], minit, missing, n_passes))
        if b == 2:
            row[:] = in_a_row(drawn(singles[b], doubles[b], wholes[b], start, missing, n_passes, rng))
    return here, random, rows, row


def digests(results):
    return [(str(part.dtype), part.shape, part.tobytes()) for part in map(np.asarray, results)]


def forked(call):
    """Return whether call() is true in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if call() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main(layer, n_passes):
    rng = np.random.default_rng(0)
    doubles = tuple(rng.normal(size=(N_PROBLEMS, 80, 3)))
    singles = tuple(np.asfortranarray(X, np.float32) for X in doubles)
    wholes = tuple((9 * X).astype(np.int32) for X in doubles)
    for X in singles:
        X.flags.writeable = False
    alone = list(zip(singles, doubles, wholes, strict=True))
    expected = [given.py_func(*problem, "matrix", "warn", n_passes) for problem in alone]
    rng = np.random.default_rng(7)
    right, right_drawn = digests(expected[0]), digests(drawn.py_func(*alone[0], "++", "warn", n_passes, rng))
    right_row = in_a_row(drawn.py_func(*alone[2], "++", "warn", n_passes, rng))

    def same(_=None):
        starts = digests(given(*alone[0], "matrix", "warn", 3)) == right
        return starts and digests(drawn(*alone[0], "++", "warn", 3, np.random.default_rng(7))) == right_drawn

    methods, rng = ("matrix", "++", "warn"), np.random.default_rng(7)
    here, found, rows, row = in_parallel(singles, doubles, wholes, methods, 3, rng)
    assert threading_layer() == layer
    with ThreadPoolExecutor(2) as pool:
        situations = {
            "called": same(),
            "in a parallel function": digests(here) == right and digests(found) == right_drawn,
            "inside of a prange": all(
                given_row.tobytes() == in_a_row(results).tobytes()
                for given_row, results in zip(rows, expected, strict=True)
            )
            and row.tobytes() == right_row.tobytes(),
            "from two threads": all(pool.map(same, range(20))),
            # The parent has run a parallel region before.
            "in a forked child": forked(same),
        }
    print(json.dumps([situation for situation, fine in situations.items() if not fine]))


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
