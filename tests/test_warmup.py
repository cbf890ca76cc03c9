"""``numbakmeans warmup`` compiles everything, once, in several processes."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import numbakmeans
from numbakmeans._numba import cache as _cache

PACKAGE = Path(numbakmeans.__file__).parent
#: Seconds after which a process counts as hanging; and a process that compiles everything.
LIMIT, WARMUP_LIMIT = 240, 1200

#: Every kind of call on both sides of every threshold; prints how much was compiled for them.
EVERYTHING = """
import json, sys, warnings
import numpy as np
from numba import njit
from numbakmeans import KMeans, fit, jit, kmeans, kmeans2, kmeans2_batch, vq, whiten
from numbakmeans._numba import cache as _cache
from numbakmeans._engine import plan as _plan
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.algorithms import ALGORITHMS
warnings.simplefilter("ignore")
for at.MIN_PARALLEL_STEPS, at.MAX_SMALL_VALUES in ((0, 0), (0, 10**5), (10**18, 0), (10**18, 10**5)):
    _plan.nearest_scored = lambda *_, **__: at.MIN_PARALLEL_STEPS == 0
    for algorithm in ALGORITHMS:
        _plan.algorithm = lambda *_: algorithm
        for dtype in (np.float32, np.float64, np.float16, np.int32):
            X = (np.random.default_rng(0).normal(size=(300, 9)) * 9).astype(dtype)
            fit(X, X[:5])
            fit(X + 99, X[:5] + 99, metric="cosine", max_iter=2)
            vq(X, X[:5])
            for weights in (None, np.arange(300.0)):
                estimator = KMeans(5, init=X[:5], max_iter=2).fit(X, sample_weight=weights)
                estimator.transform(X), estimator.transform(X.astype(float))
                estimator.score(X, None, weights)
            KMeans(5, init="random", n_init=2, max_iter=2, random_state=0).fit(X)
            kmeans2_batch(X[None], X[None, :5])
            kmeans2_batch(X[None], 5, minit="++", rng=0)
            kmeans2_batch(X[None], 5, minit="points", rng=0)
            whiten(X)
            kmeans(X, 3, iter=2, rng=0)
            for minit in ("random", "points", "++"):
                for generator in (np.random.default_rng(0), np.random.RandomState(0)):
                    kmeans2(X, 3, minit=minit, seed=generator)
                    kmeans2(X[:, 0], 3, minit=minit, seed=generator)
                    kmeans2(X[:5], 3, minit=minit, seed=generator)
            Y = X.astype(np.float64 if dtype == np.int32 else dtype)
            Y[3] = np.nan
            kmeans2(Y, Y[:3], check_finite=False)
@njit
def compiled(X, centers, rng):
    kmeans2(X, centers, 1, rng=rng), kmeans2(X, 2, 1, rng=rng)
    kmeans(X, centers, 1, rng=rng), kmeans(X, 2, 1, rng=rng)
    kmeans2(X, centers, 1), kmeans(X, centers, 1)
    jit.parallel_fit(X, jit.parallel_plus_plus(X, 2, rng), 1)
    labels = jit.fit(X, centers, 1).labels
    return vq(X, centers), whiten(X), jit.update(X, labels, centers)
for dtype in (np.float32, np.float64):
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(dtype)
    compiled(X, X[:2], np.random.default_rng(0))
_plan.algorithm, at.MIN_PROJECTION_STEPS, at.MAX_PROJECTION_TRIAL = lambda *_: "yinyang", 0, np.inf
at.MAX_COARSE_COST = 0.0
made, make_projections = [], ALGORITHMS["yinyang"]._make_projections
ALGORITHMS["yinyang"]._make_projections = lambda self, *args: made.append(1) or make_projections(self, *args)
for dtype in (np.float32, np.float64):
    few, along = np.random.default_rng(1).normal(size=(2, 500, 5))
    X = (few @ along.T[:, :150]).astype(dtype)
    fit(X, X[:80], max_iter=3)
