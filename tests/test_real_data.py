"""All algorithms give the same bits on real data: digits, and the pixels of two photographs."""

import numpy as np
import oracle
import pytest
from sklearn.datasets import load_digits, load_sample_image
from support import variants

from numbakmeans import fit
from numbakmeans._engine.fit import iterate
from numbakmeans._engine.samples import Samples

DATA = {
    "digits": lambda: load_digits().data,
    "china": lambda: load_sample_image("china.jpg").reshape(-1, 3)[::7],
    "flower": lambda: load_sample_image("flower.jpg").reshape(-1, 3)[::7],
}


def problem(name, dtype):
    """Return the rows of a data set, and starting centers."""
    X = DATA[name]().astype(dtype)
    distinct = np.unique(X, axis=0)
    return X, distinct[np.random.default_rng(0).choice(len(distinct), 40, replace=False)]


@pytest.mark.usefixtures("bounds_checked")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
def test_every_algorithm_gives_the_same_bits(name, dtype, threads):
    X, centers = problem(name, dtype)
    right = iterate(Samples(X), centers, 8, algorithm="lloyd")
    some = np.random.default_rng(1).choice(len(X), 500, replace=False)
    before = iterate(Samples(X), centers, 7, algorithm="lloyd").centers[:, : X.shape[1]]
    assert np.array_equal(right.labels[some], oracle.assign(X[some], before)[0])
    for variant in variants.VARIANTS:
        got = variants.iterate(Samples(X), centers, 8, variant)
        assert np.array_equal(got.labels, right.labels)
        assert got.centers.tobytes() == right.centers.tobytes()
        # The negative control: one pass fewer gives other bits.
        assert variants.iterate(Samples(X), centers, 7, variant).centers.tobytes() != right.centers.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("variant", ["fit", "yinyang"])
def test_the_plan_that_users_get_gives_the_same_bits(name, dtype, variant):
    """Whatever it chooses; and bounds at their real cost, which it would choose for more rows."""
    X, centers = problem(name, dtype)
    right = iterate(Samples(X), centers, 8, algorithm="lloyd")
    if variant == "fit":
        got = fit(X, centers, max_iter=8)
    else:
        got = variants.iterate(Samples(X), centers, 8, variant)
    assert np.array_equal(got.labels, right.labels)
    n_features = X.shape[1]
    ours, wanted = (made.centers[:, :n_features].astype(dtype) for made in (got, right))
    assert ours.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("name", DATA)
def test_less_than_a_hundredth_of_the_rows_needs_the_reference_distance(name):
    X = DATA[name]().astype(np.float32)
    centers = np.unique(X, axis=0)[::97][:100]
    passes = iterate(Samples(X), centers, 10, algorithm="certified")
    assert passes.n_decided < 0.01 * passes.n_iter * len(X)
