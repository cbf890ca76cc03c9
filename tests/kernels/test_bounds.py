"""What tells before a pass how much bounds will leave open."""

import numpy as np
import pytest

from numbakmeans._engine.kernels import bounds


@pytest.mark.parametrize("step", [1, 3, 7])
@pytest.mark.parametrize("n_lowering", [0, 5, 12])
def test_open_shares(step, n_lowering):
    rng = np.random.default_rng(step)
    upper, lower = rng.random(50).astype(np.float32), rng.random((4, 3, 16)).astype(np.float32) + 0.3
    upper[rng.integers(50, size=20)] = np.inf
    groups, moved = rng.integers(3, size=12), rng.random(12) / 2
    lowering = rng.permutation(12)[:n_lowering]
    largest = [max([moved[j] for j in lowering if groups[j] == g], default=0.0) for g in range(3)]
    known = [i for i in range(0, 50, step) if upper[i] < np.inf]
    is_open = np.array([lower[i // 16, :, i % 16] - largest <= upper[i] for i in known])
    right = is_open.mean(), is_open.any(1).mean()
    assert bounds.open_shares(upper, lower, step, groups, moved, lowering) == pytest.approx(right)
    assert 0 < right[0] < right[1]


@pytest.mark.parametrize("scale", [1.0, 2.0**-30, 2.0**30])
def test_centers_move_no_further_than_is_written(scale):
    rng = np.random.default_rng(0)
    before, centers = rng.normal(size=(2, 5, 8))
    centers[0] = before[0]
    right = np.linalg.norm(centers - before, axis=1) * scale
    moved = np.empty(5)
    bounds.follow_centers(centers, before, scale, moved)
    assert moved[0] == 0.0
    assert (moved[1:] > right[1:]).all()
    assert moved == pytest.approx(right, rel=1e-5)
    assert np.array_equal(before, centers)
