"""scikit-learn's base classes, exceptions and warnings where it is installed, and what replaces them if not.

No other module asks which it is. Without scikit-learn an estimator has its parameters, methods and
attributes, but no clones, pipelines, searches, output containers, metadata routing or HTML.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

__all__ = [
    "ConvergenceWarning",
    "Estimator",
    "InvalidParameterError",
    "NotFittedError",
    "warn",
    "with_callbacks",
]

F = TypeVar("F", bound=Callable[..., Any])


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a wrong type or value; a ValueError and a TypeError, as in scikit-learn."""


class PlainEstimator:
    """What an estimator needs of scikit-learn's bases."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = list(inspect.signature(cls).parameters.values())
        return {parameter.name: parameter.default for parameter in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, as in scikit-learn
        """
        Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Not used: no parameter is an estimator.

        Returns
        -------
        params : dict
            The name of each parameter, and its value.
        """
        return {name: getattr(self, name) for name in sorted(self._defaults())}

    def set_params(self, **params: Any) -> Any:
        """
        Set parameters of this estimator.

        Parameters
        ----------
        **params : dict
            The new values.

        Returns
        -------
        self : estimator
            The estimator itself.

        Raises
        ------
        ValueError
            There is no parameter of that name; none is set then.
        """
        known = sorted(self._defaults())
        for name in params:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: {known}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """
        Get the names of the columns that `transform` returns: the class's in lower case, and a number.

        Parameters
        ----------
        input_features : array_like of str, optional
            Only compared with the names seen in `fit`.

        Returns
        -------
        feature_names_out : ndarray of str objects
            The names.
        """
        n_features_out = getattr(self, "_n_features_out", None)
        if n_features_out is None:
            raise NotFittedError(not_fitted(self))
        if input_features is not None:
            seen = getattr(self, "feature_names_in_", None)
            if seen is not None and not np.array_equal(seen, np.asarray(input_features, dtype=object)):
                raise ValueError("input_features is not equal to feature_names_in_")
            n_features = self.n_features_in_  # type: ignore[attr-defined]
            if len(input_features) != n_features:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({n_features}), got {len(input_features)}"
                )
        name = type(self).__name__.lower()
        return np.array([f"{name}{i}" for i in range(n_features_out)], dtype=object)

    def __repr__(self) -> str:
        """Return the call that makes this estimator; parameters that have their default are left out."""
        defaults, now = self._defaults(), self.get_params()
        # Compared as text: arrays have no truth value.
        changed = [f"{name}={now[name]!r}" for name in defaults if repr(now[name]) != repr(defaults[name])]
        return f"{type(self).__name__}({', '.join(changed)})"


def not_fitted(estimator: Any) -> str:
    """Return scikit-learn's message for an estimator that has not been fitted."""
    return (
        f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments "
        "before using this estimator."
    )


def warn(message: str, category: type[Warning]) -> None:
    """Warn about the line of the user's that led here, through scikit-learn's wrappers or not."""
    inside = {__name__.partition(".")[0], "sklearn"}
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in inside:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


if TYPE_CHECKING:
    # The types of both worlds: scikit-learn has none.
    class NotFittedError(ValueError, AttributeError): ...

    class ConvergenceWarning(UserWarning): ...

    class Estimator(PlainEstimator):
        def __sklearn_tags__(self) -> Any: ...

    def with_callbacks(method: F) -> F: ...

else:
    try:
        from sklearn.base import (
            BaseEstimator,
            ClassNamePrefixFeaturesOutMixin,
            ClusterMixin,
            TransformerMixin,
        )
        from sklearn.exceptions import ConvergenceWarning, NotFittedError
    except ImportError:
        _BASES = (PlainEstimator,)

        class NotFittedError(ValueError, AttributeError):
            """An estimator is used before it has been fitted."""

        class ConvergenceWarning(UserWarning):
            """A fit has found fewer clusters than it was asked for."""

    else:
        _BASES = (ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator)

    try:
        # Since scikit-learn 1.9, where it is called experimental.
        from sklearn.callback import CallbackSupportMixin, with_callbacks
    except ImportError:

        def with_callbacks(method):
            """Return the method: there are no callbacks."""
            return method

    else:
        _BASES = (CallbackSupportMixin, *_BASES)

    class Estimator(*_BASES):
        """The base of all estimators: scikit-learn's bases if it is installed, `PlainEstimator` if not."""
