"""What a run selects: every rule selects something, and nothing is lost. Pages name tests that exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import selection

HERE = Path(__file__).parent


def collected(*arguments):
    """Return the names of the tests that a run selects, as (file, function with its parameters)."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "::" in line]
    return {(line.partition("::")[0].rpartition("/")[2], line.partition("::")[2]) for line in lines}


@pytest.fixture(scope="module")
def runs():
    """All tests, those of a day, and the quick ones."""
    return {"full": collected("--full"), "day": collected(), "quick": collected("-m", "quick")}


def unused(rules, names):
    """Return the rules for which there is no test among some."""
    return {rule for rule in rules if not any((file, name.partition("[")[0]) == rule for file, name in names)}


def test_each_run_has_what_the_shorter_one_has(runs):
    assert runs["quick"] < runs["day"] < runs["full"]
    assert len(runs["quick"]) > 1000


def test_every_rule_takes_something_out_and_leaves_the_rest_in(runs):
    extra = runs["full"] - runs["day"]
    assert unused(selection.EXTRA, extra) == set()
    everyday = unused(selection.EXTRA, runs["day"])
    assert everyday == {("test_installs.py", "test_a_race_of_colliding_names_is_noticed")}
    assert unused(selection.QUICK_CASES, runs["quick"]) == set()
    assert {file for file, _ in runs["quick"]} >= selection.QUICK
    # The negative control.
    assert unused({("test_fit.py", "test_that_is_gone")}, extra) != set()


def test_a_test_that_is_named_runs():
    named = "tests/test_installs.py::test_a_race_of_colliding_names_is_noticed"
    assert len(collected(named)) == 1


def unknown_names(text):
    """Return the tests, files and folders of the suite that a text names, but that do not exist."""
    files = [*HERE.glob("test_*.py"), *HERE.glob("*/test_*.py")]
    known = {file.stem for file in files}
    known |= {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)}
    paths = re.findall(r"\btests/[\w/]+(?:\.py\b|/)", text)
    gone = {path for path in paths if not (HERE.parent / path).exists()}
    return gone | set(re.findall(r"\btest_\w+", text)) - known


def test_pages_and_commands_name_tests_that_exist():
    root = HERE.parent
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), root / "noxfile.py", root / ".ci" / "run"]
    assert {page.name: unknown_names(page.read_text()) for page in pages} == {
        page.name: set() for page in pages
    }
    # The negative control.
    text = "`tests/test_fit.py::test_that_is_gone`, `tests/gone/`, `tests/support/ugly.py`, `test_cache*.py`"
    assert unknown_names(text) == {"test_that_is_gone", "tests/gone/", "tests/support/ugly.py"}
