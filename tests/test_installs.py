"""The code cache in real installations that are read-only, full, damaged, copied or used concurrently.

Each situation has a process of its own; each control removes the guard and must end differently.
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

import pytest

import numbakmeans

PACKAGE = Path(numbakmeans.__file__).parent
#: Seconds after which a process counts as hanging.
LIMIT = 240

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
def test_a_read_only_install_without_a_home_gives_right_answers(tmp_path, expected):
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
def test_a_full_disk_gives_right_answers(tmp_path, expected):
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


def test_damaged_stale_and_foreign_files_are_replaced(tmp_path, expected):
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


def test_eight_processes_may_race_on_an_empty_cache(tmp_path):
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


def test_a_vendored_copy_works_beside_the_installed_one(tmp_path):
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
