"""Kernels called from Python: which arguments they take, how they return results, and what is refused."""

import decimal
import fractions
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import types
from numba.core.errors import NumbaError
from support import edge_cases

from numbakmeans._numba import compiler
from numbakmeans._numba.compiler import bounding_kernel, kernel
from numbakmeans._numba.entries import DISABLED, Entry, group, kind_of

compiled_only = pytest.mark.skipif(DISABLED, reason="in plain Python anything goes")


class Pair(NamedTuple):
    first: np.ndarray
    second: float


@kernel
def total(X):
    found = 0.0
    for i in range(X.shape[0]):
        for f in range(X.shape[1]):
            found += X[i, f]
    return found


@kernel
def echo(an_integer, a_number, a_truth, pair, nothing, values):
    """Return numbers of each kind, taken from arguments of each kind."""
    if nothing is not None:
        return 0, 0.0, False, 0.0, 0
    return an_integer, a_number, a_truth, pair.first[1] + pair.second, values[1][0]


@kernel
def truth(x):
    return x > 2


@kernel
def single(x):
    return np.float32(x)


@kernel
def nothing(X):
    X[0] = 5


@kernel
def with_room(x, arena):
    return x + 1


@kernel
def a_table(X):
    return X[0]


@kernel
def printing(x):
    print(x)
    return x


def values_of(array, wanted):
    return [array] if wanted == "array" else [Pair(array, 1.0)] if wanted == "member" else [(1, (array,))]


# --- Arguments


def test_a_group_is_passed_as_its_members():
    """It has the machine code of its members, whose kinds are looked up once and whose values may change."""
    values = (1, (7,))
    pair = Pair(np.array([0.0, 0.5]), 0.25)
    given = group(pair)
    assert echo(3, 1.5, True, given, None, values) == echo(3, 1.5, True, pair, None, values)
    pair.first[1] = 10.0
    assert echo(3, 1.5, True, given, None, values)[3] == 10.25
    assert given.second == 0.25
    if not DISABLED:
        assert kind_of(given) == kind_of(pair)
        with pytest.raises(TypeError, match="kernels take arrays, numbers and tuples of them, got str"):
            group(Pair(np.zeros(1), "1"))


