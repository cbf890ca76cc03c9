"""Hash every kind of answer: a program that tests run under various threading layers and thread counts.

``python answers.py LAYER THREADS`` prints a JSON object: case -> hash of all its results.
"""

import hashlib
import json
import sys
import warnings

import numpy as np
import ugly
import ways


def digest(*arrays):
    parts = [(str(np.asarray(a).dtype), np.asarray(a).shape, np.asarray(a).tobytes()) for a in arrays]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def matrix_cases():
    """Return the cases that the oracle can answer, too: name -> (X, starting centers, passes)."""
    cases = {}
    for dtype in (np.float32, np.float64):
        for name, (X, centers) in ugly.cases(dtype).items():
            cases[f"{name}, {np.dtype(dtype)}"] = X, centers, 3
        cases[f"many chunks, {np.dtype(dtype)}"] = *ugly.wide_enough(dtype), 3
    return cases


def answers():
    """Return the hashes of the library's answers, by name."""
    from numbakmeans import fit, kmeans, kmeans2, vq, whiten
    from numbakmeans._engine import plan as _plan

    found = {}
    chosen = _plan.algorithm
    ways.ask_all()
    for way in ways.WAYS:
        with ways.forced(way) as algorithm:
            _plan.algorithm = lambda *_, forced=algorithm: forced
            for name, (X, centers, n_iter) in matrix_cases().items():
                found[f"{way}: {name}"] = digest(*kmeans2(X, centers, iter=n_iter, minit="matrix"))
    _plan.algorithm = chosen
    for dtype in (np.float32, np.float64):
        X, centers = ugly.wide_enough(dtype)
        for minit in ("random", "points", "++"):
            found[f"{minit}, {X.dtype}"] = digest(*kmeans2(X, 9, minit=minit, rng=4, iter=3))
        found[f"vq, {X.dtype}"] = digest(*vq(X, centers))
        found[f"kmeans, {X.dtype}"] = digest(*kmeans(X, 4, iter=2, rng=0, thresh=0.01))
        found[f"whiten, {X.dtype}"] = digest(whiten(X))
        found[f"fit, {X.dtype}"] = digest(*fit(X, centers, max_iter=4))
    return found


def main(layer, threads):
    import numba

    from numbakmeans._engine import plan as _plan
    from numbakmeans._engine import thresholds as at

    at.MIN_PARALLEL_STEPS = 0
    for dtype in (np.float32, np.float64):
        X, centers = ugly.wide_enough(dtype)
        plan = _plan.sweep(X.shape, work=X.size * len(centers))
        assert plan.n_tasks == threads
        assert plan.parallel == (threads > 1)
        assert -(-len(X) // plan.chunk_rows) >= 3 * threads
    found = answers()
    assert numba.threading_layer() == layer
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main(sys.argv[1], int(sys.argv[2]))
