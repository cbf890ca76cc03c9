"""What our functions are inside nopython code: calls through doors (`doors`, `calls`), and no code of ours.

A `Form` says what a function returns for Numba's types of its arguments, and emits the call where it stands:
Numba has no function of ours to compile. The building blocks of `numbakmeans.jit` write to arrays whose sizes
are known beforehand. SciPy's functions are run by Python, and return its arrays, or raise what it raises; but
`kmeans2` of few rows is answered by a kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

from numbakmeans._numba.calls import (
    F64,
    I1,
    I64,
    NO_ARRAY,
    array_of,
    array_words,
    bitgen_word,
    call,
    data_word,
    fill,
    generator_word,
    leave_unless_answered,
    new_array,
    run,
    workspace_words,
)
from numbakmeans._numba.status import DRAWN, GIVEN, OK, PLUS_PLUS, POINTS
from numbakmeans._numba.tables import CALLERS_DTYPES

REAL_NAMES = "float32, float64, integers or bool"
NO_GENERATOR = "in nopython code random numbers come from an explicit generator: pass rng"
NUMBER = (types.Float, types.Integer, types.Boolean)
NAN = float("nan")
STRING = (types.UnicodeType, types.StringLiteral)
GENERATOR = types.NumPyRandomGeneratorType
LABELS, SQ_DISTS, SIZES = (types.Array(kind, 1, "C") for kind in (types.int32, types.float64, types.int64))


class LeftOut(NamedTuple):
    """Stands for the type of an argument that is left out: its value."""

    default: Any


class Form(NamedTuple):
    """A function inside nopython code; its arguments' types come by their names, or as `LeftOut`.

    result : returns the type of what it returns, or raises TypingError
    emit : emits the call, for context, builder, the type of the result, types and values of the arguments
    """

    result: Callable[..., Any]
    emit: Callable[[Any, Any, Any, dict[str, Any], dict[str, Any]], Any]


def working(kind: Any) -> Any:
    """Return the dtype that rows of an array are worked on in."""
    return types.float32 if kind.dtype == types.float32 else types.float64


def _require_array(function: str, name: str, kind: Any, dimensions: tuple[int, ...], words: str) -> None:
    if not (isinstance(kind, types.Array) and kind.ndim in dimensions and kind.dtype in CALLERS_DTYPES):
        raise TypingError(f"{function}: {name} must be {words} of {REAL_NAMES}, got {kind}")


def _require(function: str, name: str, kind: Any, wanted: tuple[Any, ...], words: str) -> None:
    """Refuse an argument of another type than those wanted; one may be left out."""
    if not isinstance(kind, (*wanted, LeftOut)):
        raise TypingError(f"{function}: {name} must be {words} in nopython code, got {kind}")


# --- The building blocks of `numbakmeans.jit`


def _require_rows(function: str, **arrays: Any) -> None:
    for name, kind in arrays.items():
        _require_array(function, name, kind, (2,), "an array of 2 dimensions,")


def _require_work(function: str, work: Any) -> None:
    given = isinstance(work, types.Array)
    if given and not (work.dtype == types.int64 and work.layout == "C" and work.mutable):
        raise TypingError(f"{function}: work must be an array from `workspace`, got {work}")
    _require(function, "work", work, (types.Array, types.NoneType), "an array from `workspace`")


def _size(context: Any, builder: Any, kind: Any, value: Any, axis: int) -> Any:
    return builder.extract_value(context.make_array(kind)(context, builder, value).shape, axis)


def _int(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.cast(builder, value, kind, types.int64)


def _single(kind: Any) -> Any:
    return I64(1 if working(kind) == types.float32 else 0)


def _fit(name: str, result: Any) -> Form:
    """Return `fit` or `parallel_fit`; result : the class of what it returns."""

    def result_of(X: Any, centers: Any, max_iter: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X, centers=centers)
        _require(name, "max_iter", max_iter, (types.Integer,), "an integer")
        _require_work(name, work)
        book = types.Array(working(X), 2, "C")
        numbers = (types.float64, types.int64, types.boolean, types.int64, types.int64)
        return types.NamedTuple((book, LABELS, *numbers), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, centers, book = kinds["X"], kinds["centers"], kind[0]
        n, d = (_size(context, builder, X, values["X"], axis) for axis in range(2))
        k = _size(context, builder, centers, values["centers"], 0)
        found, own = new_array(context, builder, book, [k, d]), new_array(context, builder, LABELS, [n])
        words = [
            *array_words(context, builder, X, values["X"]),
            *array_words(context, builder, centers, values["centers"]),
            _int(context, builder, kinds["max_iter"], values["max_iter"]),
            _single(X),
            *workspace_words(context, builder, kinds.get("work"), values.get("work")),
            data_word(context, builder, LABELS, own),
            data_word(context, builder, book, found),
        ]
        inertia, n_iter, converged, n_empty, status = call(context, builder, name, words)
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
    """Return `nearest` or `parallel_nearest`."""

    def result_of(X: Any, centers: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X, centers=centers)
        _require_work(name, work)
        return types.NamedTuple((LABELS, SQ_DISTS, types.int64), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        n = _size(context, builder, kinds["X"], values["X"], 0)
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
    """Return `update` or `parallel_update`."""

    def result_of(X: Any, labels: Any, centers: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X, centers=centers)
        whole = isinstance(labels, types.Array) and isinstance(labels.dtype, types.Integer | types.Boolean)
        if not whole or labels.ndim != 1:
            raise TypingError(f"{name}: labels must be an array of 1 dimension, of integers, got {labels}")
        _require_work(name, work)
        return types.NamedTuple((types.Array(working(X), 2, "C"), SIZES, types.int64), result)

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, centers, book = kinds["X"], kinds["centers"], kind[0]
        k, d = (_size(context, builder, centers, values["centers"], axis) for axis in range(2))
        found, sizes = new_array(context, builder, book, [k, d]), new_array(context, builder, SIZES, [k])
        words = [
            *array_words(context, builder, X, values["X"]),
            *array_words(context, builder, kinds["labels"], values["labels"]),
            *array_words(context, builder, centers, values["centers"]),
            _single(X),
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
    """Return `points`, `plus_plus` or `parallel_plus_plus`."""

    def result_of(X: Any, n_clusters: Any, rng: Any, work: Any = types.none) -> Any:
        _require_rows(name, X=X)
        _require(name, "n_clusters", n_clusters, (types.Integer,), "an integer")
        _require(name, "rng", rng, (GENERATOR,), "a numpy.random.Generator")
        _require_work(name, work)
        return types.Array(working(X), 2, "C")

    def emit(context: Any, builder: Any, book: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        X, rng = kinds["X"], kinds["rng"]
        d, count = (
            _size(context, builder, X, values["X"], 1),
            _int(context, builder, kinds["n_clusters"], values["n_clusters"]),
        )
        k = builder.select(builder.icmp_signed("<", count, I64(0)), I64(0), count)
        found = new_array(context, builder, book, [k, d])
        words = [
            *array_words(context, builder, X, values["X"]),
            count,
            _single(X),
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
    """Return `workspace`; count : returns the number of its words."""

    def result_of(n_samples: Any, n_features: Any, n_clusters: Any) -> Any:
        for name, kind in (("n_samples", n_samples), ("n_features", n_features), ("n_clusters", n_clusters)):
            _require("workspace", name, kind, (types.Integer,), "an integer")
        return SIZES

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        numbers = [_int(context, builder, kinds[name], values[name]) for name in kinds]
        signature = types.int64(*[types.int64] * 3)
        return new_array(
            context, builder, kind, [context.compile_internal(builder, count, signature, numbers)]
        )

    return Form(result_of, emit)


def jit_forms(jit: Any) -> dict[str, Form]:
    """Return the form of each building block of the module `numbakmeans.jit`, by its name."""
    forms = {name: _start(name) for name in ("points", "plus_plus", "parallel_plus_plus")}
    forms["workspace"] = _workspace(jit.workspace_words)
    makers = (("fit", _fit, jit.Fit), ("nearest", _nearest, jit.Nearest), ("update", _update, jit.Update))
    for name, maker, result in makers:
        for each in (name, f"parallel_{name}"):
            forms[each] = maker(each, result)
    return forms


# --- SciPy's functions


def _string_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return address, length and bytes of a character of a string."""
    if isinstance(kind, types.UnicodeType):
        text = cgutils.create_struct_proxy(kind)(context, builder, value)
        return [text.data, text.length, text.kind]
    text = _known(kind).encode()
    return [context.insert_const_bytes(builder.module, text), I64(len(text)), I64(1)]


