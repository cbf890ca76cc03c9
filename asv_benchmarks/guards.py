"""Guards: counts that do not depend on how busy the machine is, each with a bound in guards.json.

    python asv_benchmarks/guards.py                   # count, and fail where a bound is exceeded
    python asv_benchmarks/guards.py --update          # make what is counted the new bounds
    python asv_benchmarks/guards.py --only modules    # guards whose names contain a word

Every guard runs a program of its own. Instructions are those of a second call, on one thread, as
`valgrind --tool=callgrind` counts them; kernels are compiled for a fixed processor (Haswell), so the counts
do not depend on this machine's, but on the versions of Python, NumPy and Numba. Where valgrind is
missing, these guards are skipped, and said to be.
"""

import argparse
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
BOUNDS = HERE / "guards.json"
#: Settings under which counts repeat.
FIXED = {
    "PYTHONHASHSEED": "0",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "1",
}
_first_call_lock = threading.Lock()

DATA = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
def blobs(n, d, k, dtype):
    means = 3.0 * rng.normal(size=(k, d))
    X = (means[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)
    return X, X[:k].copy()
"""
MODULES = """
import sys
import numpy
before = set(sys.modules)
{statement}
print(len(set(sys.modules) - before))
"""
CALL = """
from numbakmeans import kmeans2
kmeans2(blobs(5000, 8, 10, "float32")[0], 10, minit="++", rng=0)
"""
COMPILED = """
from numba.core import event
from numbakmeans import kmeans2
X = rng.normal(size=(100_000, 16))
with event.install_recorder("numba:compile") as recorder:
    kmeans2(X, 100, minit="++", rng=0)
print(sum(happened.is_start for _, happened in recorder.buffer))
"""
ALLOCATED = """
import tracemalloc
import numbakmeans
X, start = blobs(100_000, 16, 50, "float64")
def call():
    numbakmeans.{call}
call()
tracemalloc.start()
call()
print(tracemalloc.get_traced_memory()[1])
"""
LAUNCHES = """
import ctypes
import numbakmeans
from numbakmeans._numba import drivers
X, start = blobs(200_000, 16, 50, "float32")
numbakmeans.kmeans2(X, start, 5, minit="matrix")
launch = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 4)
inner, launches = launch(drivers.threaded()), []
outer = launch(lambda *given: launches.append(given) or inner(*given))
drivers._loops[:] = [ctypes.cast(outer, ctypes.c_void_p).value]
counts = []
for n_passes in (5, 10):
    launches.clear()
    numbakmeans.kmeans2(X, start, n_passes, minit="matrix")
    counts.append(len(launches))
assert counts[0] > 0
print(counts[1] - counts[0])
"""
COARSE = """
from numbakmeans._engine.algorithms import panels
panels.multiplies_bytes = lambda: True
"""
PASSES = """
from numbakmeans._engine.fit import iterate
from numbakmeans._engine.samples import Samples
X, start = blobs({shape}, "float32")
passes = iterate(Samples(X), start.astype(float), 10)
print(passes.{count})
"""
INSTRUCTIONS = """
import os, subprocess
import numbakmeans
{prepare}
def work():
    {work}
