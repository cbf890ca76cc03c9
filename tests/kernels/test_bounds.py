"""The movements of centers, by which bounds are lowered."""

import numpy as np
import pytest

from numbakmeans._engine.kernels import bounds


@pytest.mark.parametrize("scale", [1.0, 2.0**-30, 2.0**30])
def test_movements_are_upper_bounds(scale):
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