def _known(kind: Any) -> Any:
    """Return an argument's value where it stands in the code, or is left out; None where it does not."""
    return kind.default if isinstance(kind, LeftOut) else getattr(kind, "literal_value", None)


def _number_word(context: Any, builder: Any, kind: Any, value: Any, wanted: Any) -> Any:
    if isinstance(kind, LeftOut):
        return ir.Constant(F64, float(kind.default)) if wanted == types.float64 else I64(int(kind.default))
    return context.cast(builder, value, kind, wanted)


def _clusters_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the dimensions of an array, 0 for a number, and its words, or a number."""
    if isinstance(kind, types.Array):
        return [I64(kind.ndim), *array_words(context, builder, kind, value)]
    return [I64(0), context.cast(builder, value, kind, types.int64), *NO_ARRAY[1:]]


def _results_of_python(
    context: Any,
    builder: Any,
    kinds: tuple[Any, ...],
    names: tuple[str, str],
    words: list[Any],
    give_back: Callable[[], None] | None = None,
) -> list[Any]:
    """Emit a call of one of SciPy's functions in Python; return its results.

    kinds : of the results, arrays and a number; names : of the function, and of the module whose errors it
    raises
    give_back : emits what gives arrays back, whether the call returns or raises
    """
    python = context.get_python_api(builder)
    texts: list[Any] = []
    for text in names:
        texts += [context.insert_const_bytes(builder.module, text.encode()), I64(len(text))]
    gil = python.gil_ensure()
    results = run(context, builder, [*texts, *words])
    if give_back is not None:
        give_back()
    leave_unless_answered(context, builder, results, gil)
    values = []
    for t, kind in enumerate(kinds):
        item = python.tuple_getitem(results, t)
        if isinstance(kind, types.Array):
            values.append(array_of(context, builder, kind, item))
        else:
            number = python.float_as_double(item)
            values.append(context.cast(builder, number, types.float64, kind))
    python.decref(results)
    python.gil_release(gil)
    return values


def _require_same_dimensions(function: str, **arrays: Any) -> None:
    for name, kind in arrays.items():
        _require_array(function, name, kind, (1, 2), "an array (M, N) or (M,)")
    (one, first), (other, second) = arrays.items()
    if first.ndim != second.ndim:
        raise TypingError(f"{function}: {one} has {first.ndim} dimensions, but {other} {second.ndim}")


def _require_clusters(
    function: str, names: tuple[str, str], kinds: tuple[Any, Any], rng: Any, words: str
) -> None:
    """Refuse data or clusters of other types, and a number of clusters without a generator."""
    given = isinstance(kinds[1], types.Array)
    if given:
        _require_same_dimensions(function, **dict(zip(names, kinds, strict=True)))
    else:
        _require_array(function, names[0], kinds[0], (1, 2), "an array (M, N) or (M,)")
        if not isinstance(kinds[1], types.Integer):
            raise TypingError(
                f"{function}: {names[1]} must be an integer or an array of {words} in nopython code, "
                f"got {kinds[1]}"
            )
    _require(function, "rng", rng, (GENERATOR, types.NoneType), "a numpy.random.Generator")
    if not given and not isinstance(rng, GENERATOR):
        raise TypingError(f"{function}: {NO_GENERATOR}, or {words} as {names[1]}")


def _require_options(function: str, iter: Any, thresh: Any, check_finite: Any) -> None:
    _require(function, "iter", iter, (types.Integer,), "an integer")
    _require(function, "thresh", thresh, NUMBER, "a real number")
    _require(function, "check_finite", check_finite, (types.Boolean,), "a bool")


def _option_words(context: Any, builder: Any, kinds: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    wanted = {"iter": types.int64, "thresh": types.float64, "check_finite": types.int64}
    numbers = [
        _number_word(context, builder, kinds[name], values[name], kind) for name, kind in wanted.items()
    ]
    return [*numbers, generator_word(context, builder, kinds["rng"], values["rng"])]


def _native_start(kinds: dict[str, Any]) -> int | None:
    """Return the code of how a call of `kmeans2` starts; None where it is always Python's."""
    if _known(kinds["missing"]) not in ("warn", "raise"):
        return None
    minit = _known(kinds["minit"])
    if isinstance(kinds["k"], types.Array):
        return GIVEN if minit in ("random", "points", "++", "matrix") else None
    return {"points": POINTS, "++": PLUS_PLUS}.get(minit)


