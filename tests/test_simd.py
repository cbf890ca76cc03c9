"""The register tiles: scores, the two best, edge cases, and which memory they may read."""

import mmap
import platform
import re
import signal
import subprocess

import numpy as np
import pytest
from numba.core.registry import cpu_target
from support.environments import importing_tests, program
from support.protected_pages import before_a_protected_page

import numbakmeans._engine.simd as _simd
from numbakmeans._engine.plan import MAX_COARSE_FEATURES
from numbakmeans._numba import compiler
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import kind_of


@kernel
def run_tile(rows, chosen, panels, half_norms, best, second, columns, out):
    for p in range(panels.shape[0]):
        _simd.score_tile(rows, chosen, 0, panels, half_norms, p, (best, second, columns))
        for r in range(len(chosen)):
            out[p, r, 0], out[p, r, 1], out[p, r, 2] = columns[r], best[r], second[r]


@kernel
def multiply_tile(rows, chosen, panels, out):
    for p in range(panels.shape[0]):
        _simd.product_tile(rows, chosen, 0, panels, p, out[p])


@kernel
def mark_tile(rows, chosen, panels, half_norms, panel, limits, hits, least):
    _simd.near_tile(rows, chosen, 0, panels, half_norms, panel, (limits, hits, least))


@kernel
def shape_of(X):
    return _simd.tile_rows(X), _simd.tile_columns(X), _simd.tile_lanes(X)


def buffers(dtype, n_features, n_panels, allocate=np.empty, narrow=False):
    n_rows, columns, lanes = shape_of(np.empty((1, 1), dtype))
    columns = columns // 2 if narrow else columns
    return (
        allocate((n_rows, n_features), dtype),
        allocate((n_rows,), np.int64),
        allocate((n_panels, n_features, columns), dtype),
        allocate((n_panels, columns), dtype),
        allocate((lanes,), dtype),
        allocate((lanes,), dtype),
        allocate((lanes,), np.int32),
    )


def fill(rows, chosen, panels, half_norms):
    # Small integers: every order of the additions gives the same score.
    rng = np.random.default_rng(rows.shape[1])
    for array in (rows, panels, half_norms):
        array[...] = rng.integers(-9, 9, size=array.shape)
    chosen[...] = rng.integers(0, len(rows), size=len(chosen))


def expected(rows, chosen, panels, half_norms):
    return half_norms[:, None, :] + np.einsum("rf,pfc->prc", rows[chosen], panels)


def check(arrays, allocate=np.empty):
    rows, chosen, panels, half_norms = arrays[:4]
    out = np.empty((len(panels), len(rows), 3))
    run_tile(*arrays, out)
    scores = expected(rows, chosen, panels, half_norms)
    assert np.array_equal(out[:, :, 1:], np.sort(scores, axis=2)[:, :, :2])
    columns = out[:, :, 0].astype(int)
    assert np.array_equal(np.take_along_axis(scores, columns[:, :, None], 2)[:, :, 0], out[:, :, 1])
    if panels.shape[2] == shape_of(rows)[1]:
        products = np.ones((len(panels), len(rows), panels.shape[2]), rows.dtype)
        multiply_tile(rows, chosen, panels, products)
        assert np.array_equal(products, 1 + scores - half_norms[:, None, :])
        check_marks(arrays, scores, allocate)


def check_marks(arrays, scores, allocate):
    rows, chosen, panels, half_norms, least = arrays[:5]
    limits, hits = allocate((len(rows),), rows.dtype), allocate((len(rows),), np.int64)
    for p in range(len(panels)):
        # Limits between the scores of a row, and below and above all of them.
        limits[:] = np.median(scores[p], axis=1)
        limits[0], limits[-1] = scores[p, 0].min(), np.inf
        mark_tile(rows, chosen, panels, half_norms, p, limits, hits, least)
        below = scores[p] < limits[:, None]
        assert [[word >> c & 1 for c in range(panels.shape[2])] for word in hits.tolist()] == below.tolist()
        assert np.array_equal(least[: len(rows)], np.where(below, np.inf, scores[p]).min(1))
        assert not below[0].any()
        assert below[-1].all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 3, 17, 128])
