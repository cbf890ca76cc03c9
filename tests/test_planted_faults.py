"""Negative controls of the suite: faults planted in a copy of the package make its comparisons fail."""

import json
import signal

import numpy as np
import pytest
from support import edge_cases
from support.background import run_in_background
from support.environments import TESTS
from support.package_copies import copy_package, copy_with, run, run_tests

#: What is wrong: file, code, code with the fault, algorithm and dtype that show it.
FAULTS = {
    "a bound too small by 1000": (
        "_engine/kernels/certify.py",
        "1.05 * ",
        "0.00105 * ",
        "certified",
        "float32",
    ),
    "norms of other rows": (
        "_engine/kernels/yinyang.py",
        "norms[c] = norms[selected[c]]",
        "norms[c] = norms[c]",
        "yinyang",
        "float32",
    ),
    "a fused operation in the reference distance": (
        "_numba/compiler.py",
        '"fastmath": False',
        '"fastmath": {"contract"}',
        "lloyd",
        "float64",
    ),
    "the last column skipped": (
        "_engine/kernels/pack.py",
        "if j < 0 or",
        "if c == columns - 1 or j < 0 or",
        "certified",
        "float32",
    ),
    "candidates other than the best forgotten": (
        "_engine/kernels/certify.py",
        "        error = error_of(packed.errors, p, norm)\n        if best",
        "        error = -error_of(packed.errors, p, norm)\n        if best",
        "certified",
        "float32",
    ),
    "lanes of other rows": (
        "_engine/kernels/certify.py",
        "score_lanes(lanes[b],",
        "score_lanes(lanes[0],",
        "certified, transposed",
        "float32",
    ),
    "centers that are left out": (
        "_engine/kernels/certify.py",
        "minimum(columns, len(packed.distinct) - p * columns)",
        "minimum(columns // 2, len(packed.distinct) - p * columns)",
        "certified, transposed",
        "float32",
    ),
    "the second best of a panel forgotten": (
        "_engine/simd/lanes.py",
        "v.smaller(next_least, builder.select(wins, own, at_least))",
        "builder.select(wins, own, at_least)",
        "certified",
        "float32",
    ),
    "an order that rounding may reverse": (
        "_engine/kernels/certify.py",
        "reach = smallest * (1.0 + (X.shape[1] + 4) * 2.0**-50) + X.shape[1] * 2.0**-1070",
        "reach = smallest",
        "certified",
        "float64",
    ),
    "a tie for the higher index": (
        "_engine/kernels/certify.py",
        "total == sq_dist and j < label",
        "total == sq_dist and j > label",
        "certified",
        "float32",
    ),
    "drifts that are too small": (
        "_engine/kernels/bounds.py",
        "bound = (lower[g, r] - moved) * shrink",
        "bound = (lower[g, r] - moved / 2) * shrink",
        "yinyang",
        "float32",
    ),
    "bounds without the error of the scores": (
        "_engine/kernels/bounds.py",
        "(two if winner[t] == own else one) - (",
        "(two if winner[t] == own else one) + 1000 * (",
        "yinyang",
        "float32",
    ),
    "reference distances that are too large for a bound": (
        "_engine/kernels/certify.py",
        "(next_nearest * scale * scale - norm * norm) + error",
        "(next_nearest * scale * scale) + error",
        "yinyang",
        "float32",
    ),
    "the nearest fast center forgotten": (
        "_engine/kernels/fast_centers.py",
        "other = second[p, r] if columns[p, r] + p * width == own else best[p, r]",
        "other = second[p, r]",
        "yinyang, fast centers",
        "float32",
    ),
    "a group whose fast centers are forgotten": (
        "_engine/kernels/bounds.py",
        "np.float32(0.0 if drifts.has_fast[g] else np.inf)",
        "np.float32(np.inf)",
        "yinyang, fast centers",
        "float32",
    ),
    "limits that rise too far": (
        "_engine/kernels/coarse_pairs.py",
        "(a * d + 0.5 * d * d + 0.5) * (1.0 + MARGIN) + 1.0",
        "0.1 * a * d",
        "yinyang, coarse rows",
        "float32",
    ),
    "a panel left out in the end": (
        "_engine/kernels/coarse_pairs.py",
        "np.int64(best[t]) - tops[t] < far[t]",
        "best[t] == tops[t]",
        "yinyang, coarse rows",
        "float64",
    ),
    "half of the words of coarse rows": (
        "_engine/simd/coarse.py",
        "with cgutils.for_range(builder, self.n_words) as word:",
        "with cgutils.for_range(builder, builder.udiv(self.n_words, I64(2))) as word:",
        "yinyang, coarse rows",
        "float32",
    ),
    "projections that are too far apart": (
        "_engine/kernels/pairs.py",
        "safe_root(square) - widest)",
        "safe_root(square) + 0.2)",
        "yinyang",
        "float32",
    ),
    "pairs dropped that projections leave open": (
        "_engine/kernels/pairs.py",
        "(upper[chosen[c]] + pairs.reaches[c] + widest)",
        "0.8 * upper[chosen[c]]",
        "yinyang",
        "float32",
    ),
    "a center that rounding makes nearer than its rivals": (
        "_engine/kernels/pairs.py",
        "off = root * loss + 2.0**-22 * (norms[i] + singles.norms[j]) + TINY",
        "off = 0.0",
        "yinyang",
        "float32",
    ),
    "a bound that forgets the center that was left": (
        "_engine/kernels/pairs.py",
        "            lower[g, i - start] = minimum(lower[g, i - start], np.float32(own_low * (1.0 - WIDEN)))\n",  # noqa: E501
        "",
        "yinyang",
        "float32",
    ),
    "bounds of a pass before the last": (
        "_engine/kernels/yinyang.py",
        "elif bounded:",
        "elif start < 0:",
        "yinyang, transposed",
        "float32",
    ),
    "bounds of centers that had a duplicate": (
        "_engine/kernels/bounds.py",
        "np.inf if duplicates[g] else MIN_BOUND",
        "MIN_BOUND",
        "yinyang",
        "float32",
    ),
    "a center dropped within rounding of the best": (
        "_engine/kernels/filtering.py",
        "gaps[c] + margin * sizes[c] + least < 0.0",
        "gaps[c] < 1e-12 * sizes[c]",
        "filtering",
        "float64",
    ),
    "a block moved without one of its rows": (
        "_engine/kernels/cells.py",
        "add_lanes(block, len(rows),",
        "add_lanes(block, len(rows) - 1,",
        "filtering",
        "float64",
    ),
    "the drift of another group": (
        "_engine/kernels/bounds.py",
        "moved = drifts.largest[g]",
        "moved = drifts.largest[(g + 1) % n_groups]",
        "yinyang",
        "float32",
    ),
    "a moved row left in its old cluster": (
        "_engine/kernels/sums.py",
        "            source[0, f] -= part\n",
        "",
        "certified",
        "float32",
    ),
    "a lane left in its old sums": (
        "_engine/kernels/sums.py",
        "            sums[old, p, f] -= part\n",
        "",
        "small",
        "float64",
    ),
    "a lane left out of the first sums": (
        "_engine/kernels/sums.py",
        "parts[p, f, t] if new_labels[t] == j else 0",
        "parts[p, f, t] if new_labels[t] == j and t > 0 else 0",
        "small",
        "float64",
    ),
    "uncertain means that are not recomputed": (
        "_engine/samples.py",
        "        recompute_means(tables, single, centers)\n",
        "        tables.uncertain[:] = False\n",
        "lloyd",
        "float64",
    ),
    "uncertain means of few rows that are not recomputed": (
        "_engine/algorithms/small.py",
        "recompute_means_of_rows(*of_rows, samples.single, centers, tables.uncertain)",
        "tables.uncertain[:] = False",
        "small",
        "float64",
    ),
}


