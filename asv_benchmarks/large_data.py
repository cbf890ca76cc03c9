"""Measure rows in blocks, mini-batches and Dask's workers, beside what they stand for.

    python asv_benchmarks/large_data.py                # print the tables
    python asv_benchmarks/large_data.py --write docs   # and put them into docs/large-data.md

It takes some minutes, 5 GB of memory and 2 GB of disk. Figures are for the machine it runs on; only those for
many machines are computed from the others.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from pages import command_line, figure, machine, replace_between

import numbakmeans
from numbakmeans import KMeans, MiniBatchKMeans

# --- Blocks

#: Rows of the file, 2 GB, and what the process may have besides: a quarter of that.
FILE_SHAPE, N_FILE_CLUSTERS, N_PASSES = (4_000_000, 128), 64, 5
LIMITED = """
import resource, sys, time
from pathlib import Path
import numpy as np
from numbakmeans import Blocks, fit

whole = np.load(sys.argv[1], mmap_mode="r")
start = np.array(whole[:{k}])
few = np.array(whole[:100_000])
fit(Blocks([few]), start, max_iter={n_passes}), fit(few, start, max_iter={n_passes})  # compile
if sys.argv[2] == "blocks":
    rows = Blocks(np.array_split(whole, 4))
    resource.setrlimit(resource.RLIMIT_DATA, (whole.nbytes // 4, whole.nbytes // 4))
else:
    rows = np.load(sys.argv[1])
def used():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) * 1024
for _ in sys.stdin:
    began = time.perf_counter()
    result = fit(rows, start, max_iter={n_passes})
    print(time.perf_counter() - began, result.inertia, used(), flush=True)
"""


def blocks() -> list[str]:
    """Return how fast a file four times a process's memory is clustered."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        rng = np.random.default_rng(0)
        file = np.lib.format.open_memmap(path, "w+", np.float32, FILE_SHAPE)
        for start in range(0, len(file), 100_000):
            noise = rng.normal(size=(100_000, FILE_SHAPE[1])).astype("f4")
            file[start : start + 100_000] = noise + 3 * rng.integers(0, 3, (100_000, 1))
        file.flush()
        del file
        program = LIMITED.format(k=N_FILE_CLUSTERS, n_passes=N_PASSES)
        commands = [[sys.executable, "-c", program, str(path), kind] for kind in ("memory", "blocks")]
        processes = [subprocess.Popen(c, stdin=-1, stdout=-1, text=True) for c in commands]
        turns = []
        for _ in range(4):
            turn = []
            for process in processes:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                turn.append([float(word) for word in process.stdout.readline().split()])
            turns.append(turn)
        for process in processes:
            process.communicate()
    assert len({each[1] for turn in turns for each in turn}) == 1  # the same bits
    ratio = median(memory[0] / other[0] for memory, other in turns[1:])
    n_rows, n_features = FILE_SHAPE
    limit, used = n_rows * n_features / 1e6, turns[-1][1][2] / 1e6
    return [
        f"A file of {n_rows:,} x {n_features} float32 (2 GB), {N_PASSES} passes, k={N_FILE_CLUSTERS}, in a",
        f"process whose memory is limited to a quarter of that ({limit:.0f} MB; it had {used:.0f} MB):",
        f"{figure(ratio, 2)} of the speed of the same rows in memory, where the page cache holds the file.",
    ]


# --- Mini-batches


def best(run: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    times, found = [], None
    for _ in range(rounds):
        began = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - began)
    return min(times), found


def clusters(n_samples: int, n_features: int, n_centers: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    centers = 4 * rng.normal(size=(n_centers, n_features))
    X = np.empty((n_samples, n_features), np.float32)
    for start in range(0, n_samples, 100_000):
        some = X[start : start + 100_000]
        some[:] = centers[rng.integers(0, n_centers, len(some))] + rng.normal(size=some.shape)
    return X


def streamed(estimator: Any, X: np.ndarray, size: int) -> Any:
    for start in range(0, len(X), size):
        estimator.partial_fit(X[start : start + size])
    return estimator


def inertia(X: np.ndarray, centers: np.ndarray) -> float:
    _, dists = numbakmeans.vq(X, centers)
    return float((dists.astype(np.float64) ** 2).sum())


def mini_batches() -> list[str]:
    """Return the table of mini-batches beside scikit-learn's and the full fit."""
    from sklearn.cluster import MiniBatchKMeans as Theirs

    X, k = clusters(2_000_000, 16, 100), 100
    MiniBatchKMeans(k, random_state=0).fit(X[:20_000]).partial_fit(X[:5000])
    KMeans(k, random_state=0, max_iter=3).fit(X)  # compiles what a fit of this size needs
    lines = [
        "| 2,000,000 x 16, k=100, float32 | numbakmeans | scikit-learn | ratio | inertia over a full fit's |",
        "|---|---|---|---|---|",
    ]
    full_time, full = best(lambda: KMeans(k, random_state=0).fit(X), 1)
    for title, run in (
        ("`fit`, batches of 1024", lambda kind: kind(k, random_state=0, n_init=3).fit(X)),
        ("`partial_fit`, batches of 1000", lambda kind: streamed(kind(k, random_state=0), X, 1000)),
        ("`partial_fit`, batches of 10,000", lambda kind: streamed(kind(k, random_state=0), X, 10_000)),
    ):
        pairs = [best(lambda kind=kind, run=run: run(kind), 2) for kind in (MiniBatchKMeans, Theirs)]
        (ours, mine), (theirs, other) = pairs
        over = [inertia(X, each.cluster_centers_) / full.inertia_ for each in (mine, other)]
        lines.append(
            f"| {title} | {figure(ours, 3)} s | {figure(theirs, 3)} s | {figure(theirs / ours, 2)} | "
            f"{over[0]:.3f} (theirs {over[1]:.3f}) |"
        )
    return [*lines, "", f"The full fit, `KMeans(100).fit`, took {figure(full_time, 3)} s."]


# --- Dask

DASK_SHAPE, N_DASK_CLUSTERS, N_CHUNKS, N_DASK_PASSES = (3_000_000, 16), 300, 8, 10


def dask_seconds(n_workers: int) -> dict[str, float]:
    """Return what a fit on some workers takes, and its inertia."""
    command = [sys.executable, __file__, "--workers", str(n_workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def dask_fit(n_workers: int) -> dict[str, float]:
    import dask.array as da
    from distributed import Client, LocalCluster

    from numbakmeans.dask import KMeans as OnDask

    X, k = clusters(*DASK_SHAPE, N_DASK_CLUSTERS), N_DASK_CLUSTERS
    given: dict[str, Any] = {"init": X[:k], "tol": 0}
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local),
    ):
        rows = da.from_array(X, chunks=(len(X) // N_CHUNKS, -1)).persist()
        little = da.from_array(X[: 100 * N_CHUNKS], chunks=(100, -1)).persist()

        def fitted(rows: Any, n_passes: int) -> tuple[float, Any]:
            return best(lambda: OnDask(k, max_iter=n_passes, **given).fit(rows), 3)

        fitted(rows, 2)
        seconds, ours = fitted(rows, N_DASK_PASSES)
        found = {
            "seconds": seconds,
            "pass": (seconds - fitted(rows, 1)[0]) / (ours.n_iter_ - 1),
            "idle": (fitted(little, 11)[0] - fitted(little, 1)[0]) / 10,
            "inertia": ours.inertia_,
        }
        if n_workers == 2:
            from sklearn.cluster import KMeans as Theirs

            def gathered() -> Any:
                return Theirs(k, max_iter=N_DASK_PASSES, n_init=1, **given).fit(rows.compute())

            found["gathered"], theirs = best(gathered, 2)
            found["their inertia"] = theirs.inertia_
    return found


def sent_bytes() -> int:
    """Return how many bytes a chunk sends in a pass."""
    from numbakmeans._engine.distances import pad_centers
    from numbakmeans._engine.parts.passes import contribution
    from numbakmeans._engine.parts.survey import survey
    from numbakmeans._engine.parts.whole import Whole

    X = clusters(100_000, DASK_SHAPE[1], N_DASK_CLUSTERS)
    seen = survey(X, None, X.dtype, X.shape[1], False)
    whole = Whole(DASK_SHAPE[0], X.dtype, seen.largest, seen.finest, False)
    return sum(part.nbytes for part in contribution(X, None, whole, pad_centers(X[:N_DASK_CLUSTERS]), 0))


def on_dask() -> list[str]:
    """Return the table of workers, and an estimate for many machines."""
    turns = [{n: dask_seconds(n) for n in (1, 2)} for _ in range(2)]
    one, two = (min((turn[n] for turn in turns), key=lambda found: found["seconds"]) for n in (1, 2))
    (n_rows, n_features), sent = DASK_SHAPE, sent_bytes()
    size, k, n_passes = f"{n_rows:,} x {n_features}", N_DASK_CLUSTERS, N_DASK_PASSES
    table = [
        ("one worker with one thread", one["seconds"], one["inertia"]),
        ("two workers with one thread each", two["seconds"], two["inertia"]),
        ("gathered, then scikit-learn on all cores", two["gathered"], two["their inertia"]),
    ]
    chunk_bytes = 4 * n_rows * n_features // N_CHUNKS
    over_one = figure(one["seconds"] / two["seconds"], 3)
    over_gathered = figure(two["gathered"] / two["seconds"], 3)
    return [
        f"| {size} float32, k={k}, {n_passes} passes, {N_CHUNKS} chunks | seconds | inertia |",
        "|---|---|---|",
        *(f"| {title} | {figure(seconds, 3)} | {inertia!r} |" for title, seconds, inertia in table),
        "",
        f"Two workers are {over_one} times as fast as one, and {over_gathered} times as fast as the gathered",
        f"fit. In a pass a chunk sends {sent:,} bytes; its rows have {chunk_bytes:,}.",
        f"A pass over next to no rows takes {figure(1000 * two['idle'], 2)} ms: all tasks go through one",
        "scheduler.",
        "",
        *estimate(one["pass"] / n_rows, two["idle"] / N_CHUNKS, sent),
    ]


def estimate(seconds_a_row: float, seconds_a_chunk: float, sent: int) -> list[str]:
    """Return what a pass over 10^10 rows would take on many machines.

    seconds_a_row : of a pass, on one core; seconds_a_chunk : the scheduler's share
    sent : bytes that a chunk sends, at 10 Gbit/s
    """
    n_rows, cores, bandwidth = 10**10, 16, 1.25e9
    lines = [
        "| 10^10 rows, machines of 16 cores | chunks | computing | scheduling | sending | a pass |",
        "|---|---|---|---|---|---|",
    ]
    for machines in (1, 10, 100):
        # No more than 4,000,000 rows (256 MB), and two for each core.
        chunks = max(n_rows // 4_000_000, 2 * cores * machines)
        parts = (
            seconds_a_row * n_rows / (cores * machines),
            seconds_a_chunk * chunks,
            sent * chunks / bandwidth,
        )
        cells = [f"{figure(seconds, 2)} s" for seconds in (*parts, sum(parts))]
        lines.append(f"| {machines} | {chunks:,} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = command_line(__doc__, "the folder of large-data.md")
    parser.add_argument("--workers", type=int, help="only fit on as many workers, and print what it took")
    parser.add_argument("--only", choices=("blocks", "mini-batches", "dask"), help="measure this alone")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.workers is not None:
        print(json.dumps(dask_fit(given.workers)))
        return
    packages = ("numbakmeans", "numpy", "numba", "scikit-learn", "dask", "distributed")
    for name, measure in (("blocks", blocks), ("mini-batches", mini_batches), ("dask", on_dask)):
        if given.only not in (None, name):
            continue
        text = "\n".join([*measure(), "", machine(*packages)])
        print(text, end="\n\n")
        if given.write is not None:
            replace_between(given.write / "large-data.md", name, text)


if __name__ == "__main__":
    main()