@pytest.mark.parametrize("n_panels", [1, 2, 5])
@pytest.mark.parametrize("narrow", [False, True])
def test_a_tile_scores_rows_against_panels(dtype, n_features, n_panels, narrow):
    arrays = buffers(dtype, n_features, n_panels, narrow=narrow)
    fill(*arrays[:4])
    check(arrays)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_nan_score_is_below_any_limit(dtype):
    rows, chosen, panels, half_norms, least, *_ = buffers(dtype, 3, 1)
    fill(rows, chosen, panels, half_norms)
    half_norms[0, 1] = np.nan
    limits, hits = np.full(len(rows), -np.inf, dtype), np.empty(len(rows), np.int64)
    mark_tile(rows, chosen, panels, half_norms, 0, limits, hits, least)
    assert (hits == 0b10).all()
    assert np.array_equal(
        least[: len(rows)], np.nanmin(expected(rows, chosen, panels, half_norms)[0], axis=1)
    )


@kernel
def run_lanes(rows, chosen, panels, half_norms, n_columns, block, best, second, columns):
    _simd.transpose_rows(rows, chosen, 0, block)
    for p in range(panels.shape[0]):
        of_panel = (best[p], second[p], columns[p])
        _simd.score_lanes(block, panels, half_norms, p, (n_columns, 0), of_panel)


@kernel
def lane_rows(X):
    return _simd.lane_rows(X)


def lanes(dtype, n_features, n_panels, n_columns, allocate=np.empty, narrow=False):
    """Return the arrays of `run_lanes` and its results for transposed rows."""
    _, columns, _ = shape_of(np.empty((1, 1), dtype))
    columns = columns // 2 if narrow else columns
    width = lane_rows(np.empty(0, dtype))
    arrays = (
        allocate((width + 5, n_features), dtype),
        allocate((width,), np.int64),
        allocate((n_panels, n_features, columns), dtype),
        allocate((n_panels, columns), dtype),
    )
    fill(*arrays)
    results = [allocate((n_panels, width), kind) for kind in (dtype, dtype, np.int32)]
    block = allocate((n_features, width), dtype)
    run_lanes(*arrays, columns if n_columns is None else n_columns, block, *results)
    return *arrays, block, results


def check_lanes(dtype, n_features, n_panels, narrow, allocate):
    *arrays, block, (best, second, columns) = lanes(dtype, n_features, n_panels, None, allocate, narrow)
    assert np.array_equal(block, arrays[0][arrays[1]].T)
    scores = expected(*arrays)
    assert np.array_equal(np.stack([best, second], 2), np.sort(scores, axis=2)[:, :, :2])
    # The first of equal scores wins.
    assert np.array_equal(columns, scores.argmin(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 2, 3, 8, 17, 128])
@pytest.mark.parametrize("n_panels", [1, 2])
@pytest.mark.parametrize("narrow", [False, True])
def test_lanes_score_transposed_rows(dtype, n_features, n_panels, narrow):
    check_lanes(dtype, n_features, n_panels, narrow, np.empty)


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3, 8, 17])
@pytest.mark.parametrize("narrow", [False, True])
def test_transposed_rows_stay_within_the_buffers(dtype, n_features, narrow):
    check_lanes(dtype, n_features, 2, narrow, before_a_protected_page)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_without_centers_are_left_out(dtype):
    columns = shape_of(np.empty((1, 1), dtype))[1]
    seen = set()
    for n_columns in range(columns + 1):
        *arrays, _, (best, second, numbers) = lanes(dtype, 3, 1, n_columns)
        scores = expected(*arrays)[0]
        # It may score a few more columns than asked for, to fill the registers.
        fitting = [
            n
            for n in range(n_columns, columns + 1)
            if np.array_equal(best[0], np.min(scores[:, :n], axis=1, initial=np.inf))
            and np.array_equal(
                second[0], np.sort(scores[:, :n])[:, 1] if n > 1 else np.full(len(scores), np.inf)
            )
            and np.array_equal(numbers[0], scores[:, :n].argmin(1) if n else np.zeros(len(scores)))
        ]
        assert fitting
        seen.add(min(fitting))
    # The control: not always all of them.
    assert len(seen) > 1
    assert 0 in seen


