"""The code cache in real installations that are read-only, full, damaged, copied or used concurrently.

Each situation has a process of its own; each control removes the guard and must end differently.
"""

import compileall
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

#: Prints results, the entries stored and lost, and what went wrong. Small data: only serial kernels compile.
PROGRAM = """
import json, sys
import numpy as np
from numbakmeans import kmeans2, vq
from numbakmeans._numba import cache as _cache
if "intolerant" in sys.argv:
    def _note(error):
        raise error
    _cache._note = _note
X = np.random.default_rng(0).normal(size=(50, 3)).astype(sys.argv[1])
call = {"vq": lambda: vq(X, X[:2]), "++": lambda: kmeans2(X, 3, minit="++", rng=0)}
found = [[array.tolist() for array in call[kind]()] for kind in sys.argv[2].split(",")]
print(json.dumps([found, _cache.stored, _cache.lost, _cache.trouble]))
"""
#: Processes that race for the same signatures and for different ones.
EIGHT = [("float32", "vq"), ("float64", "vq")] * 4


def start(*arguments, root=PACKAGE.parent, program=PROGRAM, before=(), **more):
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **more}
    command = [*before, sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def finish(process):
    """Return what a process printed, and no error; or None and its standard error if it failed."""
    out, err = process.communicate(timeout=LIMIT)
    return (json.loads(out), "") if process.returncode == 0 else (None, err)


def run(*arguments, **more):
    found, error = finish(start(*arguments, **more))
    assert error == ""
    return found


@pytest.fixture(scope="module")
def expected():
    return {arguments: run(*arguments)[0] for arguments in (("float64", "vq"), ("float64", "++"))}


def copy(folder, edit=lambda text: text):
    """Copy the package to a folder, edit each source, and return the parent folder."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*.py"):
        path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder.parent


def mounted(command, *arguments):
    """Return the beginning of a command line that runs in a mount namespace of its own."""
    return ("unshare", "-rm", "sh", "-ec", f'{command}; shift 2; exec "$@"', "sh", *arguments)


def can_mount():
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="no mounts of one's own here")


@needs_mount
def test_read_only_install_and_no_home(tmp_path, expected):
    site = copy(tmp_path / "site" / "numbakmeans")
    home = tmp_path / "home"
    home.mkdir()
    read_only = (
        'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; '
        'mount --bind "$2" "$2"; mount -o remount,ro,bind "$2"'
    )
    surroundings = {
        "root": site,
        "before": mounted(read_only, str(site), str(home)),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "NUMBAKMEANS_CACHE_DIR": "",
    }
    found, stored, lost, trouble = run("float64", "vq", **surroundings)
    assert found == expected["float64", "vq"]
    assert stored == 0
    assert lost > 0
    assert "Read-only file system" in trouble
    assert list(home.iterdir()) == []
    found, error = finish(start("float64", "vq", "intolerant", **surroundings))
    assert found is None
    assert "Read-only file system" in error
    # What the constructor of Numba's own cache does here.
    numbas = PROGRAM.replace(
        "X = np",
        "from numba.core.caching import CompileResultCacheImpl\n"
        "CompileResultCacheImpl(_cache._user_cache)\n"
        "X = np",
    )
    found, error = finish(start("float64", "vq", **{**surroundings, "program": numbas}))
    assert found is None
    assert "cannot cache function" in error


@needs_mount
def test_full_disk(tmp_path, expected):
    small = mounted('mount -t tmpfs -o size=4k,mode=755 none "$1"; : "$2"', str(tmp_path), "")
    listing = f"{PROGRAM}\nfrom pathlib import Path\nassert not list(Path({str(tmp_path)!r}).rglob('.*'))\n"
    surroundings = {"before": small, "program": listing, "NUMBAKMEANS_CACHE_DIR": str(tmp_path)}
    found, _, lost, trouble = run("float64", "vq", **surroundings)
    assert found == expected["float64", "vq"]
    assert lost > 0
    assert "No space left" in trouble
    found, error = finish(start("float64", "vq", "intolerant", **surroundings))
    assert found is None
    assert "No space left" in error


def test_damaged_stale_and_foreign_files(tmp_path, expected):
    def again(*more):
        return finish(start("float64", "vq,++", *more, NUMBAKMEANS_CACHE_DIR=str(tmp_path)))

    (_, n_entries, _, trouble), _ = again()
    assert trouble == ""
    entries = sorted(tmp_path.iterdir())
    assert len(entries) == n_entries > 3
    sound = [entry.read_bytes() for entry in entries]

    def damage():
        for n, entry in enumerate(entries):
            content, other = sound[n], sound[n - 1]
            one_bit = content[:-50] + bytes([content[-50] ^ 4]) + content[-49:]
            kinds = (b"", content[: len(content) // 2], b"\x80\x04something else" * 99, other, one_bit)
            entry.write_bytes(kinds[n % len(kinds)])

    damage()
    (found, replaced, lost, trouble), _ = again()
    assert found[:1] == expected["float64", "vq"]
    assert "damaged" in trouble or "foreign" in trouble
    assert (replaced, lost) == (n_entries, 0)
    assert again()[0][1:] == [0, 0, ""]
    damage()
    found, error = again("intolerant")
    assert found is None
    assert "damaged" in error or "foreign" in error


#: The control: files are named by the function alone, as if the kinds of arguments did not matter.
COLLIDING = PROGRAM.replace(
    "X = np",
    """
read, write = _cache._read, _cache._write_whole
def plain(path):
    return path.with_name(path.name.partition("-")[0])
_cache._read = lambda path: read(plain(path))
_cache._write_whole = lambda path, content: write(plain(path), content)
X = np""",
)


def test_eight_processes_race_on_an_empty_cache(tmp_path):
    (tmp_path / "a").mkdir()
    here = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path / "a")}
    outcomes = [finish(process) for process in [start(*arguments, **here) for arguments in EIGHT]]
    assert [error for _, error in outcomes if error] == []
    assert sum(found[1] for found, _ in outcomes) > 5
    again = [run(dtype, "vq", **here) for dtype in ("float32", "float64")]
    assert [found[1:] for found in again] == [[0, 0, ""]] * 2
    assert [found[0][0] for found, _ in outcomes] == [*again[0][0], *again[1][0]] * 4
    assert list((tmp_path / "a").rglob(".*")) == []


def test_a_race_of_colliding_names_is_noticed(tmp_path):
    here = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path), "program": COLLIDING}
    for dtype in ("float32", "float64"):
        run(dtype, "vq,++", **here)
    _, stored, _, trouble = run("float32", "vq,++", **here)
    assert stored > 0
    assert "foreign" in trouble


VENDORED = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import numba, numpy as np
if "own locks" in sys.argv:
    import contextlib
    from numbakmeans._numba import runtime
    runtime.kernel_lock = contextlib.nullcontext
import numbakmeans
from acme._vendor import numbakmeans as vendored
assert vendored.vq is not numbakmeans.vq
X = np.random.default_rng(0).normal(size=(60_000, 4))
expected = numbakmeans.vq(X, X[:20])
def work(which):
    return np.array_equal((vendored, numbakmeans)[which % 2].vq(X, X[:20])[0], expected[0])
assert work(0)
with ThreadPoolExecutor(4) as pool:
    right = all(pool.map(work, range(40)))
assert numba.threading_layer() == "workqueue"
print(json.dumps(right))
"""

#: The command line of the copy, and nopython code that calls it, where the original cannot be imported.
VENDORED_ALONE = """
import io, json, sys, warnings
from contextlib import redirect_stdout
warnings.simplefilter("ignore")  # from Numba, if the original is installed after all
sys.modules["numbakmeans"] = None
from acme._vendor.numbakmeans._cli.main import main
with redirect_stdout(io.StringIO()) as out:
    code = main(["cluster"])
import numba, numpy as np
from acme._vendor.numbakmeans import jit
@numba.njit
def fitted(X):
    return jit.fit(X, X[:2], 9).status, jit.parallel_fit(X, X[:2], 9).status
print(json.dumps([code, "eruptions" in out.getvalue(), *fitted(np.arange(20.0).reshape(10, 2))]))
"""


def test_a_vendored_copy_beside_the_installed_one(tmp_path):
    """Vendoring tools rewrite the imports; both copies work at once, with one kernel lock."""
    vendor = copy(
        tmp_path / "acme" / "_vendor" / "numbakmeans",
        lambda text: re.sub(r"^(\s*from) numbakmeans\b", r"\1 acme._vendor.numbakmeans", text, flags=re.M),
    )
    for folder in (vendor, vendor.parent):
        (folder / "__init__.py").touch()
    root = os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])
    here = {
        "root": root,
        "program": VENDORED,
        "NUMBA_THREADING_LAYER": "workqueue",
        "NUMBA_NUM_THREADS": "4",
    }
    assert run(**here) is True
    assert run(root=tmp_path, program=VENDORED_ALONE) == [0, True, 0, 0]
    process = start("own locks", **here)
    _, error = process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGABRT
    assert "Concurrent access" in error


