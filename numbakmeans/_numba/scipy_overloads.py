"""SciPy's functions in nopython code: their types, and the calls they become.

They run in Python, and return its arrays or raise its exceptions; only `kmeans2` of few rows is answered by a
kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    generator_word,
    leave_unless_answered,
    new_array,
    run,
)
from numbakmeans._numba.overloads import (
    GENERATOR,
    LABELS,
    NO_GENERATOR,
    NUMBER,
    STRING,
    Form,
    LeftOut,
    as_int,
    is_single,
    require,
    require_array,
    size,
    working,
)
from numbakmeans._numba.status import DRAWN, GIVEN, OK, PLUS_PLUS, POINTS


def _string_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the address of a string, its length, and its bytes per character."""
    if isinstance(kind, types.UnicodeType):
        text = cgutils.create_struct_proxy(kind)(context, builder, value)
        return [text.data, text.length, text.kind]
    text = _known(kind).encode()
    return [context.insert_const_bytes(builder.module, text), I64(len(text)), I64(1)]


def _known(kind: Any) -> Any:
    """Return an argument's value if it is a literal or omitted, else None."""
    return kind.default if isinstance(kind, LeftOut) else getattr(kind, "literal_value", None)


def _number_word(context: Any, builder: Any, kind: Any, value: Any, wanted: Any) -> Any:
    if isinstance(kind, LeftOut):
        return ir.Constant(F64, float(kind.default)) if wanted == types.float64 else I64(int(kind.default))
    return context.cast(builder, value, kind, wanted)


def _clusters_words(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """Return the number of dimensions of an array and its words; for a number 0 and the number, padded."""
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

    kinds : types of the results, arrays or a number
    names : of the function, and of the module whose exceptions it raises
    give_back : emits code that releases arrays, whether the call returns or raises
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
        require_array(function, name, kind, (1, 2), "an array (M, N) or (M,)")
    (one, first), (other, second) = arrays.items()
    if first.ndim != second.ndim:
        raise TypingError(f"{function}: {one} has {first.ndim} dimensions, but {other} {second.ndim}")


def _require_clusters(
    function: str, names: tuple[str, str], kinds: tuple[Any, Any], rng: Any, words: str
) -> None:
    """Raise TypingError for unsupported data or clusters, or a number of clusters without a generator."""
    given = isinstance(kinds[1], types.Array)
    if given:
        _require_same_dimensions(function, **dict(zip(names, kinds, strict=True)))
    else:
        require_array(function, names[0], kinds[0], (1, 2), "an array (M, N) or (M,)")
        if not isinstance(kinds[1], types.Integer):
            raise TypingError(
                f"{function}: {names[1]} must be an integer or an array of {words} in nopython code, "
                f"got {kinds[1]}"
            )
    require(function, "rng", rng, (GENERATOR, types.NoneType), "a numpy.random.Generator")
    if not given and not isinstance(rng, GENERATOR):
        raise TypingError(f"{function}: {NO_GENERATOR}, or {words} as {names[1]}")


def _require_options(function: str, iter: Any, thresh: Any, check_finite: Any) -> None:
    require(function, "iter", iter, (types.Integer,), "an integer")
    require(function, "thresh", thresh, NUMBER, "a real number")
    require(function, "check_finite", check_finite, (types.Boolean,), "a bool")


def _option_words(context: Any, builder: Any, kinds: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    wanted = {"iter": types.int64, "thresh": types.float64, "check_finite": types.int64}
    numbers = [
        _number_word(context, builder, kinds[name], values[name], kind) for name, kind in wanted.items()
    ]
    return [*numbers, generator_word(context, builder, kinds["rng"], values["rng"])]


def _native_start(kinds: dict[str, Any]) -> int | None:
    """Return how a call of `kmeans2` starts, as a code of `status`; None if Python always answers it."""
    if _known(kinds["missing"]) not in ("warn", "raise"):
        return None
    minit = _known(kinds["minit"])
    if isinstance(kinds["k"], types.Array):
        return GIVEN if minit in ("random", "points", "++", "matrix") else None
    return {"points": POINTS, "++": PLUS_PLUS}.get(minit)


def _kmeans2(module: str) -> Form:
    def result_of(
        *, data: Any, k: Any, iter: Any, thresh: Any, minit: Any, missing: Any, check_finite: Any, rng: Any
    ) -> Any:
        _require_clusters("kmeans2", ("data", "k"), (data, k), rng, "centroids")
        _require_options("kmeans2", iter, thresh, check_finite)
        for name, kind in (("minit", minit), ("missing", missing)):
            require("kmeans2", name, kind, STRING, "a string")
        return types.Tuple((types.Array(working(data), data.ndim, "C"), LABELS))

    def in_python(
        context: Any, builder: Any, kind: Any, kinds: Any, values: Any, start: Any, give_back: Any = None
    ) -> list[Any]:
        """Emit the call in Python; start : address of starting centers that are already drawn, or 0."""
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
        """Emit new arrays, and a call of the kernel that fills them; return the arrays and the status."""
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
            is_single(data),
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
        n = size(context, builder, kinds["data"], values["data"], 0)
        if start == GIVEN:
            count = size(context, builder, kinds["k"], values["k"], 0)
            sound = I1(1)
        else:
            count = as_int(context, builder, kinds["k"], values["k"])
            # Other counts are errors, or need more memory than the data.
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
        require("vq", "check_finite", check_finite, (types.Boolean,), "a bool")
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
        require_array("whiten", "obs", obs, (1, 2), "an array (M, N) or (M,)")
        require("whiten", "check_finite", check_finite, (types.Boolean, types.NoneType), "a bool")
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
    """Return the forms of SciPy's functions, by name; module : name of the module whose errors they raise."""
    return {
        "kmeans2": _kmeans2(module),
        "kmeans": _kmeans(module),
        "vq": _vq(module),
        "whiten": _whiten(module),
    }