def count(state):
    command = ["callgrind_control", "--instr=" + state, str(os.getpid())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
work()
if len(sys.argv) > 1:
    count("on")
    work()
    count("off")
"""


def run(program: str, *arguments: str, under: tuple[str, ...] = (), **environment: str) -> str:
    """Return what a program prints."""
    settings = {**os.environ, **FIXED, **environment}
    command = [*under, sys.executable, "-c", DATA + program, *arguments]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"a guard's program failed:\n{program}\n{done.stderr[-2000:]}")
    return done.stdout


def printed(program: str) -> Callable[[], int]:
    """Return how to count what a program prints, once its code is compiled."""

    def count() -> int:
        run(program)
        return int(run(program))

    return count


@functools.cache
def _cache_of_first_call() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        functions = int(run(COMPILED, NUMBAKMEANS_CACHE_DIR=folder))
        sizes = [file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()]
    return {"functions": functions, "files": len(sizes), "bytes": sum(sizes)}


def first_call(what: str) -> Callable[[], int]:
    """Return how to count 'functions' that a first call compiles, or 'files' or 'bytes' that it caches."""

    def count() -> int:
        with _first_call_lock:
            return _cache_of_first_call()[what]

    return count


def instructions(prepare: str, work: str) -> Callable[[], int]:
    """Return how to count the instructions of some work, once it has been done before."""

    def count() -> int:
        program, one_thread = INSTRUCTIONS.format(prepare=prepare, work=work), {"NUMBA_NUM_THREADS": "1"}
        run(program, **one_thread)  # compiles
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "callgrind"
            under = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={file}")
            run(program, "count", under=under, **one_thread)
            (total,) = (line for line in file.read_text().splitlines() if line.startswith("totals:"))
        return int(total.split()[1])

    return count


class Guard(NamedTuple):
    """How to count something, and by how much, relatively, a count may exceed its bound."""

    count: Callable[[], int]
    tolerance: float = 0.0


GUARDS = {
    "modules, import numbakmeans": Guard(printed(MODULES.format(statement="import numbakmeans"))),
    "modules, a first call with compiled code": Guard(printed(MODULES.format(statement=CALL))),
    "functions compiled by a first call": Guard(first_call("functions")),
    "files in the cache after it": Guard(first_call("files")),
    "bytes in the cache after it": Guard(first_call("bytes"), 0.05),
    "bytes allocated, kmeans2": Guard(
        printed(ALLOCATED.format(call="kmeans2(X, start, 5, minit='matrix')")), 0.05
    ),
    "bytes allocated, vq": Guard(printed(ALLOCATED.format(call="vq(X, start)")), 0.05),
    "parallel loops, five passes": Guard(printed(LAUNCHES)),
    "distances, 20,000 x 64, k=200": Guard(
        printed(PASSES.format(shape="20_000, 64, 200", count="n_pairs")), 0.02
    ),
    "distances, 50,000 x 3, k=64": Guard(
        printed(PASSES.format(shape="50_000, 3, 64", count="n_pairs")), 0.02
    ),
    "pairs that coarse rows leave open, 20,000 x 64, k=200": Guard(
        printed(COARSE + PASSES.format(shape="20_000, 64, 200", count="n_pairs")), 0.02
    ),
    "rows decided by the definition, 20,000 x 128, k=100": Guard(
        printed(PASSES.format(shape="20_000, 128, 100", count="n_decided"))
    ),
    "instructions, two passes, 4000 x 64, k=128": Guard(
        instructions(
            'X, start = blobs(4000, 64, 128, "float32")',
            "numbakmeans.kmeans2(X, start, 2, minit='matrix')",
        ),
        0.01,
    ),
    "instructions, vq, 2000 x 64, k=128": Guard(
        instructions('X, start = blobs(2000, 64, 128, "float32")', "numbakmeans.vq(X, start)"), 0.01
    ),
    "instructions, ten passes, 10,000 x 16, k=32": Guard(
        instructions(
            'X, start = blobs(10_000, 16, 32, "float32")',
            "numbakmeans.kmeans2(X, start, 10, minit='matrix')",
        ),
        0.01,
    ),
    "instructions, '++', 10,000 x 8, k=50": Guard(
        instructions(
            'X, start = blobs(10_000, 8, 50, "float64")',
            "numbakmeans.kmeans2(X, 50, iter=1, minit='++', rng=0)",
        ),
        0.01,
    ),
    "instructions, 20 calls, 150 x 4, k=3": Guard(
        instructions(
            'X, start = blobs(150, 4, 3, "float64")',
            "for _ in range(20): numbakmeans.kmeans2(X, start, 10, minit='matrix')",
        ),
        0.01,
    ),
}


def missing(name: str) -> str | None:
    """Return why a guard cannot run here, or None."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "kernels are compiled for Haswell, which this machine cannot run"
    if name.startswith("instructions") and shutil.which("callgrind_control") is None:
        return "valgrind is not installed"
    return None


def versions() -> str:
    """Return what counts depend on."""
    from importlib.metadata import version

    packages = (f"{name} {version(name)}" for name in ("numpy", "numba", "llvmlite"))
    return ", ".join([f"Python {'.'.join(platform.python_version_tuple()[:2])}", *packages])


def main() -> None:
    """Count, compare, and end with an error if a bound is exceeded."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--update", action="store_true", help="make what is counted the new bounds")
    parser.add_argument("--only", default="", metavar="WORD", help="guards whose names contain a word")
    given = parser.parse_args()
    recorded = json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {"bounds": {}}
    bounds, chosen = recorded["bounds"], [name for name in GUARDS if given.only in name]
    if not chosen:
        parser.error(f"no guard's name contains {given.only!r}")
    skipped = {name: reason for name in chosen if (reason := missing(name))}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counting = {name: pool.submit(GUARDS[name].count) for name in chosen if name not in skipped}
        counts = {name: future.result() for name, future in counting.items()}
    exceeded = []
    for name in chosen:
        if name in skipped:
            print(f"SKIPPED   {name}: {skipped[name]}")
            continue
        bound, count = bounds.get(name), counts[name]
        change = f"{100 * (count / bound - 1):+.2f}%" if bound else "new"
        limit = None if bound is None else bound * (1.0 + GUARDS[name].tolerance)
        verdict = "EXCEEDED" if limit is None or count > limit else "ok"
        exceeded += [name] if verdict == "EXCEEDED" else []
        print(f"{verdict:9} {name}: {count:,}, bound {bound or 0:,} ({change})")
    if given.update:
        bounds = {name: counts.get(name, bounds.get(name)) for name in GUARDS}
        known = {name: count for name, count in bounds.items() if count is not None}
        text = json.dumps({"versions": versions(), "bounds": known}, indent=2)
        BOUNDS.write_text(text + "\n", encoding="utf-8")
    elif exceeded:
        print(f"\n{len(exceeded)} of {len(chosen)} bounds are exceeded; --update accepts what a change costs")
        if recorded.get("versions") != versions():
            print(f"They were counted with {recorded.get('versions')}; this is {versions()}")
        sys.exit(1)


if __name__ == "__main__":
    main()