@kernel
def run_coarse(rows, chosen, panels, begins, block, limits, hits, most):
    _simd.transpose_rows(rows, chosen, 0, block)
    for p in range(len(panels)):
        _simd.near_coarse(block, panels, begins, p, panels.shape[2], (limits, hits[p], most))


@kernel
def run_rising(rows, chosen, panels, begins, block, far, hits, most, best, tops, places):
    _simd.transpose_rows(rows, chosen, 0, block)
    for p in range(len(panels)):
        found = (far, hits[p], most, best, tops[p], places[p])
        _simd.rising_coarse(block, panels, begins, p, panels.shape[2], found)
        for t in range(len(best)):
            best[t] = max(best[t], tops[p, t])


def coarse_arrays(n_words, n_panels, allocate, extreme=False):
    """Return rows and centers in words, what their scores start from, and the scores."""
    width, columns = lane_rows(np.empty(0, np.float32)), shape_of(np.empty((1, 1), np.float32))[1]
    rng, most = np.random.default_rng(n_words), 127
    steps, others = (
        most * rng.choice([-1, 1], size=(n, 4 * n_words))
        if extreme
        else rng.integers(-most, most + 1, size=(n, 4 * n_words))
        for n in (width + 3, n_panels * columns)
    )
    rows, chosen = allocate((width + 3, n_words), np.int32), allocate((width,), np.int64)
    panels, begins = (
        allocate((n_panels, n_words, columns), np.int32),
        allocate((n_panels, columns), np.int32),
    )
    rows[...] = (steps + 128).astype(np.uint8).view(np.int32)
    chosen[:] = rng.integers(0, len(rows), size=width)
    words = others.astype(np.int8).view(np.int32).reshape(n_panels, columns, n_words)
    panels[...] = words.transpose(0, 2, 1)
    halves = (others**2).sum(1) // 2
    begins[...] = (-halves - 128 * others.sum(1)).reshape(begins.shape)
    # The last center of each panel is none.
    begins[:, -1], panels[:, :, -1] = _simd.NEVER, 0
    scores = (steps[chosen] @ others.T - halves).reshape(width, n_panels, columns)
    scores[:, :, -1] = _simd.NEVER
    return (rows, chosen, panels, begins, allocate((n_words, width), np.int32)), scores


def bits(words, n):
    return np.array([[word >> t & 1 for t in range(n)] for word in words.ravel().tolist()], bool)


COARSE_SIZES = [(n_words, n_panels) for n_words in (1, 2, 7, 8, 33) for n_panels in (1, 3)]


@pytest.mark.parametrize(("n_words", "n_panels"), COARSE_SIZES)
@pytest.mark.parametrize("page", [False, True])
def test_coarse_rows_are_compared_with_limits(n_words, n_panels, page):
    allocate = allocator(page)
    arrays, scores = coarse_arrays(n_words, n_panels, allocate)
    width, columns = len(scores), scores.shape[2]
    limits, most = allocate((width,), np.int32), allocate((width,), np.int32)
    hits = allocate((n_panels, columns), np.int64)
    limits[:], most[:] = np.median(scores[:, :, :-1], axis=(1, 2)), _simd.NEVER
    # Below all scores but that of no center, and above all.
    limits[0], limits[1] = _simd.NEVER, 2**31 - 1
    run_coarse(*arrays, limits, hits, most)
    above = scores > limits[:, None, None]
    assert np.array_equal(bits(hits, width), above.reshape(width, -1).T)
    assert np.array_equal(most, np.where(above, _simd.NEVER, scores).max((1, 2)))
    assert above[0, :, :-1].all()
    assert not above[0, :, -1].any()
    assert not above[1].any()