def another_version(text):
    return text.replace("block[f, i - start] = X[i, f]", "block[f, i - start] = -X[i, f]")


#: The control: without a hash of their sources, versions are not distinguished.
ONE_STAMP = PROGRAM.replace(
    "X = np", "_cache.stamp_of = lambda _: 'same'\n_cache._require_unchanged = lambda _: None\nX = np"
)


def test_two_versions_share_a_cache_folder(tmp_path, expected):
    """They differ in a function from another file: neither gets the other's machine code."""
    other = copy(tmp_path / "other" / "numbakmeans", another_version)
    shared = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path / "cache")}
    mine, edited = run("float64", "vq", **shared), run("float64", "vq", root=other, **shared)
    assert mine[0] == expected["float64", "vq"] != edited[0]
    assert run("float64", "vq", **shared) == [mine[0], 0, 0, ""]
    assert run("float64", "vq", root=other, **shared) == [edited[0], 0, 0, ""]
    run("float64", "vq", program=ONE_STAMP, **shared)
    assert run("float64", "vq", program=ONE_STAMP, root=other, **shared)[0] == mine[0]


def test_two_versions_without_sources_share_a_cache_folder(tmp_path, expected):
    """Nothing distinguishes them, so they cache no machine code."""

    def install(name, edit=lambda text: text):
        site = copy(tmp_path / name / "numbakmeans", edit)
        assert compileall.compile_dir(site, quiet=1, legacy=True)
        for source in site.rglob("*.py"):
            source.unlink()
        return site

    site, other = install("site"), install("other", another_version)
    shared = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path / "cache")}
    mine, edited = run("float64", "vq", root=site, **shared), run("float64", "vq", root=other, **shared)
    assert mine[0] == expected["float64", "vq"] != edited[0]
    assert mine[1:3] == [0, 0]
    assert mine[3].startswith("OSError: no source of numbakmeans.")
    run("float64", "vq", program=ONE_STAMP, root=site, **shared)
    assert run("float64", "vq", program=ONE_STAMP, root=other, **shared)[0] == mine[0]


