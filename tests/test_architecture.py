"""The shape of the package: its limits, its maps, and an algorithm that is added by the page about it."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from support import edge_cases
from support.comparison import differences, expected_passes

import numbakmeans
from numbakmeans._engine.algorithms import ALGORITHMS

PACKAGE = Path(numbakmeans.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))

MOST_ARGUMENTS, MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_MODULE = 7, 60, 420
#: Longer for a reason.
LONG_MODULES = {
    "_scipy.py": "the docstrings of SciPy's functions, with examples",
    "jit.py": "the docstrings of ten building blocks, with examples",
}
LONG = {
    "score_lanes": "a register tile is emitted as a whole",
    "_kmeans2": "what differs with the types of one call's arguments: closures that share them",
}


def functions_of(source):
    """Return all functions of a module, and the lines of each without its docstring."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                n_lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            found.append((node, n_lines))
    return found


def too_large(source):
    """Return what in a module is beyond its limit."""
    wrong = []
    for node, n_lines in functions_of(source):
        arguments = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
        # Numba hands every intrinsic one more.
        if len(arguments) - (arguments[:1] == ["typingctx"]) > MOST_ARGUMENTS:
            wrong.append(f"{node.name} takes {len(arguments)} positional arguments")
        if n_lines > MOST_LINES_OF_A_FUNCTION and node.name not in LONG:
            wrong.append(f"{node.name} has {n_lines} lines")
    if source.count("\n") > MOST_LINES_OF_A_MODULE:
        wrong.append(f"{source.count(chr(10))} lines")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_too_large(path):
    wrong = too_large(path.read_text())
    assert [each for each in wrong if path.name not in LONG_MODULES or "lines" not in each] == []


def test_every_exception_is_needed():
    lengths = {node.name: n for path in MODULES for node, n in functions_of(path.read_text())}
    assert all(lengths.get(name, 0) > MOST_LINES_OF_A_FUNCTION for name in LONG)


def powers_in(source):
    """Return the powers in functions whose exponent is not a literal."""
    nodes = [node for function, _ in functions_of(source) for node in ast.walk(function)]
    powers = [node for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)]
    return {
        ast.unparse(node)
        for node in powers
        if not isinstance(getattr(node.right, "operand", node.right), ast.Constant)
    }


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("_engine/kernels/*.py")), ids=lambda path: path.name)
def test_no_kernel_computes_a_power(path):
    # For a negative exponent that is not a literal Numba takes the inverse of the power, and 2.0**-1074 is 0.
    assert powers_in(path.read_text()) == set()


def test_a_computed_power_is_noticed():
    assert powers_in("def f(n):\n    return 2.0**-3 + 2.0**n + 2.0**-n") == {"2.0 ** n", "2.0 ** (-n)"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(a, b, c, d, e, f, g, h): pass", "8 positional arguments"),
        ("def f():\n" + "    x = 1\n" * 61, "f has 62 lines"),
        ("x = 1\n" * 500, "500 lines"),
    ],
)
def test_what_is_too_large_is_noticed(source, words):
    """The negative control."""
    assert any(words in each for each in too_large(source))
    assert too_large('def f(typingctx, a, b, c, d, e, f, g):\n    """Do it.' + "\n" * 70 + '"""') == []


# --- Maps


def missing_from(text):
    """Return the modules of the package that a map does not name."""
    names = {path.parent.name if path.name == "__init__.py" else path.stem for path in MODULES}
    names -= {"numbakmeans", "__main__"}
    return {name for name in names if not re.search(rf"\b{name}\b", text)}


def test_the_map_names_every_module():
    """Rooms whose own docstring lists their modules are named, and these there."""
    maps = [PACKAGE / "__init__.py", *(path for path in MODULES if path.name == "__init__.py")]
    assert missing_from("\n".join(ast.get_docstring(ast.parse(p.read_text())) or "" for p in maps)) == set()
    # The negative control.
    assert "yinyang" in missing_from("a map without it")


def files_in(text):
    """Return the Python files that a page names."""
    return set(re.findall(r"[\w/]+\.py\b", text))


def unknown_files(text):
    """Return the Python files that a page names, but the package does not have."""
    known = [str(path.relative_to(PACKAGE.parent)) for path in MODULES]
    return {name for name in files_in(text) if not any(f"/{path}".endswith(f"/{name}") for path in known)}


def test_the_page_names_files_that_exist():
    text = PAGE.read_text()
    assert unknown_files(text) == set()
    assert len(files_in(text)) > 25
    # The negative control.
    assert unknown_files(f"{text} `kernels/nobody.py`") == {"kernels/nobody.py"}


# --- An algorithm, added by the page


@pytest.fixture
def added(monkeypatch):
    """The page's algorithm, in the table; called with a change of its source."""

    def add(old="", new=""):
        (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
        assert old in source
        names: dict = {}
        exec(compile(source.replace(old, new, 1), str(PAGE), "exec"), names)
        monkeypatch.setitem(ALGORITHMS, "plain", names["Plain"])

    return add


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*edge_cases.cases(np.float64), *edge_cases.not_finite(np.float64)])
def test_an_algorithm_that_is_added_by_the_page_gives_the_oracles_bits(name, dtype, added):
    added()
    X, centers = {**edge_cases.cases(dtype), **edge_cases.not_finite(dtype)}[name]
    assert differences(X, centers, expected_passes(X, centers), "plain") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".argmin(axis=1)", ".argmin(axis=1) * 0"),
        ("tables.sums[:], tables.counts[:] = 0, 0", "tables.counts[:] = 0"),
        ("** 2", "** 4"),
    ],
)
def test_an_algorithm_with_a_fault_is_noticed(old, new, added):
    """The negative control."""
    added(old, new)
    X, centers = next(iter(edge_cases.cases(np.float64).values()))
    assert differences(X, centers, expected_passes(X, centers), "plain") != []
