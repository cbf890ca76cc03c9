"""The workloads of the sweeps: data, and the calls that are timed."""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import numbakmeans
from asv_benchmarks.benchmarks import data as _data
from numbakmeans._engine import assignment as _assignment
from numbakmeans._engine import fit as _fit
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.refining import refine
from numbakmeans._engine.restarts import are_small, iterate_each
from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS

from .runner import Run, under

LAYOUTS = ("Fortran order", "float16", "int32")


class Case(NamedTuple):
    """Rows, and what is done with them."""

    n_samples: int
    n_features: int
    n_clusters: int
    passes: int = 1
    dtype: str = "float32"
    data: str = "blobs"
    algorithm: str | None = None

    def __str__(self) -> str:
        size = f"{self.n_samples} x {self.n_features}, k={self.n_clusters}"
        return f"{size}, {self.passes} passes, {self.dtype}, {self.data}"

    @property
    def problem(self) -> tuple[tuple[int, int], int, int]:
        """Shape, number of clusters and bytes of a value, as the plan takes them."""
        return self[:2], self.n_clusters, np.dtype(self.dtype).itemsize

    @property
    def memory(self) -> _plan.Memory:
        """The memory that the plan has."""
        return _plan.memory(self[:2], self.problem[2], self.problem[2], ready=True)


def cases(sizes: Any, **fields: Any) -> list[Case]:
    """Return a case for each size, (rows, features, clusters), and each combination of field values."""
    grid = itertools.product(*(value if isinstance(value, tuple) else (value,) for value in fields.values()))
    return [Case(*size, **dict(zip(fields, values, strict=True))) for values in grid for size in sizes]


@functools.lru_cache(maxsize=1)  # only the last one: a sweep goes from case to case
def rows_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a case, and starting centers."""
    kind = case.data if case.data in ("uniform", "along_directions") else "blobs"
    n_clusters = min(case.n_clusters, case.n_samples)  # there may be more picks than rows
    X, start = getattr(_data, kind).__wrapped__(*case[:2], n_clusters, case.dtype)
    if case.data == "shifted":  # squares about zero are 4 times those about the mean
        X = (X - X.mean(0) + np.sqrt(3.0) * X.std(0)).astype(case.dtype)
        start = X[: case.n_clusters].copy()
    elif case.data == "heavy tails":
        X = np.random.default_rng(0).standard_t(3, size=X.shape).astype(case.dtype)
    elif case.data in LAYOUTS:
        X = np.asfortranarray(X) if case.data == "Fortran order" else (100 * X).astype(case.data)
    return X, start


def passes(case: Case, algorithm: str | None = None) -> Run:
    """Return a run of some passes."""
    X, start = rows_of(case)
    samples, chosen = Samples(X), algorithm or case.algorithm
    if case.data in LAYOUTS:  # conversion counts
        return lambda: _fit.iterate(Samples(X), start, case.passes, algorithm=chosen)
    return lambda: _fit.iterate(samples, start, case.passes, algorithm=chosen)


def plain_passes(case: Case) -> Run:
    """Return a run of some passes without coarse rows, which would take the place of what is tuned."""
    return under(functools.partial(passes, case), at, MAX_COARSE_COST=0.0)


def starts(case: Case) -> Run:
    """Return a run of the passes from ten starts."""
    X, _ = rows_of(case)
    samples, rng = Samples(X), np.random.default_rng(0)
    several = [X[rng.choice(len(X), case.n_clusters, replace=False)].astype(np.float64) for _ in range(10)]

    def run() -> None:
        if are_small(samples, case.n_clusters):
            list(iterate_each(samples, several, case.passes))
        else:
            for start in several:
                _fit.iterate(samples, start, case.passes)

    return run


def chosen_algorithm(case: Case) -> str:
    """Return the algorithm that the plan chooses."""
    return _plan.algorithm(*case.problem, case.passes, case.memory)


def nearest(case: Case, scored: bool | None = None) -> Run:
    """Return a run that finds labels and checks the values, as `predict` does."""
    X, start = rows_of(case)

    def run() -> None:
        samples = Samples(X)
        _assignment.nearest_labels(samples, start, scored=scored)
        assert samples.finite

    return run


def refined(case: Case, at_once: bool) -> Run:
    """Return a run of the passes of `kmeans` from one start."""
    X, start = rows_of(case)
    samples = Samples(X)
    return under(lambda: lambda: refine(samples, start, 1e-4), _plan, refined_at_once=lambda *_: at_once)


def planned(name: str) -> Callable[[Case, object], Run]:
    """Return what builds runs of passes for which a function of the plan returns the option."""
    return lambda case, option: under(lambda: passes(case), _plan, **{name: lambda *_: option})


def calls(case: Case) -> tuple[Run, float]:
    """Return a run of passes over few rows, or a batch of 1000 problems, by one thread, and its steps."""
    if case.data != "batch":
        steps = case.passes * _plan.pass_work(*case[:3])
        return under(lambda: passes(case, "small"), at, MIN_PARALLEL_STEPS=10**18), steps
    rows, centers = (np.stack([each] * 1000) for each in rows_of(case))
    steps = 1000 * _plan.problem_work(*case[:4])
    run = functools.partial(numbakmeans.kmeans2_batch, rows, centers, case.passes)
    return under(lambda: run, at, MIN_PARALLEL_STEPS=10**18), steps


def picks(case: Case) -> Run:
    """Return a run that places the starting centers of '++'."""
    samples, plus_plus = Samples(rows_of(case)[0]), SEEDINGS["++"]
    draws = plus_plus.draw(np.random.default_rng(0), case.n_samples, case.n_clusters, case.n_features)
    return lambda: plus_plus.place(samples, case.n_clusters, *draws)


def picks_by(case: Case, option: str) -> Run:
    """Return a run of '++' by one thread or by all."""
    return under(lambda: picks(case), at, MIN_PARALLEL_STEPS=0 if option == "all threads" else 10**18)


def threads_of_picks(case: Case) -> str:
    """Return the option of `picks_by` that the plan chooses."""
    work = _plan.pick_work(case.n_samples * case.n_features)
    return "all threads" if _plan.sweep(case[:2], work).parallel else "one thread"


def picks_with(case: Case, option: bool) -> Run:
    """Return a run of '++' with quantized rows, or without."""
    values = {
        "MIN_QUANTIZED_PICKS": 0 if option else 10**9,
        "MIN_QUANTIZED_STEPS": 0,
    }
    return under(lambda: picks(case), at, **values)


def quantizes(case: Case) -> bool:
    """Return whether the plan quantizes rows."""
    shape, n_clusters, _ = case.problem
    return _plan.quantized_leaves(shape, n_clusters, 1 + case.n_samples // 128, 128, case.memory) > 0


def nopython(case: Case) -> Run:
    """Return a run of 100 fits in a `prange`."""
    from numba import njit, prange

    from numbakmeans import jit

    @njit(parallel=True)
    def fits(data: Any, n_clusters: int, max_iter: int) -> Any:
        inertias = np.empty(len(data))
        for b in prange(len(data)):
            inertias[b] = jit.fit(data[b], data[b, :n_clusters], max_iter).inertia
        return inertias

    data = np.random.default_rng(0).normal(size=(100, case.n_samples, case.n_features))
    return lambda: fits(data, case.n_clusters, case.passes)
