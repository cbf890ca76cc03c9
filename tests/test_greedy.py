"""Starting centers with weights, greedy k-means++ and k-means||: the oracle's picks, bit for bit."""

import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracle
import pytest
from support import edge_cases
from support import weights as heavy
from support.package_copies import copy_with, run_tests

from numbakmeans import kmeans2, kmeans2_batch
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.fit import seed
from numbakmeans._engine.kernels import oversampling, plus_plus
from numbakmeans._engine.samples import Samples, labeled_totals
from numbakmeans._engine.seeding import SEEDINGS, greedy
from numbakmeans._engine.seeding import oversampling as parallel
from numbakmeans._engine.seeding.plus_plus import leaves_of
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.draws import mixed
from numbakmeans._numba.entries import DISABLED

DTYPES = [np.float32, np.float64]
#: The methods that take weights, and are functions of uniform numbers.
METHODS = ["++", "greedy ++", "parallel ++"]
#: Most picks: what a case is about shows in fewer, and the oracle takes long.
MOST = 24
NAMES = [*edge_cases.cases(np.float64), *edge_cases.not_finite(np.float64)]


@pytest.fixture(params=["quantized", "not quantized"])
def quantized(request, monkeypatch):
    """Quantize rows whatever the number of picks, or never."""
    monkeypatch.setattr(at, "MIN_QUANTIZED_PICKS", 0 if request.param == "quantized" else 10**9)
    monkeypatch.setattr(at, "MIN_QUANTIZED_STEPS", 0)


@pytest.fixture
def slabs(monkeypatch):
    """Make slabs as small as possible, for all data that is not used in place."""
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 0)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 0)


def draws_of(method, n_samples, n_clusters, weights, number=0):
    rng = np.random.default_rng([n_samples, n_clusters, number])
    return SEEDINGS[method].draw(rng, n_samples, n_clusters, 1, weights)


def right_picks(method, X, n_clusters, draws, weights):
    """Return the oracle's picks."""
    integers, reals = draws[0], draws[1].tolist()
    if method == "greedy ++":
        return oracle.greedy_plus_plus(X, reals, n_clusters, weights)
    if method == "parallel ++":
        return oracle.parallel_plus_plus(X, int(integers[0]), reals, n_clusters, weights)
    first, *rest = reals if weights is not None else [int(integers[0]), *reals]
    return oracle.plus_plus(X, first, rest, weights)


@functools.cache
def right_answers(method, name, dtype):
    """Return weights, draws and the oracle's centers for an edge case, with and without weights."""
    X, centers = {**edge_cases.cases(dtype), **edge_cases.not_finite(dtype)}[name]
    n_clusters, answers = min(len(centers), MOST), {}
    for kind, weights in {"none": None, **heavy.cases(len(X))}.items():
        draws = draws_of(method, len(X), n_clusters, weights)
        right = X[right_picks(method, X, n_clusters, draws, weights)].astype(np.float64)
        answers[kind] = weights, draws, right
    return X, n_clusters, answers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_edge_cases(method, name, dtype, quantized, threads):
    X, n_clusters, answers = right_answers(method, name, dtype)
    for kind, (weights, draws, right) in answers.items():
        got = SEEDINGS[method].place(Samples(X, weights), n_clusters, *draws)
        assert got.tobytes() == right.tobytes(), kind


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_slabs(method, name, dtype, slabs):
    X, n_clusters, answers = right_answers(method, name, dtype)
    for kind, (weights, draws, right) in answers.items():
        swapped = Samples(X.astype(X.dtype.newbyteorder()), weights)
        assert swapped.X is None or len(X) <= at.MIN_SLAB_ROWS
        assert SEEDINGS[method].place(swapped, n_clusters, *draws).tobytes() == right.tobytes(), kind


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
def test_many_leaves(method, dtype, quantized, threads):
    X, _ = edge_cases.wide_enough(dtype, 5000)
    assert _plan.sweep(X.shape, work=X.size).n_tasks == threads
    assert len(leaves_of(len(X)).depths) >= 3 * threads
    for kind in ("none", "zeros and ties", "random"):
        weights = None if kind == "none" else heavy.cases(len(X))[kind]
        draws = draws_of(method, len(X), 12, weights)
        right = X[right_picks(method, X, 12, draws, weights)].astype(np.float64)
        got = SEEDINGS[method].place(Samples(X, weights), 12, *draws)
        assert got.tobytes() == right.tobytes(), kind


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_are_quantized_in_part(method, monkeypatch):
    """Only the leaves that fit into memory are quantized."""
    X = np.random.default_rng(5).normal(size=(1500, 7))
    weights = heavy.cases(len(X))["random"]
    draws = draws_of(method, len(X), 40, weights)
    right = X[right_picks(method, X, 40, draws, weights)]
    asked = []
    monkeypatch.setattr(_plan, "quantized_leaves", lambda *_: asked.append(1) or 5)
    assert SEEDINGS[method].place(Samples(X, weights), 40, *draws).tobytes() == right.tobytes()
    assert asked