def _kmeans2(module: str) -> Form:
    def result_of(
        data: Any, k: Any, iter: Any, thresh: Any, minit: Any, missing: Any, check_finite: Any, rng: Any
    ) -> Any:
        _require_clusters("kmeans2", ("data", "k"), (data, k), rng, "centroids")
        _require_options("kmeans2", iter, thresh, check_finite)
        for name, kind in (("minit", minit), ("missing", missing)):
            _require("kmeans2", name, kind, STRING, "a string")
        return types.Tuple((types.Array(working(data), data.ndim, "C"), LABELS))

    def in_python(
        context: Any, builder: Any, kind: Any, kinds: Any, values: Any, start: Any, give_back: Any = None
    ) -> list[Any]:
        """start : address of starting centers that have been drawn already, or 0"""
        words = [
            I64(kinds["data"].ndim),
            *array_words(context, builder, kinds["data"], values["data"]),
            *_clusters_words(context, builder, kinds["k"], values["k"]),
            *_option_words(context, builder, kinds, values),
            *_string_words(context, builder, kinds["minit"], values["minit"]),
            *_string_words(context, builder, kinds["missing"], values["missing"]),
            start,
        ]
        return _results_of_python(context, builder, tuple(kind), ("kmeans2", module), words, give_back)

    def natively(
        context: Any, builder: Any, kind: Any, kinds: Any, values: Any, start: int, count: Any
    ) -> Any:
        """Emit new arrays, and the call of the kernel that fills them; return them and the status."""
        data, k, book = kinds["data"], kinds["k"], kind[0]
        shape = context.make_array(data)(context, builder, values["data"]).shape
        n, *columns = cgutils.unpack_tuple(builder, shape, data.ndim)
        arrays = [
            new_array(context, builder, book, [count, *columns]),
            new_array(context, builder, LABELS, [n]),
        ]
        given = start == GIVEN
        words = [
            *array_words(context, builder, data, values["data"]),
            *(array_words(context, builder, k, values["k"]) if given else NO_ARRAY),
            I64(start),
            count,
            _single(data),
            _number_word(context, builder, kinds["iter"], values["iter"], types.int64),
            I64(int(_known(kinds["missing"]) == "raise")),
            I64(0) if given else bitgen_word(context, builder, kinds["rng"], values["rng"]),
            *(data_word(context, builder, *pair) for pair in zip(kind, arrays, strict=True)),
        ]
        (status,) = call(context, builder, "kmeans2", words)
        return arrays, status

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        start = _native_start(kinds)
        if start is None:
            return context.make_tuple(builder, kind, in_python(context, builder, kind, kinds, values, I64(0)))
        places = [cgutils.alloca_once(builder, context.get_value_type(each)) for each in kind]
        tried = cgutils.alloca_once_value(builder, I1(0))
        status = cgutils.alloca_once_value(builder, I64(~OK))
        n = _size(context, builder, kinds["data"], values["data"], 0)
        if start == GIVEN:
            count = _size(context, builder, kinds["k"], values["k"], 0)
            sound = I1(1)
        else:
            count = _int(context, builder, kinds["k"], values["k"])
            # Others are errors, or take more memory than the data.
            sound = builder.icmp_unsigned("<", builder.sub(count, I64(1)), n)
        with builder.if_then(sound):
            arrays, found = natively(context, builder, kind, kinds, values, start, count)
            builder.store(found, status)
            builder.store(I1(1), tried)
            for place, array in zip(places, arrays, strict=True):
                builder.store(array, place)
        with cgutils.if_unlikely(builder, builder.icmp_signed("!=", builder.load(status), I64(OK))):
            drawn = builder.icmp_signed("==", builder.load(status), I64(DRAWN))
            book = cgutils.alloca_once_value(builder, I64(0))
            with builder.if_then(drawn):
                address = data_word(context, builder, kind[0], builder.load(places[0]))
                builder.store(builder.ptrtoint(address, I64), book)

            def give_back() -> None:
                with builder.if_then(builder.load(tried)):
                    for each, place in zip(kind, places, strict=True):
                        context.nrt.decref(builder, each, builder.load(place))

            arrays = in_python(context, builder, kind, kinds, values, builder.load(book), give_back)
            for place, array in zip(places, arrays, strict=True):
                builder.store(array, place)
        return context.make_tuple(builder, kind, list(map(builder.load, places)))

    return Form(result_of, emit)


