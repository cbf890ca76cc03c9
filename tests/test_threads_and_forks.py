"""Programs with threads, pools, forks and Ctrl-C, each in a real process under each threading layer.

They are in the package `support.situations`. Each must pass, and must fail once its guard is removed.
"""

import os
import signal
import subprocess
from itertools import product

import pytest
from support.environments import program, under

#: Seconds after which a situation counts as hanging; and one that may hang without its guard.
LIMIT, SHORT_LIMIT = 240, 60
LAYERS = ("omp", "workqueue", "tbb")
SITUATIONS = (
    "thread_pools",
    "first_calls",
    "other_pools",
    "fork_after_use",
    "process_pools",
    "fork_while_running",
    "fork_while_compiling",
    "fork_while_loading",
    "fork_while_starting",
    "errors_in_a_prange",
)


def run(layer, *arguments, limit=LIMIT, users_cache=None):
    """Run a situation, and return its exit code (None after the time limit) and what it printed."""
    command = program("situations", *arguments)
    process = subprocess.Popen(
        command,
        env=under(layer, users_cache, NUMBA_NUM_THREADS="4"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0]
    return process.returncode, output


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize(
    "situation",
    [
        "interrupt_passes",
        "interrupt_few_rows",
        "interrupt_batch",
        "interrupt_seeding",
        "interrupt_compiling",
        "interrupt_linking",
        "interrupt_loading",
    ],
)
def test_ctrl_c_stops_a_call(situation):
    # Under this layer there is also a lock, which must be free afterwards.
    code, output = run("workqueue", situation)
    assert code == 0, output


def test_results_are_well_formed_if_inputs_change_meanwhile():
    code, output = run("omp", "changing_input")
    assert code == 0, output


@pytest.fixture(scope="module")
def users_cache(tmp_path_factory):
    """Return the folder of Numba's cache, in which all layers find a user's function that one compiled."""
    return tmp_path_factory.mktemp("users")


@pytest.mark.parametrize(
    ("situation", "layer"), [*product(SITUATIONS, LAYERS), ("fork_beside_short_kernels", "tbb")]
)
def test_a_situation_is_survived(situation, layer, users_cache):
    code, output = run(layer, situation, users_cache=users_cache)
    assert code == 0, output


#: Exit codes after memory has been freed twice.
CRASHES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT}
#: What happens without the guard: possible exit codes (None: it hangs), and a part of the output.
CONTROLS = {
    ("thread_pools", "workqueue", "kernel lock"): ({-signal.SIGABRT}, "Concurrent access has been detected"),
    ("other_pools", "workqueue", "kernel lock"): ({-signal.SIGABRT}, "Concurrent access has been detected"),
    ("fork_after_use", "omp", "fork handlers"): (
        {1},
        f"[{-signal.SIGTERM}, {-signal.SIGTERM}, {-signal.SIGTERM}]",
    ),
    ("process_pools", "omp", "fork handlers"): ({1}, "BrokenProcessPool"),
    ("fork_while_running", "omp", "fork handlers"): ({1}, f"{-signal.SIGTERM}"),
    ("fork_beside_short_kernels", "tbb", "fork handlers"): ({1}, f"AssertionError: {-signal.SIGALRM}"),
    ("fork_while_compiling", "workqueue", "fork handlers"): ({1}, f"AssertionError: {-signal.SIGALRM}"),
    ("fork_while_starting", "workqueue", "fork handlers"): ({1}, f"AssertionError: {-signal.SIGALRM}"),
    ("fork_while_loading", "workqueue", "fork handlers"): ({1}, f"AssertionError: {-signal.SIGALRM}"),
    # Threads load at once; what LLVM does then is unpredictable.
    ("first_calls", "workqueue", "bind lock"): (CRASHES | {1}, ""),
    ("changing_input", "omp", "sound labels"): ({1}, "assert 0 <= labels.min() <= labels.max() < k"),
    ("interrupt_few_rows", "workqueue", "steps"): ({1}, "s after the signal"),
    ("interrupt_batch", "workqueue", "steps"): ({1}, "s after the signal"),
    ("interrupt_seeding", "workqueue", "steps"): ({1}, "s after the signal"),
    ("interrupt_compiling", "workqueue", "keeping"): ({1}, "an interrupt was lost"),
    ("interrupt_linking", "workqueue", "keeping"): (CRASHES | {None}, ""),
}


#: The number of times that a control is tried.
TIMES = 5


@pytest.mark.parametrize(("situation", "layer", "guard"), CONTROLS)
def test_a_situation_is_not_survived_without_its_guard(situation, layer, guard):
    codes, words = CONTROLS[situation, layer, guard]
    # Without its guard a race fails only by chance: once in a few attempts is enough.
    for _ in range(TIMES):
        code, output = run(layer, situation, guard, limit=SHORT_LIMIT if None in codes else LIMIT)
        if code in codes:
            break
    assert code in codes, output
    assert words in output