#: Planting it changes nothing, but reloads and compiles everything that a fault there would.
NO_FAULT = "no fault"


@pytest.fixture(scope="module")
def differences(request, tmp_path_factory):
    """Yield a function that returns the differences from the oracle, by fault and by faultless algorithm."""

    # Not in the threads: the first two that ask pytest for a folder at once may not get a path.
    copies = tmp_path_factory.mktemp("copies")

    items = [item for item in request.session.items if item.path == request.path]
    cases = [item.callspec.params for item in items if hasattr(item, "callspec")]
    selected = {(case["fault"], case["dtype"]) for case in cases if {"fault", "dtype"} <= case.keys()}

    def compare(dtype):
        folder = copies / dtype
        copy_package(folder)
        faults = [[fault, *FAULTS[fault][:-1]] for fault in FAULTS if (fault, dtype) in selected]
        faults.append([NO_FAULT, "_engine/kernels/certify.py", "decide", "decide", "certified"])
        done = run(folder, "-m", "support.faults_program", dtype, input=json.dumps(faults))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(line) for line in done.stdout.splitlines()), done.stderr

    yield from run_in_background(request, compare, "dtype")


@pytest.mark.parametrize(("fault", "dtype"), [(fault, what[-1]) for fault, what in FAULTS.items()])
def test_a_fault_is_found(fault, dtype, differences):
    found, errors = differences(dtype)
    assert found.get(fault) in edge_cases.cases(np.float64), errors


