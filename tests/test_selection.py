"""What a run selects: every rule selects something, and nothing is lost. Pages name tests that exist."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import selection
from support.environments import importing_tests

HERE = Path(__file__).parent


def collected(*arguments):
    """Return the tests that a run selects: (file, function with its parameters) -> the shorter runs with it.

    These are "day" and "quick".
    """
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in importing_tests().items() if not key.startswith("PYTEST")}
    command += ["-p", "support.collection_plugin", *arguments]
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {(file, name): set(shorter) for file, name, shorter in lines}


@pytest.fixture(scope="module")
def runs():
    """All tests, those of a day, and the quick ones."""
    tests = collected("--full")
    day = {test for test, shorter in tests.items() if "day" in shorter}
    return {"full": {*tests}, "day": day, "quick": {test for test in day if "quick" in tests[test]}}


def unused(rules, names):
    """Return the rules for which there is no test among some."""
    return {rule for rule in rules if not any((file, name.partition("[")[0]) == rule for file, name in names)}


def test_each_run_has_what_the_shorter_one_has(runs):
    assert runs["quick"] < runs["day"] < runs["full"]
    assert len(runs["quick"]) > 1000


def test_a_run_selects_what_the_rules_say(runs):
    file = "test_weights.py"
    for name, arguments in (("full", ["--full"]), ("day", [])):
        assert {*collected(f"tests/{file}", *arguments)} == {test for test in runs[name] if test[0] == file}
    file = "test_fit.py"
    assert {*collected(f"tests/{file}", "-m", "quick")} == {test for test in runs["quick"] if test[0] == file}


def test_every_rule_takes_something_out_and_leaves_the_rest_in(runs):
    extra = runs["full"] - runs["day"]
    assert unused(selection.EXTRA, extra) == set()
    everyday = unused(selection.EXTRA, runs["day"])
    assert everyday == {
        ("test_doors.py", "test_a_users_cached_function_runs_in_any_state_of_our_cache"),
        ("test_installs.py", "test_a_vendored_copy_works_beside_the_installed_one"),
        ("test_installs.py", "test_damaged_stale_and_foreign_files_are_replaced"),
        ("test_doors.py", "test_nested_parallel_loops_give_the_right_labels"),
        ("test_installs.py", "test_a_race_of_colliding_names_is_noticed"),
        ("test_installs.py", "test_two_versions_without_sources_share_a_cache_folder"),
        ("test_restarts.py", "test_a_fault_is_found"),
        ("test_planted_faults.py", "test_a_call_that_nests_parallel_regions_dies"),
    }
    assert unused(selection.QUICK_CASES, runs["quick"]) == set()
    assert {file for file, _ in runs["quick"]} >= selection.QUICK
    # The negative control.
    assert unused({("test_fit.py", "test_that_is_gone")}, extra) != set()


def test_a_test_that_is_named_runs():
    named = "tests/test_installs.py::test_a_race_of_colliding_names_is_noticed"
    assert len(collected(named)) == 1


#: Modules of the test dependencies whose absence may skip a test: that of the lowest versions lacks them.
OPTIONAL = {"scipy", "sklearn", "yaml"}


def skipped_for(text):
    """Return the modules without which the tests of a file are skipped."""
    return {name.partition(".")[0] for name in re.findall(r"importorskip\(\s*[\"']([\w.]+)", text)}


def test_no_test_is_skipped_for_a_module_that_never_is_there():
    files = [*HERE.glob("test_*.py"), *HERE.glob("*/test_*.py")]
    assert set().union(*(skipped_for(file.read_text()) for file in files)) == OPTIONAL
    assert all(importlib.util.find_spec(name) for name in OPTIONAL) or not importlib.util.find_spec("scipy")
    # The negative control: a helper of the suite that has another name now.
    line = "inside = pytest.importorskip({!r}).inside".format("scipys")
    assert skipped_for(line) - OPTIONAL == {"scipys"}


HANGS = "import time\ndef test_that_hangs():\n    time.sleep(60)\n"


def test_a_test_that_hangs_ends_the_process_with_its_stack(tmp_path):
    # The limit of the suite is in pyproject.toml, and long; a shorter one shows what it does.
    settings = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 300 <= settings["faulthandler_timeout"] <= 1200
    (tmp_path / "test_hanging.py").write_text(HANGS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfaulthandler_timeout = 1\n"
        f"faulthandler_exit_on_timeout = {settings['faulthandler_exit_on_timeout']}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hanging.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert "test_that_hangs" in done.stderr


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
