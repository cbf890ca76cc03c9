"""The examples in the docstrings and in the README."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import numbakmeans

README = Path(__file__).parent.parent / "README.md"
DOCS = README.parent / "docs"


@pytest.mark.parametrize(
    "module",
    [
        "_arguments",
        "_scipy",
        "_batch",
        "_choosing",
        "_engine.blocks",
        "_engine.fit",
        "dask.kmeans",
        "estimators.kmeans",
        "estimators.mini_batch",
        "jit",
    ],
)
def test_the_docstring_examples_run(module):
    result = doctest.testmod(
        importlib.import_module(f"numbakmeans.{module}"), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.attempted > 0
    assert result.failed == 0


def test_every_public_function_has_an_example():
    for name in numbakmeans.__all__:
        if callable(getattr(numbakmeans, name)) and name[0].islower():
            assert ">>>" in getattr(numbakmeans, name).__doc__


def code_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)


def test_the_nopython_examples_run():
    blocks = code_blocks(DOCS / "nopython.md")
    assert len(blocks) == 4
    for block in blocks:
        assert "\nassert " in block
        exec(block, {})


def test_the_examples_of_large_data_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(DOCS / "large-data.md")
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(block, names)
    assert (names["on_dask"].labels_.compute() == names["kmeans"].labels_).all()
    assert names["stream"].n_steps_ == 200


def test_the_readme_examples_run():
    blocks = code_blocks(README)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["label"].shape == names["kmeans"].labels_.shape == (100_000,)
    assert names["result"].centers.shape == (100, 16)


def test_the_examples_of_getting_started_run():
    blocks = code_blocks(DOCS / "getting-started.md")
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(block, names)
    assert names["labels"].shape == (10_000, 200)
    assert (names["more"].centers[:3] == names["result"].centers).all()
    assert names["directions"].centers.shape == (10, 8)


def test_the_documentation_says_what_differs_in_every_parameter_of_kmeans():
    section = (DOCS / "coming-from-scikit-learn.md").read_text(encoding="utf-8")
    tables = re.findall(r"\n\n(\|.*?)(?=\n\n)", f"{section}\n\n", flags=re.S)
    named = [
        set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in each.split("\n"))))
        for each in tables
    ]
    assert named[0] == set(inspect.signature(numbakmeans.KMeans).parameters)
    kmeans = numbakmeans.KMeans(1).fit([[0.0]])
    attributes = {name for name in vars(kmeans) if name.endswith("_") and not name.startswith("_")}
    assert attributes <= named[1]