@pytest.mark.parametrize("method", METHODS)
def test_a_candidate_out_of_reach(method, quantized):
    """Outliers beyond the range of quantized rows, and of float32."""
    for size in (1e9, 1e60, 1e120):
        X = np.random.default_rng(6).normal(size=(700, 3))
        X[[77, 400]] *= size
        draws = draws_of(method, len(X), 9, None)
        right = right_picks(method, X, 9, draws, None)
        assert 77 in right or 400 in right
        assert SEEDINGS[method].place(Samples(X), 9, *draws).tobytes() == X[right].tobytes()


# --- Weights


@pytest.mark.parametrize("edge", [0.0, 1e-300, 0.5, np.nextafter(1, 0)])
def test_rows_of_weight_zero_are_not_picked(edge, quantized):
    X = np.random.default_rng(0).normal(size=(300, 4))
    weights = np.where(np.arange(300) % 5 == 2, 0.3, 0.0)
    for method in ("++", "greedy ++"):
        n = 1 + 9 * (1 if method == "++" else greedy.trials_of(10))
        draws = np.empty(0, np.int64), np.full(n, edge)
        got = SEEDINGS[method].place(Samples(X, weights), 10, *draws)
        right = right_picks(method, X, 10, draws, weights)
        assert got.tobytes() == X[right].tobytes()
        assert (weights[right] > 0).all()
        assert len(set(right)) == 10


@pytest.mark.parametrize("method", ["greedy ++", "parallel ++"])
def test_weights_of_one_change_nothing(method):
    X = np.random.default_rng(1).normal(size=(4000, 5)).astype(np.float32)
    plain, weighted = Samples(X), Samples(X, np.ones(len(X)))
    for number in range(5):
        first, second = (seed(each, 30, method, np.random.default_rng(number)) for each in (plain, weighted))
        assert first.tobytes() == second.tobytes()


def test_weights_in_any_layout():
    X = np.random.default_rng(1).normal(size=(500, 5))
    weights = np.random.default_rng(2).random(1000)[::2]
    for method in ("points", *METHODS):
        first, second = (
            seed(Samples(X, each), 8, method, np.random.default_rng(3)) for each in (weights, weights.copy())
        )
        assert first.tobytes() == second.tobytes()


