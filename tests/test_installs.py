"""Where compiled code is kept, in real installations that are read-only, full, damaged, copied or raced for.

Each situation is a process of its own; each control takes the guard away and must end differently.
"""

import compileall
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numbakmeans

PACKAGE = Path(numbakmeans.__file__).parent
LIMIT = 240

#: Prints results, what was stored, and what went wrong. Small data: serial kernels alone are compiled.
PROGRAM = """
import json, sys
import numpy as np
from numbakmeans import _cache, kmeans2, vq
if "intolerant" in sys.argv:
    def _note(error):
        raise error
    _cache._note = _note
X = np.random.default_rng(0).normal(size=(50, 3)).astype(sys.argv[1])
call = {"vq": lambda: vq(X, X[:2]), "++": lambda: kmeans2(X, 3, minit="++", rng=0)}
found = [[array.tolist() for array in call[kind]()] for kind in sys.argv[2].split(",")]
print(json.dumps([found, _cache.stored, _cache.lost, _cache.trouble]))
"""
#: Processes race for the same signatures, and for different ones.
EIGHT = [("float32", "vq"), ("float64", "vq")] * 4


def start(*arguments, root=PACKAGE.parent, program=PROGRAM, before=(), **more):
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **more}
    command = [*before, sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def finish(process):
    """Return what a process printed; None and its error where it failed."""
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
    """Return a folder with a copy of the package, each source edited."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*.py"):
        path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder.parent


def mounted(command, *arguments):
    """Return the beginning of a command line that runs in a file system of its own."""
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
    # What Numba's own constructor of a cache does here.
    numbas = PROGRAM.replace("X = np", "_cache.CompileResultCacheImpl(_cache._user_cache)\nX = np")
    found, error = finish(start("float64", "vq", **{**surroundings, "program": numbas}))
    assert found is None
    assert "cannot cache function" in error


@needs_mount
def test_full_disk(tmp_path, expected):
    small = mounted('mount -t tmpfs -o size=16k none "$1"; : "$2"', str(tmp_path), "")
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
    entries = sorted(path for path in tmp_path.rglob("*-*") if path.is_file())
    assert len(entries) == n_entries > 5
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


#: The control: files named by the function alone, as if signatures were not told apart.
COLLIDING = PROGRAM.replace(
    "X = np",
    """
key_of = _cache.CodeCache._key
_cache.CodeCache._key = lambda self, *args: (key_of(self, *args)[0], self._name)
X = np""",
)


def test_eight_processes_race_on_an_empty_cache(tmp_path):
    (tmp_path / "a").mkdir()
    here = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path / "a")}
    outcomes = [finish(process) for process in [start(*arguments, **here) for arguments in EIGHT]]
    assert [error for _, error in outcomes if error] == []
    assert sum(found[1] for found, _ in outcomes) > 10
    again = [run(dtype, "vq", **here) for dtype in ("float32", "float64")]
    assert [found[1:] for found in again] == [[0, 0, ""]] * 2
    assert [found[0][0] for found, _ in outcomes] == [*again[0][0], *again[1][0]] * 4
    assert list((tmp_path / "a").rglob(".*")) == []


def test_a_race_of_colliding_names_is_noticed(tmp_path):
    here = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path), "program": COLLIDING}
    for dtype in ("float32", "float64"):
        run(dtype, "vq", **here)
    _, stored, _, trouble = run("float32", "vq", **here)
    assert stored > 0
    assert "foreign" in trouble


VENDORED = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import numba, numpy as np
if "own locks" in sys.argv:
    import threading
    from numba.np.ufunc import parallel
    import numbakmeans._runtime
    del parallel._numbakmeans_kernel_lock
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

#: The command line of the copy, where there is no other.
ALONE = """
import io, json, sys, warnings
from contextlib import redirect_stdout
warnings.simplefilter("ignore")  # of Numba, where the other is installed all the same
sys.modules["numbakmeans"] = None
from acme._vendor.numbakmeans.__main__ import main
with redirect_stdout(io.StringIO()) as out:
    code = main(["cluster"])
print(json.dumps([code, "eruptions" in out.getvalue()]))
"""


def test_a_vendored_copy_beside_the_installed_one(tmp_path):
    """Vendoring tools rewrite the imports; both copies work at once, and kernels take turns."""
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
    assert run(root=tmp_path, program=ALONE) == [0, True]
    process = start("own locks", **here)
    _, error = process.communicate(timeout=LIMIT)
    assert process.returncode == -signal.SIGABRT
    assert "Concurrent access" in error


def another_version(text):
    return text.replace("block[f, i - start] = X[i, f]", "block[f, i - start] = -X[i, f]")


#: The control: without the stamp of the whole package versions are not told apart.
ONE_STAMP = PROGRAM.replace("X = np", "_cache.package_stamp = lambda: 'same'\nX = np")


def test_two_versions_share_a_cache_folder(tmp_path, expected):
    """A function that another file defines differs: neither version gets the other's machine code."""
    other = copy(tmp_path / "other" / "numbakmeans", another_version)
    shared = {"NUMBAKMEANS_CACHE_DIR": str(tmp_path / "cache")}
    mine, edited = run("float64", "vq", **shared), run("float64", "vq", root=other, **shared)
    assert mine[0] == expected["float64", "vq"] != edited[0]
    assert run("float64", "vq", **shared) == [mine[0], 0, 0, ""]
    assert run("float64", "vq", root=other, **shared) == [edited[0], 0, 0, ""]
    run("float64", "vq", program=ONE_STAMP, **shared)
    assert run("float64", "vq", program=ONE_STAMP, root=other, **shared)[0] == mine[0]


def test_two_versions_without_sources_share_a_cache_folder(tmp_path, expected):
    """Nothing tells them apart: they keep no machine code."""

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
    assert mine[1:] == [0, 0, f"OSError: no sources in {site / 'numbakmeans'}"]
    run("float64", "vq", program=ONE_STAMP, root=site, **shared)
    assert run("float64", "vq", program=ONE_STAMP, root=other, **shared)[0] == mine[0]


# --- warmup

#: Every kind of call on both sides of every threshold; prints what was compiled for it.
EVERYTHING = """
import json, sys, warnings
import numpy as np
from numba import njit
from numbakmeans import _cache, _plan, fit, jit, kmeans, kmeans2, kmeans2_batch, vq, whiten
from numbakmeans._algorithms import ALGORITHMS
warnings.simplefilter("ignore")
for _plan.PARALLEL_WORK in (0, 10**18):
    _plan.nearest_scored = lambda *_: _plan.PARALLEL_WORK == 0
    for algorithm in ALGORITHMS:
        _plan.algorithm = lambda *_: algorithm
        for dtype in (np.float32, np.float64, np.float16, np.int32):
            X = (np.random.default_rng(0).normal(size=(300, 9)) * 9).astype(dtype)
            fit(X, X[:5])
            vq(X, X[:5])
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
_plan.algorithm, _plan.HEAD_WORK, _plan.HEAD_TRIAL = lambda *_: "yinyang", 0, np.inf
made, make_heads = [], ALGORITHMS["yinyang"]._make_heads
ALGORITHMS["yinyang"]._make_heads = lambda self, *args: made.append(1) or make_heads(self, *args)
for dtype in (np.float32, np.float64):
    few, along = np.random.default_rng(1).normal(size=(2, 500, 5))
    X = (few @ along.T[:, :150]).astype(dtype)
    fit(X, X[:80], max_iter=3)
assert len(made) == 2
print(json.dumps([_cache.stored, _cache.lost, _cache.trouble]))
"""


def test_warmup_leaves_nothing_to_compile(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGE.parent),
        # On one core, as images are built; compiled at once, though a user's calls would wait for that.
        "NUMBA_NUM_THREADS": "1",
        "NUMBAKMEANS_PATIENCE": "",
    }
    command = [sys.executable, "-m", "numbakmeans", "warmup"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=True
    ).stdout
    kept = r"code cache +.*: \d+ compiled functions, .* MB\n"
    assert re.fullmatch(rf"compiled +\d+ functions? in .* s\n{kept}(code cache .*\n)?", done)
    # A copy, which no other test writes to.
    folder = Path(re.search(r"code cache +(.*): \d+ compiled", done)[1])
    copy = tmp_path / "cache" / folder.name
    shutil.copytree(folder, copy)
    here = {"program": EVERYTHING, "NUMBA_NUM_THREADS": "4", "NUMBAKMEANS_CACHE_DIR": str(copy.parent)}
    assert run(**here) == [0, 0, ""]
    # The control: a function less is noticed, for both dtypes. (Other tests fill the folder, too, with what
    # they compile for other processors.) Without the calls from nopython code, which take the most time.
    for entry in copy.glob("lloyd_pass-*"):
        entry.unlink()
    here["program"] = re.sub(r"@njit.*?(?=_plan)", "", EVERYTHING, flags=re.DOTALL)
    assert run(**here) == [2, 0, ""]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("NUMBAKMEANS_CACHE_DIR", "off", "there is no code cache: NUMBAKMEANS_CACHE_DIR is off"),
        ("NUMBA_DISABLE_JIT", "1", "nothing is compiled while NUMBA_DISABLE_JIT is set"),
    ],
)
def test_warmup_says_what_is_in_its_way(setting, value, words):
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), setting: value}
    command = [sys.executable, "-m", "numbakmeans", "warmup"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"numbakmeans: error: {words}\n"


def test_warmup_that_keeps_nothing_fails(capsys, monkeypatch):
    from numbakmeans import _cache, _warmup
    from numbakmeans.__main__ import main

    def lose(_show):
        monkeypatch.setattr(_cache, "lost", 3)
        monkeypatch.setattr(_cache, "trouble", "OSError: no room")

    monkeypatch.setattr(_warmup, "warm_up", lose)
    monkeypatch.setattr(_cache, "lost", 0)
    assert main(["warmup"]) == 2
    assert "3 compiled functions could not be kept: OSError: no room" in capsys.readouterr().err
    monkeypatch.setattr(_warmup, "warm_up", lambda _show: None)
    monkeypatch.setattr(_cache, "lost", 0)
    assert main(["warmup"]) == 0


def test_others_may_read_what_one_user_compiled(tmp_path):
    """An image is built by one user, and run by another."""
    from numbakmeans import _cache

    before = os.umask(0o022)
    try:
        _cache._write_whole(tmp_path / "entry", b"content")
    finally:
        os.umask(before)
    assert np.base_repr((tmp_path / "entry").stat().st_mode & 0o777, 8) == "644"