def _kmeans(module: str) -> Form:
    def result_of(obs: Any, k_or_guess: Any, iter: Any, thresh: Any, check_finite: Any, rng: Any) -> Any:
        _require_clusters("kmeans", ("obs", "k_or_guess"), (obs, k_or_guess), rng, "codes")
        _require_options("kmeans", iter, thresh, check_finite)
        return types.Tuple((types.Array(working(obs), obs.ndim, "C"), working(obs)))

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        words = [
            I64(kinds["obs"].ndim),
            *array_words(context, builder, kinds["obs"], values["obs"]),
            *_clusters_words(context, builder, kinds["k_or_guess"], values["k_or_guess"]),
            *_option_words(context, builder, kinds, values),
        ]
        results = _results_of_python(context, builder, tuple(kind), ("kmeans", module), words)
        return context.make_tuple(builder, kind, results)

    return Form(result_of, emit)


def _vq(module: str) -> Form:
    def result_of(obs: Any, code_book: Any, check_finite: Any) -> Any:
        _require_same_dimensions("vq", obs=obs, code_book=code_book)
        _require("vq", "check_finite", check_finite, (types.Boolean,), "a bool")
        single = working(obs) == working(code_book) == types.float32
        return types.Tuple((LABELS, types.Array(types.float32 if single else types.float64, 1, "C")))

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        words = [
            I64(kinds["obs"].ndim),
            *array_words(context, builder, kinds["obs"], values["obs"]),
            *_clusters_words(context, builder, kinds["code_book"], values["code_book"]),
            _number_word(context, builder, kinds["check_finite"], values["check_finite"], types.int64),
        ]
        return context.make_tuple(
            builder, kind, _results_of_python(context, builder, tuple(kind), ("vq", module), words)
        )

    return Form(result_of, emit)


def _whiten(module: str) -> Form:
    def result_of(obs: Any, check_finite: Any) -> Any:
        _require_array("whiten", "obs", obs, (1, 2), "an array (M, N) or (M,)")
        _require("whiten", "check_finite", check_finite, (types.Boolean, types.NoneType), "a bool")
        return types.Array(working(obs), obs.ndim, "C")

    def emit(context: Any, builder: Any, kind: Any, kinds: dict[str, Any], values: dict[str, Any]) -> Any:
        check = kinds["check_finite"]
        check = LeftOut(True) if isinstance(check, LeftOut) else check
        words = [
            I64(kinds["obs"].ndim),
            *array_words(context, builder, kinds["obs"], values["obs"]),
            I64(0),
            *NO_ARRAY,
            _number_word(context, builder, check, values["check_finite"], types.int64),
        ]
        return _results_of_python(context, builder, (kind,), ("whiten", module), words)[0]

    return Form(result_of, emit)


def scipy_forms(module: str) -> dict[str, Form]:
    """Return the form of each of SciPy's functions, by its name; module : whose errors they raise."""
    return {
        "kmeans2": _kmeans2(module),
        "kmeans": _kmeans(module),
        "vq": _vq(module),
        "whiten": _whiten(module),
    }
