"""Show how twenty passes would scale to 64 cores: Amdahl's law, with parallel loops measured on one core.

    python asv_benchmarks/scaling.py                 # print the table
    python asv_benchmarks/scaling.py --write docs    # and put it, with a picture, into docs/scaling.md

For each number of cores the work is divided as on a machine that has them, but its tasks run one after
another on one core, and each is timed. With as many cores as tasks, a loop takes as long as its longest task;
whatever lies outside the loops is serial. So the curve contains uneven tasks and the serial work that grows
with their number, but not what tasks compete for (memory bandwidth, caches, clock speed), nor the start of
threads.
"""

import ctypes
import os
import time
from typing import NamedTuple

CORES = (1, 2, 4, 8, 16, 32, 64)
os.environ["NUMBA_NUM_THREADS"] = str(max(CORES))

import numba  # noqa: E402
from benchmarks.data import uniform  # noqa: E402
from pages import command_line, figure, machine, replace_between  # noqa: E402

import numbakmeans  # noqa: E402
from numbakmeans._numba import drivers  # noqa: E402

#: Rows without clusters: passes stay long, and none of these reaches a fixed point soon.
CASES = {
    "1,000,000 x 2, k=256": (1_000_000, 2, 256),
    "300,000 x 6, k=64": (300_000, 6, 64),
    "200,000 x 32, k=128": (200_000, 32, 128),
    "50,000 x 128, k=1000": (50_000, 128, 1000),
}
#: Passes of the two calls that are measured: the difference is that of the later passes.
PASSES = (10, 20)
REPEAT = 5


class Parts(NamedTuple):
    """Seconds of a call outside the parallel loops, in all tasks, and in the longest task of each loop."""

    serial: float
    tasks: float
    longest: float


Task = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
#: Of every parallel loop: its seconds, and those of each of its tasks.
loops: list[tuple[float, list[float]]] = []


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
def timed_executor(n_tasks, function, arguments):
    """Run the tasks of a parallel loop one after another, and note the time of the loop and of its tasks."""
    run, began, times = Task(function), time.perf_counter(), []
    for task in range(n_tasks):
        before = time.perf_counter()
        run(arguments, task)
        times.append(time.perf_counter() - before)
    loops.append((time.perf_counter() - began, times))
    return n_tasks


def parts(run, cores) -> Parts:
    """Return the parts of a call, each task with its shortest time of several calls.

    All calls run the same loops; what else the machine does must not look like a long task.
    """
    loops.clear()
    run()
    if max((len(times) for _, times in loops), default=0) < cores:
        raise RuntimeError(f"no loop of the call was divided among {cores} cores by the timed executor")
    serial, shortest = [], None
    for _ in range(REPEAT):
        loops.clear()
        before = time.perf_counter()
        run()
        serial.append(time.perf_counter() - before - sum(seconds for seconds, _ in loops))
        times = [seconds for _, seconds in loops]
        shortest = shortest or times
        shortest = [list(map(min, x, y)) for x, y in zip(shortest, times, strict=True)]
    return Parts(min(serial), sum(map(sum, shortest)), sum(map(max, shortest)))


class Scaling(NamedTuple):
    """The parts of a whole call, by number of cores, and of its later passes on one core."""

    call: dict[int, Parts]
    later: Parts


def on_one_core(found: Parts) -> Parts:
    """Return the parts where the same tasks run on one core."""
    return found._replace(longest=found.tasks)


def measure() -> dict[str, Scaling]:
    """Return what is measured of every case."""
    results = {}
    for case, shape in CASES.items():
        X, start = uniform(*shape, "float32")

        def call(n_passes, cores, X=X, start=start):
            numba.set_num_threads(cores)
            return parts(lambda: numbakmeans.kmeans2(X, start, n_passes, minit="matrix"), cores)

        by_cores = {cores: call(PASSES[1], cores) for cores in CORES[1:]}
        later = Parts(*(y - x for x, y in zip(call(PASSES[0], 2), by_cores[2], strict=True)))
        results[case] = Scaling({1: on_one_core(by_cores[2]), **by_cores}, on_one_core(later))
    return results


def time_of(found: Parts) -> float:
    return found.serial + found.longest


def serial_share(found: Parts) -> str:
    """Return the serial share of what runs on one core."""
    return f"{figure(100 * found.serial / time_of(found), 2)}%"


def speedups(call: dict[int, Parts]) -> dict[int, float]:
    """Return the time on one core over that on more, by number of cores."""
    return {cores: time_of(call[1]) / time_of(found) for cores, found in call.items()}


def table(results: dict[str, Scaling]) -> str:
    columns = ["float32, noise", "a later pass", "serial", f"{PASSES[1]} passes, from the call on", "serial"]
    columns += [f"{cores} cores" for cores in CORES[1:]]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for case, (call, later) in results.items():
        n_later = PASSES[1] - PASSES[0]
        cells = [case, f"{figure(1e3 * time_of(later) / n_later, 2)} ms", serial_share(later)]
        cells += [f"{figure(1e3 * time_of(call[1]), 2)} ms", serial_share(call[1])]
        cells += [f"{figure(speedup, 2)}x" for cores, speedup in speedups(call).items() if cores > 1]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", machine("numbakmeans", "numpy", "numba")])


def draw(results, path) -> None:
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(6, 5), layout="constrained")
    axes = canvas.subplots()
    axes.loglog(CORES, CORES, "--", color="gray", label="ideal")
    for case, scaling in results.items():
        axes.loglog(CORES, list(speedups(scaling.call).values()), "o-", label=case)
    axes.set_xticks(CORES, map(str, CORES))
    axes.set_yticks(CORES, map(str, CORES))
    axes.set_xlabel("cores")
    axes.set_ylabel("time on one core over time on these")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    canvas.savefig(path, dpi=110)


def main():
    parser = command_line(__doc__, "the folder of scaling.md, for the table and the picture")
    folder = parser.parse_args().write
    drivers.threaded()
    drivers._loops[:] = [ctypes.cast(timed_executor, ctypes.c_void_p).value]
    results = measure()
    text = table(results)
    print(text)
    if folder is not None:
        replace_between(folder / "scaling.md", "scaling", text)
        draw(results, folder / "scaling.png")


if __name__ == "__main__":
    main()
