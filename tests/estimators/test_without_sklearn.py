"""Without scikit-learn everything works that is not scikit-learn's; and nobody imports it needlessly."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent.parent


def start(program, *arguments):
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


BLOCKED = """
import sys
for name in ("sklearn", "scipy"):
    sys.modules[name] = None
"""

PROGRAM = """
import copy, pickle, warnings
import numpy as np
import numbakmeans
from numbakmeans import KMeans, MiniBatchKMeans
from numbakmeans.estimators import _base
from numbakmeans.estimators._base import Estimator

def fails(error, words, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except error as raised:
        assert words in str(raised), str(raised)
    else:
        raise AssertionError(f"no {error}")

assert Estimator.__mro__[1] is _base.PlainEstimator, "scikit-learn is there"
X = np.random.default_rng(0).normal(size=(200, 3))
weights = np.arange(200.0)
batches = MiniBatchKMeans(4, random_state=0)
assert batches.fit(X, sample_weight=weights).partial_fit(X).n_steps_ > 1
assert repr(batches) == "MiniBatchKMeans(n_clusters=4, random_state=0)"
k = KMeans(4, init=X[:4], keep_history=True)
assert repr(KMeans()) == "KMeans()"
assert repr(KMeans(4, init=X[:1], tol=0)) == f"KMeans(n_clusters=4, init={X[:1]!r}, tol=0)"
parameters = k.get_params()
assert parameters["n_clusters"] == 4 and parameters["init"] is k.init and len(parameters) == 14
assert KMeans(**parameters).get_params() == parameters
assert KMeans().set_params(n_clusters=3, tol=0).get_params()["n_clusters"] == 3
fails(ValueError, "Invalid parameter 'n_cluster' for estimator KMeans(). Valid parameters are: ['algorithm'",
      KMeans().set_params, n_cluster=3)
fails(_base.NotFittedError, "This KMeans instance is not fitted yet", k.predict, X)
fails(AttributeError, "This KMeans instance is not fitted yet", k.get_feature_names_out)
assert k.fit(X, sample_weight=weights) is k
assert (k.fit_predict(X) == k.predict(X)).all() and (k.fit_transform(X) == k.transform(X)).all()
assert k.score(X) == -k.inertia_ and len(k.history_) == k.n_iter_ and k.inertias_ == [k.inertia_]
assert k.get_feature_names_out().tolist() == ["kmeans0", "kmeans1", "kmeans2", "kmeans3"]
fails(ValueError, "length equal to number of features (3), got 2", k.get_feature_names_out, ["a", "b"])
for again in (pickle.loads(pickle.dumps(k)), copy.deepcopy(k)):
    assert (again.predict(X) == k.labels_).all()
fails(ValueError, "The 'tol' parameter of KMeans must be a float", KMeans(tol=-1).fit, X)
fails(ValueError, "Input X contains NaN", k.fit, X * np.nan)
fails(ValueError, "Sample weights must contain at least one non-zero", k.fit, X, sample_weight=weights * 0)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    KMeans(3).fit(np.ones((5, 2)))
assert [each.category for each in seen] == [_base.ConvergenceWarning], seen
for init in ("k-means++", "k-means||", "random", lambda X, k, random_state: X[:k]):
    KMeans(4, init=init, n_init=2, random_state=0).fit(X)
result = KMeans(4, init=X[:4], tol=0.01).fit(X, sample_weight=weights)
print(result.inertia_.hex(), result.labels_.tobytes().hex(), sep="\\n")
"""


def test_everything_works_without():
    result = start(BLOCKED + PROGRAM)
    assert result.stderr == ""
    from numbakmeans import KMeans

    X, weights = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200.0)
    k = KMeans(4, init=X[:4], tol=0.01).fit(X, sample_weight=weights)
    assert result.stdout.split() == [k.inertia_.hex(), k.labels_.tobytes().hex()]
    # The control: the program notices scikit-learn.
    assert "scikit-learn is there" in start(PROGRAM).stderr


def test_with_frames():
    program = """
import numpy as np, pandas as pd, polars as pl
from numbakmeans import KMeans
X = np.random.default_rng(0).normal(size=(50, 2))
for frame in (pd.DataFrame(X, columns=["a", "b"]), pl.DataFrame(X, schema=["a", "b"])):
    k = KMeans(3, init=X[:3]).fit(frame)
    assert k.feature_names_in_.tolist() == ["a", "b"] and (k.predict(frame) == k.labels_).all()
    try:
        k.predict(frame[["b", "a"]])
    except ValueError as error:
        assert "Feature names must be in the same order" in str(error)
    else:
        raise AssertionError
    assert k.get_feature_names_out(["a", "b"]).tolist() == ["kmeans0", "kmeans1", "kmeans2"]
    try:
        k.get_feature_names_out(["b", "a"])
    except ValueError as error:
        assert "input_features is not equal to feature_names_in_" in str(error)
    else:
        raise AssertionError
"""
    result = start(BLOCKED + program)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("use", "imported"),
    [
        ("dir(numbakmeans)", False),
        ("numbakmeans.kmeans2([[0.0], [1.0]], [[0.0], [1.0]])", False),
        ("numbakmeans.fit([[0.0], [1.0]], [[0.0], [1.0]])", False),
        ("import numbakmeans.jit", False),
        ("numbakmeans.KMeans", True),  # the control
    ],
)
def test_scikit_learn_is_imported_with_the_estimators_alone(use, imported):
    program = f"""
import sys
import numbakmeans
before = {{"numba", "sklearn", "scipy", "pandas", "numbakmeans.estimators"}} & set(sys.modules)
{use}
print(sorted(before), "sklearn" in sys.modules, "numbakmeans.estimators" in sys.modules)
"""
    result = start(program)
    assert (result.stdout.strip(), result.stderr) == (f"[] {imported} {imported}", "")