def test_a_gaussian_takes_no_weights():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    with pytest.raises(ValueError, match="'random' does not take weights"):
        seed(Samples(np.ones((5, 2)), np.ones(5)), 2, "random", rng)
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("n_samples", [1, 2, 7, 40, 2000])
def test_points_are_drawn_by_weight(n_samples, make):
    X = np.arange(n_samples * 2.0).reshape(-1, 2)
    for kind, weights in heavy.cases(n_samples).items():
        for n_clusters in {1, min(4, n_samples), n_samples // 2 + 1, n_samples}:
            rngs = make(n_clusters), make(n_clusters)
            got = seed(Samples(X, weights), n_clusters, "points", rngs[0])
            rows = oracle.points(rngs[1], n_samples, n_clusters, weights)
            assert got.tobytes() == X[rows].tobytes(), kind
            assert len(set(rows)) == n_clusters
            assert rngs[0].random() == rngs[1].random()
            enough = np.count_nonzero(weights) >= n_clusters
            assert not enough or kind in ("of any magnitude", "one outweighs all") or weights[rows].all()


@pytest.mark.parametrize("method", ["points", "++", "greedy ++"])
def test_heavy_rows_are_picked_more_often(method):
    """The first pick is proportional to the weight, within four standard deviations."""
    X, weights = np.arange(6.0)[:, None], np.array([1.0, 5.0, 0.0, 2.0, 0.5, 1.5])
    rng, counts = np.random.default_rng(7), np.zeros(6)
    for _ in range(2000):
        counts[int(seed(Samples(X, weights), 1, method, rng)[0, 0])] += 1
    expected = 2000 * weights / weights.sum()
    assert (np.abs(counts - expected) <= 4 * np.sqrt(expected)).all()


# --- Greedy k-means++


def test_greedy_picks_are_scikit_learns(quantized):
    """On data without near-ties, of one magnitude, from the same RandomState."""
    cluster = pytest.importorskip("sklearn.cluster")
    rng = np.random.default_rng(0)
    same = 0
    for number in range(10):
        X = rng.normal(size=(2000, 6)) + 8 * rng.integers(0, 3, size=(2000, 1))
        weights = rng.random(2000) if number % 2 else None
        centers, _ = cluster.kmeans_plusplus(
            X, 15, sample_weight=weights, random_state=np.random.RandomState(number)
        )
        got = seed(Samples(X, weights), 15, "greedy ++", np.random.RandomState(number))
        same += np.array_equal(got, centers)
    # The running sums differ in their last bits, which rarely matters.
    assert same >= 9


def test_the_first_of_equal_candidates_wins():
    """Two rows, mirrored, leave the same potential: the first draw decides."""
    X = np.array([[0.0], [-4.0], [4.0], [-4.0], [4.0]])
    n_trials = greedy.trials_of(2)
    low, high = [0.1] * n_trials, [0.9] * n_trials
    for uniforms, right in ((low, -4.0), (high, 4.0), (low[:1] + high[1:], -4.0), (high[:1] + low[1:], 4.0)):
        draws = np.empty(0, np.int64), np.array([0.1, *uniforms])
        assert greedy.place(Samples(X), 2, *draws).ravel().tolist() == [0.0, right]


def test_greedy_leaves_a_lower_potential():
    """What it is for: the negative control of all that compares it with '++'."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(50, 8))[rng.integers(50, size=4000)] * 5 + rng.normal(size=(4000, 8))

    def potential(method, number):
        centers = seed(Samples(X), 50, method, np.random.default_rng(number))
        return oracle.sq_dists(X, centers).min(1).sum()

    means = {method: np.mean([potential(method, n) for n in range(8)]) for method in ("points", *METHODS)}
    assert means["greedy ++"] < 0.95 * means["++"] < 0.8 * means["points"]
    assert means["parallel ++"] < 0.95 * means["++"]


@pytest.mark.parametrize("method", METHODS)
def test_the_generator_ends_in_the_same_state_for_any_data(method):
    states = []
    for X in (np.zeros((50, 2)), np.random.default_rng(0).normal(size=(50, 3))):
        rng = np.random.default_rng(1)
        seed(Samples(X), 7, method, rng)
        states.append(rng.bit_generator.state)
    assert states[0] == states[1]


# --- k-means||


@kernel
def write_mixed(key, numbers):
    for i in range(len(numbers)):
        numbers[i] = mixed(key, i)


@pytest.mark.parametrize("key", [0, 1, 1234567, 2**63 - 2, -5])
def test_counted_numbers(key):
    numbers = np.empty(50, np.int64)
    write_mixed(key, numbers)
    assert numbers.view(np.uint64).tolist() == [oracle.split_mix(key, i) for i in range(50)]


def test_split_mix_is_the_published_generator():
    """The first numbers for the seed 1234567, as the reference implementation in C prints them."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [oracle.split_mix(1234567, i) for i in range(3)] == known


def test_samples_of_a_part_are_the_part_of_the_samples(threads):
    """A row is sampled by its own number: no other row matters but through the potential."""
    D, sampled = np.random.default_rng(0).random(5000), np.empty(5000, np.bool_)
    draw = (77, 3, 0, 400.0, D.sum())
    plan = _plan.sweep((len(D), 1), work=len(D))
    parallel.SAMPLE_ROWS.on(plan.parallel)(plan.n_tasks, D, None, draw, sampled)
    right = np.isin(np.arange(5000), oracle_samples(D, draw))
    assert np.array_equal(sampled, right)
    assert 320 < sampled.sum() < 480
    for first in (0, 1, 2345, 4000):
        some = np.empty(1000, np.bool_)
        of_part = (77, 3, first, 400.0, D.sum())
        oversampling.sample_rows(0, 1, D[first : first + 1000], None, of_part, some)
        assert np.array_equal(some, sampled[first : first + 1000])


def oracle_samples(D, draw):
    key, turn, _, expected, potential = draw
    stream = oracle.split_mix(key, turn)
    uniforms = np.array([(oracle.split_mix(stream, i) >> 11) * 2.0**-53 for i in range(len(D))])
    return np.flatnonzero(uniforms < expected * D / potential)


@pytest.mark.parametrize("name", [None, *heavy.cases(97)])
def test_the_first_row_is_drawn_by_exact_sums(name):
    weights = None if name is None else heavy.cases(97)[name]
    rounds = parallel.Rounds(Samples(np.zeros((97, 1)), weights))
    uniforms = [0.0, 2.0**-53, *np.arange(1, 97) / 97, *np.random.default_rng(0).random(50), 1 - 2.0**-53]
    for uniform in uniforms:
        assert rounds.first(float(uniform)) == oracle.exactly_drawn_row(97, weights, float(uniform))


def test_rounds_sample_other_rows():
    D, draws = np.ones(3000), [np.empty(3000, np.bool_) for _ in range(2)]
    for turn, sampled in enumerate(draws):
        oversampling.sample_rows(0, 1, D, None, (5, turn, 0, 600.0, 3000.0), sampled)
    assert 480 < draws[0].sum() < 720
    assert (draws[0] & draws[1]).sum() < 200


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_distinct", [1, 3, 20])
def test_fewer_candidates_than_clusters(n_distinct, dtype, threads):
    X = np.repeat(np.random.default_rng(1).normal(size=(n_distinct, 3)), 30, axis=0).astype(dtype)
    for weights in (None, heavy.cases(len(X))["zeros and ties"]):
        draws = draws_of("parallel ++", len(X), 25, weights)
        picks = right_picks("parallel ++", X, 25, draws, weights)
        got = parallel.place(Samples(X, weights), 25, *draws)
        assert got.tobytes() == X[picks].astype(np.float64).tobytes()
        assert len(np.unique(got, axis=0)) == n_distinct


def test_both_ways_to_end_are_tested(monkeypatch):
    """Some cases have more candidates than clusters; in others, all candidates are kept."""
    reduced, place = [], greedy.place
    monkeypatch.setattr(greedy, "place", lambda *arguments: reduced.append(name) or place(*arguments))
    names = ("normal", "as many clusters as rows", "all rows equal")
    for name in names:
        X, n_clusters, answers = right_answers("parallel ++", name, np.float64)
        parallel.place(Samples(X), n_clusters, *answers["none"][1])
    assert 0 < len(reduced) < len(names)


def test_weights_of_labels_are_exact():
    values = np.array([1e16, 1.0, 1.0, -0.0, 3e-320, 1e300, 0.5])
    labels = np.array([0, 0, 0, 2, 2, 3, 3], np.int32)
    assert labeled_totals(values, labels, 5).tolist() == [1e16 + 2, 0.0, 3e-320, 1e300, 0.0]


# --- What is compiled

COMPILED = """
import sys
import numpy as np
from numbakmeans._engine.fit import seed
from numbakmeans._engine.kernels import plus_plus
from numbakmeans._engine.samples import Samples

X = np.random.default_rng(0).normal(size=(300, 4))
weights = np.ones(300) if sys.argv[1:] else None
seed(Samples(X, weights), 5, "++", np.random.default_rng(0))
assert plus_plus.pick_row.dispatcher.overloads
print(len(plus_plus.weigh.dispatcher.overloads))
"""


@pytest.mark.skipif(DISABLED, reason="nothing is compiled")
@pytest.mark.parametrize(("given", "n_functions"), [((), "0"), (("weights",), "1")])
def test_code_for_weights_is_compiled_where_there_are_any(given, n_functions):
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": "off", "NUMBA_OPT": "0"}
    command = [sys.executable, "-c", COMPILED, *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == n_functions, done.stderr


# --- SciPy's functions


@pytest.mark.parametrize("method", ["greedy ++", "parallel ++"])
def test_scipys_functions_do_not_take_other_methods(method):
    X = np.random.default_rng(0).normal(size=(40, 2))
    words = r"minit must be one of \('random', 'points', '\+\+', 'matrix'\)"
    with pytest.raises(ValueError, match=words):
        kmeans2(X, 3, minit=method)
    with pytest.raises(ValueError, match=words):
        kmeans2_batch(X[None], 3, minit=method)


# --- Negative controls

HERE = Path(__file__)
FAULTS = {
    "a weight ignored": (
        "plus_plus.py",
        "masses[r] = w * sq_dists[r] if w > 0.0 else 0.0",
        "masses[r] = sq_dists[r]",
        "test_many_leaves",
    ),
    "a weight ignored where a leaf is searched": (
        "plus_plus.py",
        "                    mass = weights[i] * mass if weights[i] > 0.0 else 0.0\n                running",
        "                    mass = 1.0 * mass\n                running",
        "test_many_leaves",
    ),
    "the potential of the last candidate ignored": (
        "greedy.py",
        "range(1, len(trials.rows))",
        "range(1, len(trials.rows) - 1)",
        "test_many_leaves[greedy",
    ),
    "the last of equal candidates": (
        "greedy.py",
        "if potential < least",
        "if potential <= least",
        "test_the_first_of_equal_candidates_wins",
    ),
    "rows of a leaf forgotten": (
        "greedy.py",
        "for s in range(n_near):",
        "for s in range(n_near - 1):",
        "test_many_leaves[greedy",
    ),
    "rounds that sample by the same numbers": (
        "oversampling.py",
        "mixed(key, turn)",
        "mixed(key, 0)",
        "test_many_leaves[parallel",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault, tmp_path):
    file, old, new, test = FAULTS[fault]
    copy_with(tmp_path, f"_engine/kernels/{file}", old, new)
    test, _, method = test.partition("[")
    tests = [f"{HERE}::{test}", *(["-k", method] if method else [])]
    result = run_tests(tmp_path, *tests)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "AssertionError" in result.stdout


def test_the_masses_are_the_oracles():
    D, weights = np.array([np.inf, 2.0, np.inf, 3.0]), np.array([0.0, 0.5, 2.0, 0.0])
    masses = np.empty(4)
    plus_plus.weigh(D, weights, 0, masses)
    assert masses.tolist() == [0.0, 1.0, math.inf, 0.0]
