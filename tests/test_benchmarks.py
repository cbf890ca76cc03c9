"""The tracked benchmarks use public names alone, so that they can measure any commit."""

import ast

import pytest
from support.environments import TESTS

FOLDER = TESTS.parent / "asv_benchmarks"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the benchmarks are not part of this copy")
FILES = ["one_process.py", *(f"benchmarks/{path.name}" for path in sorted(FOLDER.glob("benchmarks/*.py")))]


def private_names(source):
    """Return the private names of the package that a module imports, or reaches as attributes of it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numbakmeans":
            found += [part for part in node.module.split(".") if part.startswith("_")]
            found += [name.name for name in node.names if name.name.startswith("_")]
        elif isinstance(node, ast.Import):
            names = [name.name.split(".") for name in node.names]
            found += [
                part for parts in names if parts[0] == "numbakmeans" for part in parts if part[0] == "_"
            ]
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "numbakmeans":
            found += [node.attr] if node.attr.startswith("_") and node.attr != "__version__" else []
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_benchmark_uses_public_names_alone(file):
    source = (FOLDER / file).read_text(encoding="utf-8")
    assert private_names(source) == []
    # Programs for other processes are text.
    assert "numbakmeans._" not in source


@pytest.mark.parametrize(
    "source",
    [
        "from numbakmeans._engine import fit",
        "from numbakmeans import _scipy",
        "import numpy, numbakmeans._engine",
        "import numbakmeans\nnumbakmeans._scipy",
    ],
)
def test_private_names_are_found(source):
    assert private_names(source)
