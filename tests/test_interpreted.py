"""What NumPy does before anything is compiled: the bits of the kernels, and no compiler."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import ugly
from test_algorithms import NAMES as CASES
from test_algorithms import case, differences, expected_passes
from ways import answered_by

import numbakmeans
from numbakmeans import _cache, _fit, _interpreted, _plan, _samples, _tiers
from numbakmeans._samples import Samples
from numbakmeans._seeding import SEEDINGS

DTYPES = [np.float32, np.float64]


def both(function):
    """Return what a function returns by NumPy, and by kernels."""
    found = []
    for numpy in (True, False):
        with answered_by(numpy):
            found.append(function())
    return found


def flat(results):
    """Return nested results as a list of arrays."""
    if isinstance(results, tuple | list):
        return [array for result in results for array in flat(result)]
    return [np.asarray(results)]


def same(results, others):
    """Are all bits the same, but for the sign of a NaN?"""
    pairs = list(zip(flat(results), flat(others), strict=True))
    return all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.array_equal(a != a, b != b)
        and np.where(a != a, 0, a).tobytes() == np.where(b != b, 0, b).tobytes()
        for a, b in pairs
    )


def steps(X, centers):
    """Return what each step finds on the way of a call."""
    samples, labels = Samples(X), np.arange(len(X), dtype=np.int32) % len(centers)
    with np.errstate(all="ignore"):
        largest, finest, finite = samples.ranges
        sums, counts = _samples._labelled_sums(samples, labels, len(centers))
        wide = _fit.pad_centers(centers)
        codes, sq_dists = _fit.nearest(samples, centers)
        return {
            "ranges": (largest.max(0), finest.min(0), finite),
            "grids": samples.grids,
            "sums": (sums.sum(0), counts.sum(0)),
            "means": _samples.labelled_means(samples, labels, len(centers)),
            "column means": [_samples.column_means(samples, single) for single in (False, True)],
            "nearest": (codes, sq_dists),
            "distances": _fit._label_sq_dists(samples, wide, labels),
            "roots": [_fit.roots(sq_dists, single) for single in (False, True)],
            "sum": [_fit.exact_sum(sq_dists), _fit.exact_average(np.sqrt(sq_dists))],
        }


#: Without those made for bounds and heads, which NumPy has none of: it takes long for so many centers.
PLAIN = [name for name in CASES if not name.startswith("many panels,")]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
def test_every_step_gives_the_bits_of_the_kernels(name, dtype):
    by_numpy, by_kernels = both(lambda: steps(*case(name, dtype)))
    assert [step for step in by_kernels if not same(by_numpy[step], by_kernels[step])] == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
def test_passes_are_the_oracles(name, dtype, monkeypatch):
    # Many blocks, where that does not take long.
    X, centers = case(name, dtype)
    if X.size < 2000:
        monkeypatch.setattr(_interpreted, "BLOCK_VALUES", 64)
    with answered_by(numpy=True):
        assert differences(X, centers, expected_passes(X, centers), "interpreted") == []


@pytest.mark.parametrize("method", SEEDINGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PLAIN)
def test_every_start_is_that_of_the_kernels(name, dtype, method):
    X, centers = case(name, dtype)

    def start():
        rng = np.random.default_rng(3)
        with np.errstate(all="ignore"):
            return _fit.seed(Samples(X), min(len(centers), len(X)), method, rng), rng.random()

    assert same(*both(start))


def test_a_sum_of_distances_that_overflows():
    X = np.array([[0.0], [1e154], [1.1e154], [1.2e154]])
    D = (X[1:] ** 2).ravel()
    assert np.isfinite(D).all()
    with np.errstate(over="ignore"):
        assert D.sum() == np.inf
    draws = np.array([0]), np.array([0.3, 0.9])
    assert same(*both(lambda: SEEDINGS["++"].place(Samples(X), 3, *draws)))


def test_long_sums_and_many_chunks():
    X = (np.random.default_rng(0).normal(size=(30_011, 5)) * 100).astype(np.float32)
    for method in SEEDINGS:
        assert same(*both(lambda m=method: _fit.seed(Samples(X), 7, m, np.random.default_rng(1))))
    assert same(*both(lambda: list(steps(X, X[:40]).values())))


@pytest.mark.parametrize("layout", ["C", "Fortran", "strided", "other byte order"])
def test_slabs(layout, monkeypatch):
    monkeypatch.setattr(_plan, "COPY_BYTES", 0)
    monkeypatch.setattr(_plan, "SLAB_BYTES", 128 * 8 * 6)
    X = ugly.layouts(np.random.default_rng(0).normal(size=(700, 6)))[layout]
    assert (Samples(X).X is None) == (layout != "C")
    for minit in SEEDINGS:
        assert same(*both(lambda m=minit: numbakmeans.kmeans2(X, 5, minit=m, rng=0)))
    assert same(*both(lambda: list(steps(X, np.array(X[:9])).values())))


def test_whole_calls():
    X = np.random.default_rng(0).normal(size=(400, 3))
    for array in (X, X.astype(np.float32), (X * 9).astype(np.int16), X[:, 0]):
        rows = array.reshape(400, -1)
        assert same(*both(lambda a=rows: numbakmeans.fit(a, a[:7])))
        assert same(*both(lambda a=array: numbakmeans.kmeans(a, 4, iter=3, rng=0)))
        assert same(*both(lambda a=array: numbakmeans.vq(a, a[:9])))
        assert same(*both(lambda a=array: numbakmeans.whiten(a)))


def test_a_wrong_bit_would_be_noticed(monkeypatch):
    """The negative control: one rounding more in a stand-in."""
    X, centers = ugly.cases(np.float64)["normal"]
    right = _interpreted.quotient
    monkeypatch.setattr(_interpreted, "quotient", lambda *args: float(np.float32(right(*args))))
    by_numpy, by_kernels = both(lambda: steps(X, centers))
    assert [step for step in by_kernels if not same(by_numpy[step], by_kernels[step])] == [
        "means",
        "column means",
        "sum",
    ]


# --- Who answers


@pytest.fixture
def held(monkeypatch):
    """What the cache holds."""
    found = set()
    monkeypatch.setattr(_cache, "holds", lambda *key: key in found)
    monkeypatch.setattr(_plan, "PATIENCE", 1.0)
    monkeypatch.setattr(_tiers.Tier, "spent", 0.0)
    return found


ONE, OTHER = np.dtype(np.float32), np.dtype(np.float64)
SECOND = 1.0 / _plan.INTERPRETED_STEP


def test_compiling_waits_until_it_pays(held, monkeypatch):
    tier = _tiers.Tier("one")
    assert tier.interprets(ONE, 0.9 * SECOND)
    assert tier.interprets(ONE, 0.9 * SECOND)
    _tiers.Tier.spent = 0.5
    assert tier.interprets(ONE, 0.4 * SECOND)
    assert not tier.interprets(ONE, 0.6 * SECOND)
    # From then on all is compiled that is asked for.
    assert not tier.interprets(ONE, 0.0)
    assert not tier.interprets(OTHER, 0.0)
    assert not _tiers.Tier("other").interprets(ONE, 0.0)


def test_time_spent_counts_once(held, monkeypatch):
    clock = iter([0.0, 10.0, 10.25, 10.5])
    monkeypatch.setattr(_tiers.time, "perf_counter", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt), _tiers.Tier.spending(), _tiers.Tier.spending():
        raise KeyboardInterrupt
    assert _tiers.Tier.spent == 10.5


def test_code_in_the_cache_is_used(held):
    tier = _tiers.Tier("one", "other")
    held.add(("other", "float32"))
    assert not tier.interprets(ONE, 0.0)
    # The other dtype is not in the cache, and does not pay for that.
    assert tier.interprets(OTHER, 0.0)
    held.add(("one", "float64"))
    assert not _tiers.Tier("one").interprets(OTHER, 0.0)


def test_no_patience(held, monkeypatch):
    monkeypatch.setattr(_plan, "PATIENCE", 0.0)
    assert not _tiers.Tier("one").interprets(ONE, 0.0)


# --- New processes

COUNT = """
import json, sys
import numpy as np
from numba.core import event

