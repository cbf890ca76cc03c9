"""Hash every kind of result: a program that tests run under various threading layers and thread counts.

``python -m support.results_program LAYER THREADS`` prints a JSON object: case -> hash of all its results;
with the names of a variant and a dtype behind them, only the passes of these.
"""

import hashlib
import json
import sys
import warnings

import numpy as np

from support import edge_cases, variants


def digest(*arrays):
    parts = [(str(np.asarray(a).dtype), np.asarray(a).shape, np.asarray(a).tobytes()) for a in arrays]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def matrix_cases(dtypes=(np.float32, np.float64)):
    """Return the cases that the oracle can answer, too: name -> (X, starting centers, passes)."""
    cases = {}
    for dtype in dtypes:
        for name, (X, centers) in edge_cases.cases(dtype).items():
            cases[f"{name}, {np.dtype(dtype)}"] = X, centers, 3
        cases[f"many chunks, {np.dtype(dtype)}"] = *edge_cases.wide_enough(dtype), 3
    return cases


def hashes_of_passes(names=variants.VARIANTS, **which):
    """Return the hashes of the passes of some variants, by name; which : as for `matrix_cases`."""
    from numbakmeans import kmeans2
    from numbakmeans._engine import plan as _plan

    found = {}
    chosen = _plan.algorithm
    variants.check_all_bounds()
    for variant in names:
        with variants.forced(variant) as algorithm:
            _plan.algorithm = lambda *_, forced=algorithm: forced
            for name, (X, centers, n_iter) in matrix_cases(**which).items():
                found[f"{variant}: {name}"] = digest(*kmeans2(X, centers, iter=n_iter, minit="matrix"))
    _plan.algorithm = chosen
    return found


def hashes():
    """Return the hashes of the library's results, by name."""
    from numbakmeans import fit, kmeans, kmeans2, vq, whiten

    found = hashes_of_passes()
    for dtype in (np.float32, np.float64):
        X, centers = edge_cases.wide_enough(dtype)
        for minit in ("random", "points", "++"):
            found[f"{minit}, {X.dtype}"] = digest(*kmeans2(X, 9, minit=minit, rng=4, iter=3))
        found[f"vq, {X.dtype}"] = digest(*vq(X, centers))
        found[f"kmeans, {X.dtype}"] = digest(*kmeans(X, 4, iter=2, rng=0, thresh=0.01))
        found[f"whiten, {X.dtype}"] = digest(whiten(X))
        found[f"fit, {X.dtype}"] = digest(*fit(X, centers, max_iter=4))
    return found


def main(layer, threads, variant=None, dtype_name=None):
    import numba

    from numbakmeans._engine import plan as _plan
    from numbakmeans._engine import thresholds as at

    at.MIN_PARALLEL_STEPS, at.MAX_SMALL_STEPS, at.MAX_REFINED_STEPS = 0, {4: 0, 8: 0}, 0
    for dtype in (np.float32, np.float64):
        X, centers = edge_cases.wide_enough(dtype)
        plan = _plan.sweep(X.shape, work=X.size * len(centers))
        assert plan.n_tasks == threads
        assert plan.parallel == (threads > 1)
        assert -(-len(X) // plan.chunk_rows) >= 3 * threads
    found = hashes() if variant is None else hashes_of_passes([variant], dtypes=[getattr(np, dtype_name)])
    assert numba.threading_layer() == layer
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