@pytest.mark.parametrize(("algorithm", "dtype"), sorted({what[-2:] for what in FAULTS.values()}))
def test_without_a_fault_nothing_differs(algorithm, dtype, differences):
    found, errors = differences(dtype)
    assert found.get(algorithm, "not compared") is None, errors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reloading_changes_nothing(dtype, differences):
    found, errors = differences(dtype)
    assert found.get(NO_FAULT, "not compared") is None, errors


@pytest.mark.parametrize(
    ("file", "old", "new", "test"),
    [
        (
            "tiles.py",
            "sum_over(n_features,",
            "sum_over(builder.add(n_features, I64(1)),",
            "test_nothing_is_read_or_written_past_the_buffers",
        ),
        (
            "lanes.py",
            "sum_over(n_features,",
            "sum_over(builder.add(n_features, I64(1)),",
            "test_transposed_rows_stay_within_the_buffers",
        ),
        (
            "transposition.py",
            'builder.icmp_unsigned("<=", each, end) for each in ends',
            'builder.icmp_unsigned("<=", end, end) for each in ends',
            "test_transposed_rows_stay_within_the_buffers",
        ),
    ],
)
def test_a_tile_that_reads_past_its_buffer_dies(file, old, new, test, tmp_path):
    copy_with(tmp_path, f"_engine/simd/{file}", old, new)
    test = f"{TESTS / 'test_simd.py'}::{test}"
    result = run_tests(tmp_path, test)
    assert result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