@pytest.mark.parametrize("place", ["array", "member", "nested"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", edge_cases.layouts(np.ones((2, 3))))
def test_only_aligned_arrays_in_c_order_are_taken(name, dtype, place):
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    array = edge_cases.layouts(X)[name]
    sound = {"C", "read-only", "matrix", *(["list"] if dtype is np.float32 else [])}
    (value,) = values_of(array, place)
    if name in sound:
        kind_of(value)
    else:
        with pytest.raises(TypeError, match="kernels take"):
            kind_of(value)


@compiled_only
def test_refused_arrays_would_be_misread():
    """The negative control: past `kind_of`, the result is wrong."""
    X = np.random.default_rng(0).normal(size=(5, 3))
    right = total(X)
    bound = total.entry.bind((("d", 2),))
    for name in ("strided", "negative strides", "other byte order"):
        array = edge_cases.layouts(X)[name]
        with pytest.raises(TypeError):
            total(array)
        assert Entry.call(bound, (array,)) != pytest.approx(right)
        assert total(np.require(array, np.float64, "C")) == pytest.approx(right)


@pytest.mark.parametrize(
    "value",
    [
        [1.0],
        "x",
        b"x",
        1j,
        {},
        {1},
        object(),
        decimal.Decimal(1),
        fractions.Fraction(1, 2),
        range(3),
        np.complex128(1),
    ],
)
@pytest.mark.parametrize("place", ["array", "member", "nested"])
def test_foreign_types_are_refused(value, place):
    (given,) = values_of(value, place)
    with pytest.raises(TypeError, match="kernels take arrays, numbers and tuples"):
        kind_of(given)


@compiled_only
@pytest.mark.parametrize("dtype", [object, "U3", "M8[s]", [("a", "f8")]])
def test_arrays_of_other_dtypes_are_not_compiled_for(dtype):
    with pytest.raises((TypeError, NumbaError, NotImplementedError)):
        total(np.empty((2, 2), dtype))


@pytest.mark.parametrize(
    "an_integer", [3, -(2**63), 2**63 - 1, np.int8(-3), np.int64(2**40), np.uint32(2**32 - 1)]
)
@pytest.mark.parametrize("a_number", [0.1, np.float64(-0.0), np.float32(0.1), float("inf")])
@pytest.mark.parametrize("a_truth", [True, False, np.True_, np.False_])
def test_numbers_arrive_and_come_back(an_integer, a_number, a_truth):
    pair = Pair(np.array([1.0, 2.0]), 0.5)
    found = echo(an_integer, a_number, a_truth, pair, None, (1, (7, 8.5)))
    assert found == (int(an_integer), float(a_number), bool(a_truth), 2.5, 7)
    if not DISABLED:
        assert list(map(type, found)) == [int, float, bool, float, int]


@compiled_only
def test_results_are_plain_numbers():
    assert truth(3) is True
    assert truth(1.5) is False
    assert single(0.1) == float(np.float32(0.1)) != 0.1
    assert with_room(3) == 4
    X = np.zeros(2)
    assert nothing(X) is None
    assert X.tolist() == [5, 0]


@compiled_only
def test_tables_cannot_be_returned_to_python():
    with pytest.raises(TypeError, match="an entry must return numbers, got table"):
        a_table(np.ones((2, 2)))


@compiled_only
def test_each_combination_of_kinds_has_code_of_its_own():
    before = len(total.entry.bound)
    total(np.ones((2, 2), np.uint8))
    total(np.ones((3, 2), np.uint8))
    assert len(total.entry.bound) == before + 1
    total(np.ones((3, 2), np.int16))
    assert len(total.entry.bound) == before + 2


# --- What machine code may refer to

PROGRAM = """
declare i64 @{name}(i64)
define i64 @entry(i64 %x) {{
  %y = call i64 @{name}(i64 %x)
  ret i64 %y
}}
"""


def optimized(name):
    return compiler.optimize(llvm.parse_assembly(PROGRAM.format(name=name)), "entry")


@compiled_only
def test_code_that_refers_to_others_is_refused():
    """LLVM aborts the process when it loads an unresolved reference."""
    for name in ("numba_gil_ensure", "NRT_MemInfo_alloc", "no_such_function", "PyErr_Clear"):
        with pytest.raises(TypeError, match=f"entry refers to {name}"):
            optimized(name)
    # The control: some functions of the C library are allowed.
    for name in sorted(compiler.LIBRARY - {"memset", "memcpy", "memmove", "sqrt"}):
        assert optimized(name).startswith(b"\\x7fELF") or optimized(name)


@compiled_only
def test_a_kernel_that_needs_numba_is_refused():
    with pytest.raises(TypeError, match="which is only available with Numba loaded"):
        printing(3)


@compiled_only
def test_constants_do_not_specialize_kernels():
    """Numba would compile a kernel again for every constant that another kernel calls it with."""

    @kernel
    def part(x):
        return x

    @kernel
    def whole(y):
        return part(1) + part(2) + part(y)

    assert whole(5) == 8
    assert list(part.dispatcher.overloads) == [(types.int64,)]


@kernel
def rest(x, y):
    return (x + y) - x


@bounding_kernel
def bounding_rest(x, y):
    return (x + y) - x


@bounding_kernel
def bounding_caller(x, y):
    return rest(x, y)


@compiled_only
def test_options_are_not_inherited_from_the_caller():
    """A kernel that rounds as written does so even if called by one whose sums may be reordered."""
    # The caller comes first: code that is compiled already would not be compiled again for it.
    assert bounding_caller(1e16, 1.0) == 0.0
    assert rest(1e16, 1.0) == 0.0
    # The negative control: the sums of a bounding kernel are reordered.
    assert bounding_rest(1e16, 1.0) == 1.0