@pytest.mark.parametrize(("n_words", "n_panels"), COARSE_SIZES)
@pytest.mark.parametrize("page", [False, True])
def test_limits_rise_with_the_largest_score(n_words, n_panels, page):
    allocate = allocator(page)
    arrays, scores = coarse_arrays(n_words, n_panels, allocate)
    width, columns = len(scores), scores.shape[2]
    far, most, best = (allocate((width,), np.int32) for _ in range(3))
    hits, (tops, places) = (
        allocate((n_panels, columns), np.int64),
        (allocate((n_panels, width), np.int32) for _ in range(2)),
    )
    far[:], most[:], best[:] = 5000, _simd.NEVER, _simd.NEVER
    far[0], far[1] = 0, 2**31 - 2
    run_rising(*arrays, far, hits, most, best, tops, places)
    assert np.array_equal(tops, scores.max(2).T)
    assert np.array_equal(best, scores.max((1, 2)))
    assert np.array_equal(places, (scores.argmax(2) + np.arange(n_panels) * columns).T)
    marked = bits(hits, width).T.reshape(scores.shape)
    wanted = scores > best[:, None, None].astype(np.int64) - far[:, None, None]
    # All that are not far enough below the largest of all, and some that are.
    assert not (wanted & ~marked)[:, :, :-1].any()
    assert np.array_equal(most, np.where(marked, _simd.NEVER, scores).max((1, 2)))
    assert marked[1, :, :-1].all()
    assert not marked[:, :, -1].any()
    # None that is far enough below the largest of the panels before.
    before = np.maximum.accumulate(tops.T, axis=1)[:, :-1].astype(np.int64) - far[:, None]
    assert not (marked[:, 1:] & (scores[:, 1:] <= before[:, :, None])).any()