# --- warmup

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
    _plan.nearest_scored = lambda *_: at.MIN_PARALLEL_STEPS == 0
    for algorithm in ALGORITHMS:
        _plan.algorithm = lambda *_: algorithm
        for dtype in (np.float32, np.float64, np.float16, np.int32):
            X = (np.random.default_rng(0).normal(size=(300, 9)) * 9).astype(dtype)
            fit(X, X[:5])
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
    return folder, warm_up(folder, "--jobs", "3")


def test_warmup_compiles_everything_once(warmed):
    folder, (n_compiled, n_jobs, n_there, n_kept) = warmed
    assert n_jobs == 3
    assert n_there == 0
    assert n_compiled == n_kept == len(list(folder.iterdir())) > 50
    assert warm_up(folder)[::2] == (0, n_kept)


def test_warmup_leaves_nothing_to_compile(warmed, tmp_path):
    copy = tmp_path / "cache"
    shutil.copytree(warmed[0], copy)
    here = {"program": EVERYTHING, "NUMBA_NUM_THREADS": "4", "NUMBAKMEANS_CACHE_DIR": str(copy)}
    assert run(**here) == [0, 0, ""]
    # The control: missing functions are noticed, one of both dtypes, and one that a single call needs.
    for name in ("lloyd.lloyd_pass", "projections.orthonormalize"):
        for entry in copy.glob(f"_engine.kernels.{name}-*"):
            entry.unlink()
    assert run(**here) == [3, 0, ""]


def test_warmup_reaches_every_kernel_that_python_calls(warmed):
    import gc

    import numbakmeans._batch
    import numbakmeans._scipy  # noqa: F401
    from numbakmeans._numba.doors import DOORS
    from numbakmeans._numba.entries import Entry

    def called(entry):
        return f"{entry.module.removeprefix('numbakmeans.')}.{entry.name}"

    # Entries that belong to a kernel object are parts of others, or are only called by tests.
    entries = [each for each in gc.get_objects() if isinstance(each, Entry) and each._kernel is None]
    wanted = {called(entry) for entry in entries if entry.module.startswith("numbakmeans.")}
    wanted |= {f"_engine.kernels.callers.{name}" for name, door in DOORS.items() if door.kinds}
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
