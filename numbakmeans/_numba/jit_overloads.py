"""Building blocks of `numbakmeans.jit` in nopython code: their types, and the calls they become."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from numbakmeans._numba.calls import (
    F64,
    I64,
    array_words,
    bitgen_word,
    call,
    data_word,
    fill,
    generator_word,
    new_array,
    workspace_words,
)
from numbakmeans._numba.overloads import (
    GENERATOR,
    LABELS,
    NAN,
    SIZES,
    SQ_DISTS,
    Form,
    LeftOut,
    as_int,
    is_single,
    require,
    require_array,
    size,
    working,
)
from numbakmeans._numba.status import OK


def _require_rows(function: str, **arrays: Any) -> None:
    for name, kind in arrays.items():
        require_array(function, name, kind, (2,), "a 2-D array")


def _require_work(function: str, work: Any) -> None:
    given = isinstance(work, types.Array)
    if given and not (work.dtype == types.int64 and work.layout == "C" and work.mutable):
        raise TypingError(f"{function}: work must be an array from `workspace`, got {work}")
    require(function, "work", work, (types.Array, types.NoneType), "an array from `workspace`")


def _is_none(kind: Any) -> bool:
    return isinstance(kind, (types.NoneType, LeftOut))


def _fit(name: str, result: Any) -> Form:
    """Return the form of `fit` or `parallel_fit`; result : the class of its result."""

    def result_of(
        X: Any, centers: Any, max_iter: Any, work: Any = types.none, sample_weight: Any = types.none
    ) -> Any:
        _require_rows(name, X=X, centers=centers)
        require(name, "max_iter", max_iter, (types.Integer,), "an integer")
        _require_work(name, work)
        if not _is_none(sample_weight):
            require_array(name, "sample_weight", sample_weight, (1,), "a 1-D array")
        book = types.Array(working(X), 2, "C")
        numbers = (types.float64, types.int64, types.boolean, types.int64, types.int64)
        return types.NamedTuple((book, LABELS, *numbers), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, centers, book = kinds["X"], kinds["centers"], kind[0]
        n, d = (size(context, builder, X, values["X"], axis) for axis in range(2))
        k = size(context, builder, centers, values["centers"], 0)
        found, own = new_array(context, builder, book, [k, d]), new_array(context, builder, LABELS, [n])
        weights = kinds.get("sample_weight", types.none)
        weighted, door = [], name
        if not _is_none(weights):
            weighted = array_words(context, builder, weights, values["sample_weight"])
            door = {"fit": "weighted_fit", "parallel_fit": "parallel_weighted_fit"}[name]
        words = [
            *weighted,
            *array_words(context, builder, X, values["X"]),
            *array_words(context, builder, centers, values["centers"]),
            as_int(context, builder, kinds["max_iter"], values["max_iter"]),
            is_single(X),
            *workspace_words(context, builder, kinds.get("work"), values.get("work")),
            data_word(context, builder, LABELS, own),
            data_word(context, builder, book, found),
        ]
        inertia, n_iter, converged, n_empty, status = call(context, builder, door, words)
        fine = builder.icmp_signed("==", status, I64(OK))
        with builder.if_then(builder.not_(fine), likely=False):
            fill(context, builder, book, found, NAN)
            fill(context, builder, LABELS, own, -1)
        inertia = builder.select(fine, builder.bitcast(inertia, F64), ir.Constant(F64, NAN))
        n_iter, converged, n_empty = (builder.select(fine, x, I64(0)) for x in (n_iter, converged, n_empty))
        converged = builder.icmp_signed("!=", converged, I64(0))
        return context.make_tuple(builder, kind, [found, own, inertia, n_iter, converged, n_empty, status])

    return Form(result_of, emit)


def _nearest(name: str, result: Any) -> Form:
    """Return the form of `nearest` or `parallel_nearest`."""

    def result_of(X: Any, centers: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X, centers=centers)
        _require_work(name, work)
        return types.NamedTuple((LABELS, SQ_DISTS, types.int64), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        n = size(context, builder, kinds["X"], values["X"], 0)
        own, dists = (new_array(context, builder, each, [n]) for each in (LABELS, SQ_DISTS))
        words = [
            *array_words(context, builder, kinds["X"], values["X"]),
            *array_words(context, builder, kinds["centers"], values["centers"]),
            *workspace_words(context, builder, kinds.get("work"), values.get("work")),
            data_word(context, builder, LABELS, own),
            data_word(context, builder, SQ_DISTS, dists),
        ]
        (status,) = call(context, builder, name, words)
        with builder.if_then(builder.icmp_signed("!=", status, I64(OK)), likely=False):
            fill(context, builder, LABELS, own, -1)
            fill(context, builder, SQ_DISTS, dists, NAN)
        return context.make_tuple(builder, kind, [own, dists, status])

    return Form(result_of, emit)


def _update(name: str, result: Any) -> Form:
    """Return the form of `update` or `parallel_update`."""

    def result_of(X: Any, labels: Any, centers: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X, centers=centers)
        whole = isinstance(labels, types.Array) and isinstance(labels.dtype, types.Integer | types.Boolean)
        if not whole or labels.ndim != 1:
            raise TypingError(f"{name}: labels must be a 1-D array of integers, got {labels}")
        _require_work(name, work)
        return types.NamedTuple((types.Array(working(X), 2, "C"), SIZES, types.int64), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, centers, book = kinds["X"], kinds["centers"], kind[0]
        k, d = (size(context, builder, centers, values["centers"], axis) for axis in range(2))
        found, sizes = new_array(context, builder, book, [k, d]), new_array(context, builder, SIZES, [k])
        words = [
            *array_words(context, builder, X, values["X"]),
            *array_words(context, builder, kinds["labels"], values["labels"]),
            *array_words(context, builder, centers, values["centers"]),
            is_single(X),
            *workspace_words(context, builder, kinds.get("work"), values.get("work")),
            data_word(context, builder, book, found),
            data_word(context, builder, SIZES, sizes),
        ]
        (status,) = call(context, builder, name, words)
        with builder.if_then(builder.icmp_signed("!=", status, I64(OK)), likely=False):
            fill(context, builder, book, found, NAN)
            fill(context, builder, SIZES, sizes, 0)
        return context.make_tuple(builder, kind, [found, sizes, status])

    return Form(result_of, emit)


def _start(name: str) -> Form:
    """Return the form of `points`, `plus_plus` or `parallel_plus_plus`."""

    def result_of(X: Any, n_clusters: Any, rng: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X)
        require(name, "n_clusters", n_clusters, (types.Integer,), "an integer")
        require(name, "rng", rng, (GENERATOR,), "a numpy.random.Generator")
        _require_work(name, work)
        return types.Array(working(X), 2, "C")

    def emit(context: Any, builder: Any, book: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, rng = kinds["X"], kinds["rng"]
        d, count = (
            size(context, builder, X, values["X"], 1),
            as_int(context, builder, kinds["n_clusters"], values["n_clusters"]),
        )
        k = builder.select(builder.icmp_signed("<", count, I64(0)), I64(0), count)
        found = new_array(context, builder, book, [k, d])
        words = [
            *array_words(context, builder, X, values["X"]),
            count,
            is_single(X),
            bitgen_word(context, builder, rng, values["rng"]),
            generator_word(context, builder, rng, values["rng"]),
            *workspace_words(context, builder, kinds.get("work"), values.get("work")),
            data_word(context, builder, book, found),
        ]
        (status,) = call(context, builder, name, words)
        with builder.if_then(builder.icmp_signed("!=", status, I64(OK)), likely=False):
            fill(context, builder, book, found, NAN)
        return found

    return Form(result_of, emit)


def _workspace(count: Any) -> Form:
    """Return the form of `workspace`; count : the function that returns its number of words."""

    def result_of(n_samples: Any, n_features: Any, n_clusters: Any) -> Any:
        for name, kind in (("n_samples", n_samples), ("n_features", n_features), ("n_clusters", n_clusters)):
            require("workspace", name, kind, (types.Integer,), "an integer")
        return SIZES

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        numbers = [as_int(context, builder, kinds[name], values[name]) for name in kinds]
        signature = types.int64(*[types.int64] * 3)
        return new_array(
            context, builder, kind, [context.compile_internal(builder, count, signature, numbers)]
        )

    return Form(result_of, emit)


def jit_forms(jit: Any) -> dict[str, Form]:
    """Return the forms of the building blocks of the module `numbakmeans.jit`, by name."""
    forms = {name: _start(name) for name in ("points", "plus_plus", "parallel_plus_plus")}
    forms["workspace"] = _workspace(jit.workspace_words)
    makers = (("fit", _fit, jit.Fit), ("nearest", _nearest, jit.Nearest), ("update", _update, jit.Update))
    for name, maker, result in makers:
        for each in (name, f"parallel_{name}"):
            forms[each] = maker(each, result)
    return forms
