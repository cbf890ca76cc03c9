"""Calls from a user's compiled code, in every situation, each in a process of its own."""

import json
import os
import shutil
import subprocess

import pytest
from support import doors_program
from support.environments import program, under
from support.package_copies import copy_package

LAYERS = ["omp", "workqueue", "tbb"]
OK, UNAVAILABLE = 0, 5


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Return a folder with the user's module, and the code that Numba has cached for it."""
    folder = tmp_path_factory.mktemp("doors")
    (folder / "users.py").write_text(doors_program.USERS)
    assert run(folder, "omp", "called", USERS_COMPILES="1")["loaded"] == [0] * 5
    return folder


@pytest.fixture
def users(compiled, tmp_path):
    """Return a copy of that folder."""
    folder = tmp_path / "users"
    shutil.copytree(compiled, folder)
    return folder


def run(folder, layer, name, first="", fails=False, **more):
    """Return what one of the programs prints; first : a folder to import from before all others."""
    environment = under(layer, folder / "numba", **more)
    paths = [first, str(folder), environment["PYTHONPATH"]]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environment.setdefault("NUMBA_NUM_THREADS", "8")
    result = subprocess.run(
        program("doors_program", name),
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert (result.returncode != 0) == fails, result.stderr
    return result.stderr if fails else json.loads(result.stdout.splitlines()[-1])


FINE = {
    "imported": False,
    "loaded": [1] * 5,
    "status": [OK],
    "few rows": True,
    "many rows": True,
    "others": True,
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_users_cached_function_runs_in_a_process_that_has_not_imported_us(compiled, layer):
    # The control: when it was compiled, nothing was loaded.
    assert run(compiled, layer, "called") == FINE


@pytest.mark.parametrize("state", ["off", "damaged", "not a folder", "empty"])
def test_a_users_cached_function_runs_in_any_state_of_our_cache(compiled, tmp_path, state):
    kept = tmp_path / "kept"
    if state == "not a folder":
        kept.write_text("a file")
    elif state != "off":
        kept.mkdir()
        run(compiled, "omp", "called", NUMBAKMEANS_CACHE_DIR=str(kept))
        files = list(kept.iterdir())
        assert len(files) > 5
        for file in files:
            if state == "empty":
                file.unlink()
            else:
                content = file.read_bytes()
                file.write_bytes(content[:200] + b"damaged" + content[207:])
    folder = "off" if state == "off" else str(kept)
    assert run(compiled, "omp", "called", NUMBAKMEANS_CACHE_DIR=folder) == FINE


@pytest.mark.parametrize("layer", LAYERS)
def test_a_users_cached_function_runs_after_a_fork(compiled, layer):
    assert run(compiled, layer, "forked") == {
        "first": True,
        "meanwhile": True,
        "resolved": True,
        "control": False,
    }


@pytest.mark.parametrize("layer", ["omp", "tbb"])  # workqueue does not support nested parallel loops
def test_nested_parallel_loops_give_the_right_labels(compiled, layer):
    # The control: other data.
    assert run(compiled, layer, "nested", USERS_COMPILES="1") == [True, False]


def copy_of_the_package(folder, **constants):
    """Return a folder with a copy of the package in which some constants of `doors` are changed."""
    copy_package(folder)
    path = folder / "numbakmeans" / "_numba" / "doors.py"
    source = path.read_text()
    for name, value in constants.items():
        assert source.count(f"\n{name} = 1\n") == 1
        source = source.replace(f"\n{name} = 1\n", f"\n{name} = {value}\n")
    path.write_text(source)
    return str(folder)


def test_code_from_before_a_change_of_the_layout_is_refused(compiled, tmp_path):
    found = run(compiled, "omp", "answers", first=copy_of_the_package(tmp_path, LAYOUT=2))
    assert found["loaded"] == 1
    assert found["fit"] == [UNAVAILABLE, True, True]
    for name in ("kmeans2", "drawn", "whiten"):
        assert found[name].startswith(
            "RuntimeError: this function was compiled with another version of numbakmeans"
        )
    # The control: a copy of the same layout answers.
    found = run(compiled, "omp", "answers", first=copy_of_the_package(tmp_path / "same"))
    assert (found["loaded"], found["fit"]) == (1, [OK, False, False])
    assert [found[name] for name in ("kmeans2", "drawn", "whiten")] == ["nothing"] * 3


def test_an_error_says_that_the_package_has_gone(compiled):
    found = run(compiled, "omp", "answers", USERS_LOSE="1")
    assert found["loaded"] == 1
    assert found["fit"] == [UNAVAILABLE, True, True]
    for name in ("kmeans2", "drawn", "whiten"):
        assert found[name].startswith("RuntimeError: numbakmeans, which this function was compiled with")


def test_an_interrupt_is_raised_while_a_kernel_is_compiled(compiled, tmp_path):
    where = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path)}
    interrupted = run(compiled, "omp", "interrupted_compiling", USERS_INTERRUPT="1", **where)
    assert interrupted == [["interrupted"] * 2, True]
    # The control: without one.
    assert run(compiled, "omp", "interrupted_compiling", **where) == [["returned"] * 2, True]


def test_an_interrupt_is_raised_while_python_runs_the_passes(tmp_path):
    seconds = run(tmp_path, "omp", "interrupted_running")
    assert len(seconds) == 2
    assert max(seconds) < 2


def test_an_exception_in_the_python_part_is_raised_or_becomes_a_status(tmp_path):
    found, shown = run(tmp_path, "omp", "failing")
    assert found == [[UNAVAILABLE, True, True, [-7, -7]]] * 4 + [[OK, doors_program.LARGE[0], True]]
    # Unexpected exceptions, which have no status, are shown.
    assert shown == ["ValueError", "SystemExit"]


def test_a_call_leaks_nothing(tmp_path):
    left, as_numba_itself, control, held = run(tmp_path, "omp", "leaks")
    assert left == [[0] * 6] * 8
    # Numba leaks what a function holds when an exception leaves it; we leak no more than that.
    assert as_numba_itself == [True] * 4
    assert any(control)
    # Nor does an exception keep views of the caller's memory alive; that of a call from Python does.
    assert held == [0, True]