class Compilations(event.Listener):
    names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].__name__)
    def on_end(self, event):
        pass

event.register("numba:compile", Compilations())
"""
CALLS = """
from numbakmeans import fit, kmeans, kmeans2, vq, whiten
for dtype in (np.float64, np.float32):
    X = np.random.default_rng(0).normal(size=(2000, 5)).astype(dtype)
    for minit in ("random", "points", "++"):
        kmeans2(X, 8, minit=minit, rng=0)
    fit(X, X[:3]), kmeans(X, 4, iter=2, rng=0), vq(X, X[:300]), whiten(X)
"""
ROOTS = """
from numbakmeans._fit import roots
roots(np.ones(3), single=True)
"""
TELL = """
print(json.dumps(sorted(set(Compilations.names))))
"""


def compilations(program, folder, **environment):
    """Return the names of what a new process compiles."""
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": str(folder), **environment}
    command = [sys.executable, "-W", "error", "-c", COUNT + program + TELL]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


@pytest.fixture
def patient():
    """The setting of a user, who has none."""
    return {"NUMBAKMEANS_PATIENCE": ""}


def test_first_calls_compile_nothing(tmp_path, patient):
    # More patience than a user has: the machine may be slow.
    assert compilations(CALLS, tmp_path, NUMBAKMEANS_PATIENCE="60") == []
    assert compilations(ROOTS, tmp_path, **patient) == []
    assert compilations(ROOTS, "off", **patient) == []
    assert not list(tmp_path.rglob("*-*"))
    # The negative control: without patience the same listener hears of kernels.
    assert "roots_single" in compilations(ROOTS, "off", NUMBAKMEANS_PATIENCE="0")


def test_what_another_process_compiled_is_used(tmp_path, patient):
    assert compilations(ROOTS, tmp_path, **patient) == []
    assert "roots_single" in compilations(ROOTS, tmp_path, NUMBAKMEANS_PATIENCE="0")
    loaded = ROOTS + "\nfrom numbakmeans._kernels import canonical\n"
    loaded += "assert len(canonical.roots_single.kernel.stats.cache_hits) == 1\n"
    assert compilations(loaded, tmp_path, **patient) == []
    # The negative control: with a cache that is empty nothing is loaded.
    with pytest.raises(subprocess.CalledProcessError):
        compilations(loaded, tmp_path / "empty", **patient)


def test_patience_ends(patient):
    program = "from numbakmeans import _plan\n_plan.PATIENCE = 1e-4\nroots(np.ones(9_999), single=True)"
    assert "roots_single" in compilations(ROOTS + program, "off", **patient)


@pytest.mark.parametrize("stated", ["soon", "-1", "nan"])
def test_a_wrong_setting_is_named(stated):
    program = "from numbakmeans import kmeans2"
    environment = {**os.environ, "NUMBAKMEANS_PATIENCE": stated}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert found.returncode == 1
    message = f"NUMBAKMEANS_PATIENCE must be a number of seconds, at least 0, got {stated!r}"
    assert found.stderr.strip().endswith(f"ValueError: {message}")