assert len(made) == 2
_plan.projection_cost, _plan.bounds_cost = lambda *_: np.inf, lambda size, *_: -float(size)
_plan.fast_tried, at.MAX_SLOW_MOVEMENT = lambda *_: True, 1.0
from numbakmeans._engine.algorithms import yinyang
pack_fast = yinyang.pack_fast
yinyang.pack_fast = lambda *args: made.append(1) or pack_fast(*args)
for dtype in (np.float32, np.float64):
    X = np.random.default_rng(1).normal(size=(900, 20)).astype(dtype)
    fit(X, X[:90], max_iter=4)
assert len(made) >= 4
from numbakmeans._engine.algorithms import panels
at.MAX_COARSE_COST, kept = np.inf, []
_plan.nearest_scored, coarse_rows = lambda *_, **__: True, yinyang.coarse_rows
yinyang.coarse_rows = lambda *args: kept.append(coarse_rows(*args)) or kept[-1]
for dtype in (np.float32, np.float64):
    X = np.random.default_rng(1).normal(size=(900, 20)).astype(dtype)
    fit(X, X[:90], max_iter=4)
    fit(X, X[:90], max_iter=4, sample_weight=np.ones(900))
    vq(X, X[:90])
assert [rows is not None for rows in kept] == [True] * 4 * panels.multiplies_bytes()
from numbakmeans._numba.doors import DOORS, LAYOUT, resolve
assert all(resolve(LAYOUT, name) for name, door in DOORS.items() if door.kinds)
print(json.dumps([_cache.stored, _cache.lost, _cache.trouble]))
"""


ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(PACKAGE.parent),
    # One thread, as on machines that build images.
    "NUMBA_NUM_THREADS": "1",
}
WARMUP = [sys.executable, "-m", "numbakmeans", "warmup"]
DONE = r"compiled +(\d+) functions? in .* s, by (\d+) process(?:es)?\nthere already +(\d+) functions?\n"


def run(folder):
    """Make every kind of call with the code in a folder; return what was stored, lost and went wrong."""
    here = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_NUM_THREADS": "4", "NUMBAKMEANS_CACHE_DIR": str(folder)}
    command = [sys.executable, "-W", "error", "-c", EVERYTHING]
    done = subprocess.run(
        command, env={**ENVIRONMENT, **here}, capture_output=True, text=True, timeout=LIMIT, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def warm_up(folder, *arguments):
    """Return the numbers of functions compiled, of processes, of functions there already, and now cached."""
    environment = {**ENVIRONMENT, "NUMBAKMEANS_CACHE_DIR": str(folder)}
    command = [*WARMUP, *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=WARMUP_LIMIT, check=True, cwd="/"
    )
    kept = rf"code cache +{folder}: (\d+) compiled functions, .* MB\n"
    found = re.fullmatch(DONE + kept, done.stdout)
    assert found, done.stdout
    assert done.stderr == ""
    return tuple(map(int, found.groups()))


@pytest.fixture(scope="module")
def warmed(tmp_path_factory):
    """Return a folder that `warmup` has filled, and the numbers it reported."""
    folder = tmp_path_factory.mktemp("warm") / "cache"
    reported = warm_up(folder, "--jobs", "3")
    hand_on(folder)
    return folder, reported


def hand_on(folder):
    """Copy compiled functions to the cache that all tests use, which then need not compile them again."""
    for cache in _cache.folders()[:1]:
        cache.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if not (cache / file.name).exists():
                partial = cache / f".{file.name}.{os.getpid()}"
                shutil.copyfile(file, partial)
                partial.replace(cache / file.name)


def test_warmup_compiles_everything_once(warmed):
    folder, (n_compiled, n_jobs, n_there, n_kept) = warmed
    assert n_jobs == 3
    assert n_there == 0
    assert n_compiled == n_kept == len(list(folder.iterdir())) > 50
    assert warm_up(folder)[::2] == (0, n_kept)


def test_warmup_leaves_nothing_to_compile(warmed, tmp_path):
    copy = tmp_path / "cache"
    shutil.copytree(warmed[0], copy)
    assert run(copy) == [0, 0, ""]
    # The control: missing functions are noticed, one of both dtypes, and one that a single call needs.
    for name in ("lloyd.lloyd_pass", "projections.orthonormalize"):
        for entry in copy.glob(f"_engine.kernels.{name}-*"):
            entry.unlink()
    assert run(copy) == [5, 0, ""]


def test_warmup_reaches_every_kernel_that_python_calls(warmed):
    import gc

    import numbakmeans._batch
    import numbakmeans._scipy  # noqa: F401
    from numbakmeans._engine.algorithms import panels
    from numbakmeans._numba.doors import DOORS
    from numbakmeans._numba.entries import Entry

    def called(entry):
        return f"{entry.module.removeprefix('numbakmeans.')}.{entry.name}"

    # Entries that belong to a kernel object are parts of others, or are only called by tests.
    entries = [each for each in gc.get_objects() if isinstance(each, Entry) and each._kernel is None]
    wanted = {called(entry) for entry in entries if entry.module.startswith("numbakmeans.")}
    wanted |= {f"_engine.kernels.callers.{name}" for name, door in DOORS.items() if door.kinds}
    if not panels.multiplies_bytes():
        # Never called on such a processor.
        names = ("coarse.coarse_rows", "coarse.pack_coarse", "coarse_labels.assign")
        wanted -= {f"_engine.kernels.{name}" for name in names}
    there = {path.name.partition("-")[0] for path in warmed[0].iterdir()}
    assert there - {"_numba.parallel.run_tasks"} == wanted
    assert len(wanted) > 30


def interrupted_warmup(folder, number):
    """Start a warmup in a folder, and send it a signal once it has compiled something.

    Return how it ended (exit code and output), and the processes that it had started.
    """
    environment = {**ENVIRONMENT, "NUMBAKMEANS_CACHE_DIR": str(folder)}
    command = [*WARMUP, "--jobs", "2"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        limit = time.monotonic() + LIMIT
        while not folder.exists() or not list(folder.iterdir()):
            assert time.monotonic() < limit
            time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    return (process.returncode, out, err), children


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_warmup_leaves_no_process_and_only_whole_files(number, tmp_path):
    folder = tmp_path / "cache"
    end, children = interrupted_warmup(folder, number)
    assert end == ((130, "", "") if number == signal.SIGINT else (-number, "", ""))
    assert len(children) == 2
    limit = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        # If the parent is killed, they only notice at their next read from it.
        assert number == signal.SIGKILL
        assert time.monotonic() < limit
        time.sleep(0.1)
    names = [path.name for path in folder.iterdir()]
    assert names
    assert all("-" in name and not name.startswith(".") for name in names)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert content.startswith(_cache.MAGIC)
        digest, body = content[len(_cache.MAGIC) :][:32], content[len(_cache.MAGIC) + 32 :]
        assert hashlib.sha256(body).digest() == digest


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("NUMBAKMEANS_CACHE_DIR", "off", "there is no code cache: NUMBAKMEANS_CACHE_DIR is off"),
        ("NUMBA_DISABLE_JIT", "1", "nothing is compiled while NUMBA_DISABLE_JIT is set"),
        ("NUMBAKMEANS_CACHE_DIR", "/dev/null/cache", "compiled code could not be kept: NotADirectoryError:"),
    ],
)
def test_warmup_says_why_it_cannot_run(setting, value, words):
    environment = {**ENVIRONMENT, setting: value}
    result = subprocess.run(WARMUP, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"numbakmeans: error: {words}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; print('so it is', file=sys.stderr); sys.exit(3)", "has ended (3): so it is"),
        ("import os; os.abort()", "has ended (-6): no message"),
        ('print(\'{"groups": ["a"]}\', flush=True); print(\'{"failed": "OSError: why"}\')', "OSError: why"),
    ],
)
def test_warmup_fails_if_its_processes_fail(program, words, capsys, monkeypatch):
    from numbakmeans._cli import warmup as _warmup
    from numbakmeans._cli.main import main

    def begin(errors):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
        return subprocess.Popen([sys.executable, "-c", program], **pipes)

    monkeypatch.setattr(_warmup, "_start", begin)
    assert main(["warmup"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
