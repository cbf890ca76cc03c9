"""The arguments of estimators: parameters, samples, feature names, weights, random states.

A message that scikit-learn has as well begins with scikit-learn's sentence.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from numbakmeans._engine.constraints import METRICS
from numbakmeans._engine.containers import as_real, is_sparse, special
from numbakmeans._engine.row_source import RowSource
from numbakmeans._engine.samples import MAX_CLUSTERS, MAX_SAMPLES, Samples, as_working, not_finite
from numbakmeans._engine.sparse_rows import SparseRows
from numbakmeans.estimators._base import InvalidParameterError, NotFittedError, not_fitted, warn

INITS = ("k-means++", "k-means||", "random")
EMPTY_CLUSTERS = ("relocate", "keep", "raise")
#: As in scikit-learn; nothing depends on it.
ALGORITHMS = ("lloyd", "elkan")

# --- Parameters


def _is_integer(value: Any, least: int, most: float = math.inf) -> bool:
    return isinstance(value, numbers.Integral) and least <= int(value) <= most


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_one_of(value: Any, words: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in words


def _among(words: tuple[str, ...]) -> str:
    return "a str among {" + ", ".join(repr(word) for word in sorted(words)) + "}"


def is_given(init: Any) -> bool:
    """Return whether starting centers are given: `init` is neither a method's name nor a function."""
    has_items = hasattr(init, "__len__") or hasattr(init, "__array__")
    return has_items and not isinstance(init, str | bytes | dict | set) and not callable(init)


#: Parameter -> (whether a value is valid, what is expected).
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n_clusters": (lambda v: _is_integer(v, 1, MAX_CLUSTERS), f"an int in the range [1, {MAX_CLUSTERS}]"),
    "init": (
        lambda v: _is_one_of(v, INITS) or callable(v) or is_given(v),
        f"{_among(INITS)}, a callable or an array-like",
    ),
    "n_init": (
        lambda v: _is_one_of(v, ("auto",)) or _is_integer(v, 1),
        f"{_among(('auto',))} or an int in the range [1, inf)",
    ),
    "max_iter": (lambda v: _is_integer(v, 1), "an int in the range [1, inf)"),
    "tol": (
        lambda v: isinstance(v, numbers.Real) and 0 <= float(v) < math.inf,
        "a float in the range [0.0, inf)",
    ),
    "verbose": (
        lambda v: _is_flag(v) or _is_integer(v, 0),
        "an int in the range [0, inf) or an instance of 'bool'",
    ),
    "copy_x": (_is_flag, "an instance of 'bool'"),
    "algorithm": (lambda v: _is_one_of(v, ALGORITHMS), _among(ALGORITHMS)),
    "empty_clusters": (lambda v: _is_one_of(v, EMPTY_CLUSTERS), _among(EMPTY_CLUSTERS)),
    "metric": (lambda v: _is_one_of(v, METRICS), _among(METRICS)),
    "fixed": (lambda v: v is None or is_given(v), "an array-like or None"),
    "keep_history": (_is_flag, "an instance of 'bool'"),
    "progress": (lambda v: v is None or callable(v), "a callable or None"),
    "batch_size": (lambda v: _is_integer(v, 1), "an int in the range [1, inf)"),
    "compute_labels": (_is_flag, "an instance of 'bool'"),
    "max_no_improvement": (
        lambda v: v is None or _is_integer(v, 0),
        "an int in the range [0, inf) or None",
    ),
    "init_size": (lambda v: v is None or _is_integer(v, 1), "an int in the range [1, inf) or None"),
    "reassignment_ratio": (
        lambda v: isinstance(v, numbers.Real) and 0 <= float(v) < math.inf,
        "a float in the range [0.0, inf)",
    ),
}


def check_parameters(estimator: Any) -> None:
    """Check all parameters of an estimator that `RULES` knows; InvalidParameterError names the first."""
    known = [name for name in RULES if hasattr(estimator, name)]
    for name in known:
        is_valid, expected = RULES[name]
        _require(is_valid(getattr(estimator, name)), estimator, name, expected)


def _require(valid: bool, estimator: Any, name: str, expected: str) -> None:
    if not valid:
        raise InvalidParameterError(
            f"The {name!r} parameter of {type(estimator).__name__} must be {expected}. "
            f"Got {getattr(estimator, name)!r} instead."
        )


def generator_of(estimator: Any) -> np.random.Generator | np.random.RandomState:
    """Return what the parameter `random_state` stands for; None is NumPy's global RandomState."""
    value = estimator.random_state
    if value is None or value is np.random:
        return np.random.mtrand._rand
    if isinstance(value, np.random.RandomState):
        return value
    try:
        return np.random.default_rng(value)
    except (TypeError, ValueError):
        expected = "a non-negative int, an instance of 'numpy.random.Generator' or 'RandomState', or None"
        _require(False, estimator, "random_state", expected)
        raise


def streams(generator: np.random.Generator | np.random.RandomState, n: int) -> list[np.random.Generator]:
    """Return n independent child streams; the i-th does not depend on n.

    A RandomState, and a Generator whose bit generator was not made from a seed sequence, cannot spawn:
    their children come from a seed sequence with 128 drawn bits.
    """
    if isinstance(generator, np.random.RandomState):
        generator = np.random.Generator(generator._bit_generator)
    elif isinstance(generator.bit_generator.seed_seq, np.random.bit_generator.ISpawnableSeedSequence):
        return generator.spawn(n)
    drawn = generator.integers(0, 2**32, size=4, dtype=np.uint32)
    return [np.random.default_rng(child) for child in np.random.SeedSequence(drawn.tolist()).spawn(n)]


# --- Samples