#: Faults that the oracle does not reveal: file, code, code with the fault, the test that fails, and how.
OTHER_FAULTS = {
    "bounds not widened for rounding": (
        "_engine/kernels/bounds.py",
        "WIDEN, MIN_BOUND = 2.0**-19,",
        "WIDEN, MIN_BOUND = 0.0,",
        "test_algorithms.py::test_bounds_hold_in_every_pass",
        "assert n_broken == 0",
    ),
    "errors of coarse rows forgotten": (
        "_engine/kernels/coarse_pairs.py",
        "rows.upper[i] * per_unit + lanes.errors[t],",
        "rows.upper[i] * per_unit,",
        "test_algorithms.py::test_rows_between_centers_are_decided",
        "assert np.array_equal(got.labels",
    ),
    "errors of coarse centers forgotten": (
        "_engine/kernels/coarse_pairs.py",
        "reach = reaches[t] + widest",
        "reach = reaches[t]",
        "test_algorithms.py::test_rows_between_centers_are_decided",
        "assert np.array_equal(got.labels",
    ),
    "bounds without the errors of coarse rows": (
        "_engine/kernels/coarse_pairs.py",
        "(root - errors[t] - widest)",
        "(root + errors[t] + widest)",
        "test_algorithms.py::test_rows_between_centers_are_decided",
        "assert np.array_equal(got.labels",
    ),
    "a stack that is not aligned": (
        "_engine/simd/vectors.py",
        '"stackrealign"',
        '"no-realign-stack"',
        "test_simd.py::test_spilled_vectors_are_aligned",
        "assert stack_is_aligned",
    ),
    "a weight ignored in the sums of blocks": (
        "_engine/kernels/cells.py",
        "split_weighted(X, rows[r], weight, bins, rest, parts)",
        "split_weighted(X, rows[r], 1.0, bins, rest, parts)",
        "test_weights.py::test_many_rows_in_any_layout_and_in_slabs[float64-filtering]",
        "assert got.centers.tobytes() == expected.centers.tobytes()",
    ),
    "a weight ignored in the inertia": (
        "_engine/distances.py",
        "    if samples.weights is None:\n        return exact_sum(values)\n",
        "    return exact_sum(values)\n",
        "test_weights.py::test_inertia_is_the_exact_weighted_sum[normal-uniform]",
        "assert _fit.inertia_of(",
    ),
    "the rounding of weighted rows ignored": (
        "_engine/kernels/sums.py",
        "parts[p, f] = part + of_error",
        "parts[p, f] = part",
        "test_weights.py::test_every_algorithm_weighs_rows[uniform-float64-lloyd]",
        "assert differences(X, centers, weights_of(kind, len(X))",
    ),
    "a row relocated twice": (
        "_engine/relocation.py",
        "in enumerate(labels.tolist()):",
        "in [each for each in enumerate(labels.tolist()) for _ in range(2)]:",
        "test_relocation.py::test_every_algorithm_relocates_alike[ties-float64-False-lloyd]",
        "assert same(got, X, answers(name, dtype, weighted, n_iter))",
    ),
    "the last row of a cluster relocated": (
        "_engine/relocation.py",
        "if left[label] > 1:",
        "if left[label] > 0:",
        "test_relocation.py::test_every_algorithm_relocates_alike[few rows each-float64-False-lloyd]",
        "assert same(got, X, answers(name, dtype, weighted, n_iter))",
    ),
    "stale bounds after a relocation": (
        "_engine/algorithms/yinyang.py",
        "        self.lower[blocks, :, places] = 0.0\n",
        "",
        "test_relocation.py::test_bounds_hold_after_a_relocation[centers far out-float64]",
        "assert count_broken(algorithm, X, wide, labels) == 0",
    ),
    "stale labels of blocks after a relocation": (
        "_engine/algorithms/filtering.py",
        "self.labels[block], self.block_labels[b] = labels[self.order[block]], MIXED",
        "block = b",
        "test_relocation.py::test_every_algorithm_relocates_alike[centers far out-float64-False-filtering]",
        "assert same(got, X, answers(name, dtype, weighted, n_iter))",
    ),
    "a fixed center that moves": (
        "_engine/constraints.py",
        "            centers[self.fixed] = before[self.fixed]",
        "            centers[self.fixed] = centers[self.fixed]",
        "test_constraints.py::test_every_algorithm_constrains_centers_alike[normal-float64-fixed-lloyd]",
        "assert same(got, right",
    ),
    "a quotient that is taken for certain": (
        "_engine/kernels/unit_rows.py",
        "error, n_uncertain = 2.0**-98 + n * n * 2.0**-104, 0",
        "length_low, error, n_uncertain = 0.0, 0.0, 0",
        "test_constraints.py::test_rows_divided_by_their_lengths_are_the_oracles[50-float64]",
        "assert normalized(X).tobytes() == right.tobytes()",
    ),
    "options that come from the caller": (
        "_numba/compiler.py",
        '    "fastmath": False,\n',
        "",
        "test_entries.py::test_options_are_not_inherited_from_the_caller",
        "assert bounding_caller(1e16, 1.0) == 0.0",
    ),
}


@pytest.mark.parametrize("fault", OTHER_FAULTS)
def test_a_fault_fails_the_test_made_for_it(fault, tmp_path):
    file, old, new, test, words = OTHER_FAULTS[fault]
    copy_with(tmp_path, file, old, new)
    result = run_tests(tmp_path, f"{TESTS / test}")
    assert result.returncode == 1, result.stdout
    assert words in result.stdout


#: Calls from a prange, which must not use threads of their own.
PRANGE = """
import numpy as np
from numba import njit, prange
from numbakmeans import kmeans2

@njit(parallel=True)
def many(data, start):
    label = np.empty(data.shape[:2], np.int32)
    for b in prange(len(data)):
        label[b] = kmeans2(data[b], start, 3)[1]
    return label

# So large that Python answers each call, and would use threads.
data = np.random.default_rng(0).normal(size=(6, 9000, 8))
many(data, data[0, :50].copy())
"""


@pytest.mark.parametrize(
    ("guard", "code"), [("with runtime.one_thread():", 0), ("if True:", -signal.SIGABRT)]
)
def test_a_call_that_nests_parallel_regions_dies(guard, code, tmp_path, monkeypatch):
    line = "    {}\n        return tuple(map(_returned, _run(_Words(words))))"
    copy_with(tmp_path, "_nopython.py", line.format("with runtime.one_thread():"), line.format(guard))
    monkeypatch.setenv("NUMBA_THREADING_LAYER", "workqueue")
    # Not optimized: Numba optimizes a parallel function and all that it calls five times.
    result = run(tmp_path, "-c", PRANGE, NUMBA_NUM_THREADS="4", NUMBA_OPT="0")
    assert result.returncode == code, result.stderr
    assert ("Concurrent access has been detected" in result.stderr) == (code != 0)