def test_the_longest_coarse_rows_stay_within_their_integers():
    arrays, scores = coarse_arrays(MAX_COARSE_FEATURES // 4, 1, np.empty, extreme=True)
    most = np.full(len(scores), _simd.NEVER, np.int32)
    hits = np.empty(scores.shape[1:], np.int64)
    run_coarse(*arrays, np.full(len(scores), 2**31 - 1, np.int32), hits, most)
    assert np.array_equal(most, scores.max((1, 2)))
    assert abs(scores[:, :, :-1]).max() > 2**27


def allocator(page):
    """Return a function that allocates arrays: right before a protected page, or anywhere."""
    if page and not hasattr(mmap, "MAP_PRIVATE"):
        pytest.skip("needs mprotect")
    return before_a_protected_page if page else np.empty


@kernel
def compare(scores, errors, norms, n_columns, n_rows, found):
    _simd.compare_panels(scores, errors, norms, n_columns, n_rows, found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_panels", [1, 2, 7])
@pytest.mark.parametrize("page", [False, True])
def test_panels_are_compared(dtype, n_panels, page):
    allocate = allocator(page)
    rng = np.random.default_rng(n_panels)
    best, second = allocate((n_panels, 24), dtype), allocate((n_panels, 24), dtype)
    best[:] = rng.integers(-9, 9, size=best.shape)
    best[:, 3] = np.inf
    second[:] = best + rng.integers(0, 4, size=best.shape)
    columns = allocate((n_panels, 24), np.int32)
    columns[:] = rng.integers(0, 16, size=best.shape)
    places = allocate((24,), np.int64)
    errors, norms, found = (allocate(shape, np.float64) for shape in ((n_panels, 3), (24,), (3, 24)))
    errors[:], norms[:] = rng.integers(0, 3, size=errors.shape) / 8, rng.integers(0, 3, size=24)
    for n_rows in (0, 1, 17, 24):
        found[:] = 7
        compare((best, second, columns), errors, norms, 16, n_rows, (found, places))
        error = errors[:, :1] + errors[:, 1:2] * norms + errors[:, 2:] * norms**2
        at_most = best + error
        winner = at_most.argmin(0)
        others = best - error
        others[winner, np.arange(24)] = (second - error)[winner, np.arange(24)]
        right = np.stack([at_most.min(0), winner, others.min(0)])[:, :n_rows]
        assert np.array_equal(found[:, :n_rows], right)
        # Where all scores are infinite, the place is the first.
        right = np.where(at_most.min(0) < np.inf, 16 * winner + columns[winner, np.arange(24)], 0)
        assert np.array_equal(places[:n_rows], right[:n_rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_row_column_and_feature_counts(dtype):
    arrays = buffers(dtype, 5, 2)
    n_rows, columns, _ = shape_of(arrays[0])
    for r in range(n_rows):
        for c in range(2 * columns):
            for array in arrays[:4]:
                array[...] = 0
            arrays[1][:] = np.arange(n_rows)
            arrays[0][r, c % 5], arrays[2][c // columns, c % 5, c % columns] = 1, -1
            out = np.empty((2, n_rows, 3))
            run_tile(*arrays, out)
            assert out[c // columns, r].tolist() == [c % columns, -1, 0]
            out[c // columns, r] = 0
            assert not out[:, :, 1:].any()


def assembly_of(some, *args):
    """Return the assembly of a kernel, with all its parts, for some arguments."""
    found, optimize = [], compiler.optimize

    def watched(module, symbol):
        code = optimize(module, symbol)
        found.append(cpu_target.target_context.codegen()._tm.emit_assembly(module))
        return code

    compiler.optimize = watched
    try:
        compiler.compile_entry(some, tuple(map(kind_of, args)))
    finally:
        compiler.optimize = optimize
    return found[0]


def assemblies():
    """Return the assembly of all tiles, for both dtypes."""
    found = []
    for dtype in (np.float32, np.float64):
        arrays = buffers(dtype, 3, 2)
        rows, chosen, panels, half_norms, least, *_ = arrays
        n_rows, columns, _ = shape_of(rows)
        limits, hits = np.empty(n_rows, dtype), np.empty(n_rows, np.int64)
        width = lane_rows(rows)
        found += [
            assembly_of(run_tile, *arrays, np.empty((2, n_rows, 3))),
            assembly_of(multiply_tile, rows, chosen, panels, np.empty((2, n_rows, columns), dtype)),
            assembly_of(mark_tile, rows, chosen, panels, half_norms, 0, limits, hits, least),
            assembly_of(
                run_lanes,
                *(rows, chosen, panels, half_norms, columns, np.empty((3, width), dtype)),
                *(np.empty((2, width), kind) for kind in (dtype, dtype, np.int32)),
            ),
        ]
    return "".join(found)


def stack_is_aligned(some, *args):
    """Return whether a function of a kernel aligns the stack to a cache line, or to half of one."""
    return bool(re.search(r"and[lq]?\s+\$-(32|64), %[er]sp", assembly_of(some, *args)))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 assembly")
def test_spilled_vectors_are_aligned():
    arrays = buffers(np.float32, 3, 2)
    fill(*arrays[:4])
    if shape_of(arrays[0])[1] * 4 > 2 * 16:
        assert stack_is_aligned(run_tile, *arrays, np.empty((2, len(arrays[0]), 3)))
    assert not stack_is_aligned(shape_of, arrays[0])  # the control: no vectors, nothing to align


@kernel
def find_sq_dists(row, centers, candidates, n_candidates, sq_dists):
    _simd.pair_sq_dists(row, centers, candidates, n_candidates, sq_dists)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 7, 16, 37])
@pytest.mark.parametrize("page", [False, True])
def test_distances_of_some_pairs_are_right(dtype, n_features, page):
    allocate = allocator(page)
    rng = np.random.default_rng(n_features)
    row, centers = allocate((n_features,), dtype), allocate((20, n_features), dtype)
    row[:], centers[:] = rng.integers(-9, 9, size=row.shape), rng.integers(-9, 9, size=centers.shape)
    for n_candidates in (0, 1, 4, 7):
        size = -(-n_candidates // _simd.PAIRS_AT_ONCE) * _simd.PAIRS_AT_ONCE
        candidates, sq_dists = allocate((size,), np.int64), allocate((size,), dtype)
        candidates[:], sq_dists[:] = rng.integers(0, 20, size=size), -1
        find_sq_dists(row, centers, candidates, n_candidates, sq_dists)
        assert np.array_equal(sq_dists, ((row - centers[candidates]) ** 2).sum(1))


@kernel
def nearest_of_block(block, centers, candidates, labels, sq_dists):
    _simd.nearest_lanes(block, centers, candidates, len(candidates), labels, sq_dists)


@kernel
def labels_of_block(block, centers, candidates, labels):
    _simd.nearest_lanes(block, centers, candidates, len(candidates), labels, None)


@kernel
def lanes_of(X):
    return _simd.lanes_at_once(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3, 8])
def test_the_nearest_of_some_centers_is_found(dtype, n_features):
    rng = np.random.default_rng(n_features)
    block = rng.integers(-3, 3, size=(n_features, 3 * lanes_of(np.empty(0, dtype)))).astype(dtype)
    centers = rng.integers(-3, 3, size=(40, n_features + 2)).astype(np.float64)
    for candidates in (np.array([7]), np.array([0, 39]), np.arange(40), np.array([3, 5, 8, 21])):
        labels, alone = np.full((2, block.shape[1]), -1)
        found = np.empty(block.shape[1])
        nearest_of_block(block, centers, candidates, labels, found)
        labels_of_block(block, centers, candidates, alone)
        sq_dists = ((block.T[:, None, :] - centers[candidates][None, :, :n_features]) ** 2).sum(2)
        assert np.array_equal(labels, candidates[sq_dists.argmin(1)])
        assert np.array_equal(alone, labels)
        assert np.array_equal(found, sq_dists.min(1))


def test_no_finite_distance_gives_the_first_candidate():
    block, found = np.zeros((2, lanes_of(np.empty(0)))), np.empty(lanes_of(np.empty(0)))
    block[0, :3] = np.nan, np.inf, -np.inf
    labels = np.full(len(found), -1)
    nearest_of_block(block, np.ones((9, 2)), np.array([4, 6]), labels, found)
    assert (labels == 4).all()
    assert np.isinf(found[:3]).all()
    assert (found[3:] == 2).all()


@kernel
def changed(labels, first, new_labels, lane):
    return _simd.changed_lanes(labels, first, new_labels, lane)


@pytest.mark.parametrize("page", [False, True])
def test_lanes_with_changed_labels_are_found(page):
    allocate, n = allocator(page), _simd.CHANGED_LANES
    labels, new_labels = allocate((n + 3,), np.int32), allocate((n + 5,), np.int64)
    labels[:], new_labels[:] = 2**31 - 1, 2**31 - 1
    assert changed(labels, 3, new_labels, 5) == 0
    for lanes in ([0], [n - 1], [1, 15, 16, 40], range(n)):
        new_labels[:] = 2**31 - 1
        new_labels[[5 + lane for lane in lanes]] = 0
        assert changed(labels, 3, new_labels, 5) % 2**n == sum(1 << lane for lane in lanes)


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3, 64])
@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_is_read_or_written_past_the_buffers(dtype, n_features, narrow):
    arrays = buffers(dtype, n_features, 2, before_a_protected_page, narrow)
    fill(*arrays[:4])
    check(arrays, before_a_protected_page)


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_features", [1, 3])
def test_lanes_are_not_read_or_written_past_the_block(dtype, n_features):
    block = before_a_protected_page((n_features, lanes_of(np.empty(0, dtype))), dtype)
    centers = before_a_protected_page((2, n_features), np.float64)
    candidates = before_a_protected_page((2,), np.int64)
    labels = before_a_protected_page((block.shape[1],), np.int64)
    block[...], centers[0], centers[1], candidates[:] = 1, 0, 1, [0, 1]
    labels_of_block(block, centers, candidates, labels)
    assert labels.tolist() == [1] * len(labels)


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs mprotect")
def test_the_protected_page_is_protected():
    """The negative control: one element further, the process crashes."""
    # With bounds checking, as the suite may run, the program would raise IndexError instead.
    environment = importing_tests(NUMBA_BOUNDSCHECK="0")
    command = program("protected_pages")
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode in (-signal.SIGSEGV, -signal.SIGBUS)