def require_fitted(estimator: Any) -> None:
    if not hasattr(estimator, "cluster_centers_"):
        raise NotFittedError(not_fitted(estimator))


def _as_array(value: Any, name: str) -> np.ndarray:
    """Return value as an array of real numbers, read from text as well; complex ones are a ValueError."""
    if getattr(getattr(value, "dtype", None), "kind", "") == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {value.dtype}")
    return as_real(value, name, text=True)


def as_rows(estimator: Any, X: Any, *, fitting: bool = False) -> np.ndarray:
    """Return X as an array of real numbers (n_samples, n_features); an array is not copied.

    fitting : take over the number of features and their names, instead of comparing them
    """
    name = type(estimator).__name__
    names = feature_names(X)
    if not fitting:
        compare_names(estimator, names)
    array: Any = X
    if not isinstance(X, RowSource):
        array = SparseRows(X, "X") if is_sparse(X) else _as_array(X, "X")
    if array.ndim != 2:
        if array.ndim > 2:
            raise ValueError(f"Found array with dim {array.ndim}, while dim <= 2 is required by {name}.")
        raise ValueError(
            f"Expected 2D array, got {('scalar', '1D')[array.ndim]} array instead: X has shape "
            f"{array.shape}.\nReshape your data either using array.reshape(-1, 1) if your data has a single "
            "feature or array.reshape(1, -1) if it contains a single sample."
        )
    for size, what in zip(array.shape, ("sample", "feature"), strict=True):
        if size < 1:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={array.shape}) while a minimum of 1 is required by "
                f"{name}."
            )
    if len(array) >= MAX_SAMPLES:
        raise ValueError(f"X has {len(array)} rows; fewer than {MAX_SAMPLES} are supported")
    if fitting:
        estimator.n_features_in_ = array.shape[1]
        if names is not None:
            estimator.feature_names_in_ = names
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif array.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {array.shape[1]} features, but {name} is expecting {estimator.n_features_in_} features "
            "as input."
        )
    return array


def require_finite(samples: Samples, names: np.ndarray | None) -> None:
    """Check that there are neither NaN nor infinities in X; the message names the first."""
    if samples.finite:
        return
    for rows, X in samples.slabs():
        for row, column in not_finite(X):
            label = "" if names is None else f" ({names[column]!r})"
            raise ValueError(
                f"Input X contains {special(X[row, column])} The first such value is in row "
                f"{rows.start + row}, column {column}{label}."
            )


def as_weights(value: Any, n_samples: int) -> np.ndarray | None:
    """Return the weights of the rows as float64, or None if all rows count alike; an array is not copied."""
    if value is None:
        return None
    array = _as_array(value, "sample_weight")
    if array.ndim == 0:
        array = np.full(n_samples, array)
    if array.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {array.ndim}D array. Expected either a scalar "
            f"value or a 1D array of length {n_samples}."
        )
    if array.shape != (n_samples,):
        raise ValueError(f"sample_weight.shape == {array.shape}, expected {(n_samples,)}!")
    weights = np.ascontiguousarray(array, np.float64)
    for wrong, problem in (
        (~np.isfinite(weights), "Input sample_weight contains NaN or infinity"),
        (weights < 0, "Negative values in data passed to `sample_weight`"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"{problem}: row {row} has the weight {weights[row]}")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def as_centers(init: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return starting centers that the caller gives, checked against (n_clusters, n_features)."""
    n_clusters, n_features = shape
    centers = as_working(_as_array(init, "init"), "init")
    if centers.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {centers.ndim}D array instead: init has shape {centers.shape}"
        )
    if len(centers) != n_clusters:
        raise ValueError(
            f"The shape of the initial centers {centers.shape} does not match the number of clusters "
            f"{n_clusters}."
        )
    if centers.shape[1] != n_features:
        raise ValueError(
            f"The shape of the initial centers {centers.shape} does not match the number of features of the "
            f"data {n_features}."
        )
    for row, column in not_finite(centers):
        raise ValueError(
            f"Input init contains {special(centers[row, column])} The first such value is in row {row}, "
            f"column {column}."
        )
    return centers


# --- Feature names


def feature_names(X: Any) -> np.ndarray | None:
    """Return the names of the columns of a data frame, if all are strings; None for anything else."""
    kind = type(X)
    if not (hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__dataframe__")):
        return None
    # An Arrow table has its columns themselves in `columns`.
    names = list(X.column_names if hasattr(kind, "column_names") else getattr(X, "columns", ()))
    types = sorted({type(name).__qualname__ for name in names})
    if len(types) > 1 and "str" in types:
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{types} as feature name / column name types. If you want feature names to be stored and "
            "validated, you must convert them all to strings, by using X.columns = X.columns.astype(str) for "
            "example."
        )
    return np.array(names, dtype=object) if types == ["str"] else None


def compare_names(estimator: Any, names: np.ndarray | None) -> None:
    """Warn if only one of X and `fit` had names; raise ValueError if both had, and they differ."""
    seen, name = getattr(estimator, "feature_names_in_", None), type(estimator).__name__
    if (seen is None) != (names is None):
        warn(
            f"X has feature names, but {name} was fitted without feature names"
            if seen is None
            else f"X does not have valid feature names, but {name} was fitted with feature names",
            UserWarning,
        )
    if seen is None or names is None or np.array_equal(seen, names):
        return
    message = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted({*names} - {*seen}), sorted({*seen} - {*names})
    if unseen:
        message += f"Feature names unseen at fit time:\n{_listed(unseen)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{_listed(missing)}"
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def _listed(names: list[str], most: int = 5) -> str:
    return "".join(f"- {name}\n" for name in names[:most]) + ("- ...\n" if len(names) > most else "")
