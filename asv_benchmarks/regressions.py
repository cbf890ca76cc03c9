"""Prove that the guards and the quick benchmarks notice what they must, and are silent where nothing changed.

    python asv_benchmarks/regressions.py                 # print the table
    python asv_benchmarks/regressions.py --write docs    # and put it into docs/benchmarks.md

In a throw-away clone, faults are committed one at a time, each followed by a commit that takes it back. The
guards run on every fault, the quick benchmarks on every commit: a fault is compared with the sound commit
before it, and each sound commit with the sound one before. It takes the better part of an hour.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from pages import command_line, machine, replace_between

ROOT = Path(__file__).parents[1]
#: By how much, as a factor, a quick benchmark may change between equal commits.
FACTOR = "1.1"


class Fault(NamedTuple):
    """Code of a file, relative to the package, and what replaces it."""

    file: str
    code: str
    faulty: str


#: A call of the tile that scores rows side by side.
SCORE = "score_lanes(lanes[b], packed.panels, packed.half_norms, p, (filled, b * width), of_panel)"
FAULTS = {
    "a tile 15% slower: three of twenty are scored twice": Fault(
        "_engine/kernels/certify.py",
        f"            {SCORE}\n",
        f"            {SCORE}\n            if (p + b) % 20 < 3:\n                {SCORE}\n",
    ),
    "a copy of the data at the face": Fault(
        "_engine/samples.py",
        "num in REAL:\n        return value\n",
        "num in REAL:\n        return value.copy()\n",
    ),
    "numba imported at import": Fault("__init__.py", "import sys\n", "import sys\nimport numba\n"),
    "a kernel more at the first call": Fault(
        "_engine/fit.py",
        "np.full(len(samples), -1, np.int32)\n",
        "np.full(len(samples), -1, np.int32)\n"
        "    from numbakmeans._engine.algorithms.base import SHIFT\n\n    SHIFT(wide, wide)\n",
    ),
    "a lock around the parallel region: one task at a time": Fault(
        "_numba/parallel.py",
        "    for task in prange(n_tasks):\n        call_task(function, arguments, task)\n",
        "    for _ in prange(1):\n"
        "        for task in range(n_tasks):\n"
        "            call_task(function, arguments, task)\n",
    ),
    "bounds that no longer prune": Fault(
        "_engine/kernels/bounds.py",
        "group_mask[g, t] = not upper[i] < lower[g, i - start]\n",
        "group_mask[g, t] = True\n",
    ),
    "seeding that sweeps twice": Fault(
        "_engine/seeding/plus_plus.py",
        "        for rows, X in samples.slabs(leaves.starts):\n",
        "        for rows, X in [each for each in samples.slabs(leaves.starts) for _ in range(2)]:\n"
        "            center[:n_features] = samples.rows(picks[p - 1])\n",
    ),
}


def run(*command: str, cwd: Path, may_fail: bool = False, **environment: str) -> str:
    """Return what a command prints; its exit code is checked unless it may fail."""
    settings = {**os.environ, **environment}
    done = subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not may_fail:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=regressions", "-c", "user.email=regressions@localhost")
    return run("git", *identity, *arguments, cwd=cwd).strip()


def asv(*arguments: str, cwd: Path) -> str:
    return run(sys.executable, "-m", "asv", *arguments, cwd=cwd)


def commit(clone: Path, message: str) -> str:
    git("commit", "-q", "--allow-empty", "-am", message, cwd=clone)
    return git("rev-parse", "HEAD", cwd=clone)


def plant(clone: Path, fault: Fault) -> None:
    path = clone / "numbakmeans" / fault.file
    before = path.read_text()
    if before.count(fault.code) != 1:
        raise RuntimeError(f"{fault.file} does not contain, exactly once: {fault.code}")
    path.write_text(before.replace(fault.code, fault.faulty))


def exceeded(clone: Path) -> list[str]:
    """Return the names of the guards that fail in a clone."""
    command = sys.executable, "asv_benchmarks/guards.py"
    printed = run(*command, cwd=clone, may_fail=True, PYTHONPATH=str(clone))
    if "bound" not in printed:
        raise RuntimeError(f"the guards did not run: {printed}")
    return re.findall(r"^EXCEEDED +(.*?): ", printed, flags=re.M)


def measure(clone: Path, revision: str) -> int:
    """Run the quick benchmarks on a commit; return how many gave a result."""
    printed = asv("run", "--bench", "^quick", "--show-stderr", f"{revision}^!", cwd=clone)
    n_results = len(re.findall(r"^ {10,}\S.*\s\d+\.\d+ *$", printed, flags=re.M))
    if "failed" in printed or n_results == 0:
        raise RuntimeError(f"the benchmarks of {revision} failed, or none ran:\n{printed}")
    return n_results


def changed(clone: Path, before: str, after: str) -> list[str]:
    """Return what asv reports between two commits: '+' if slower, '-' if faster, the ratio, the benchmark."""
    printed = asv("compare", "--factor", FACTOR, "--only-changed", before, after, cwd=clone)
    rows = re.findall(
        r"^\| ([+-]) .*\| +([\d.]+) +\| quick\.OverReference\.track_ratio\(.(.*).\) *\|$", printed, flags=re.M
    )
    if len(rows) != len(re.findall(r"^\| [^C]", printed, flags=re.M)):
        raise RuntimeError(f"lines of asv that cannot be read:\n{printed}")
    return [f"{sign} {ratio} {benchmark}" for sign, ratio, benchmark in rows]


def slower(changes: list[str]) -> list[str]:
    return [change.removeprefix("+ ") for change in changes if change.startswith("+")]


class Proof(NamedTuple):
    """What noticed each fault (None where nothing was timed), and what was reported of equal commits."""

    caught: dict[str, tuple[list[str], list[str] | None]]
    n_benchmarks: int
    n_equal: int
    false_alarms: list[str]


def prove(clone: Path, n_equal: int, timed: str) -> Proof:
    """Plant the faults one at a time in a clone, and measure all commits.

    n_equal : comparisons of equal commits, at least as many as there are faults that are timed
    timed : the quick benchmarks run on faults whose titles match this regular expression
    """
    caught, false_alarms = {}, []
    asv("machine", "--yes", cwd=clone)
    if wrong := exceeded(clone):
        raise RuntimeError(f"guards fail without a fault: {wrong}")
    sound = commit(clone, "sound")
    n_benchmarks = measure(clone, sound)
    untimed = {title: fault for title, fault in FAULTS.items() if not re.search(timed, title)}
    for title, fault in untimed.items():
        plant(clone, fault)
        caught[title] = exceeded(clone), None
        git("checkout", "-q", sound, "--", "numbakmeans", cwd=clone)
        print(title, caught[title][0], sep="\n    ", file=sys.stderr, flush=True)
    faults = [(title, fault) for title, fault in FAULTS.items() if title not in untimed]
    n_equal = max(n_equal, len(faults))
    for turn in range(n_equal):
        if turn < len(faults):
            title, fault = faults[turn]
            plant(clone, fault)
            guards = exceeded(clone)
            faulty = commit(clone, title)
            measure(clone, faulty)
            caught[title] = guards, slower(changed(clone, sound, faulty))
            git("checkout", "-q", sound, "--", "numbakmeans", cwd=clone)
            print(title, *caught[title], sep="\n    ", file=sys.stderr, flush=True)
        before, sound = sound, commit(clone, "sound again")
        measure(clone, sound)
        alarms = changed(clone, before, sound)
        print("equal commits:", alarms or "silent", file=sys.stderr, flush=True)
        false_alarms += alarms
    return Proof(caught, n_benchmarks, n_equal, false_alarms)


def report(proof: Proof) -> str:
    """Return the table of faults and who noticed them, and what was said about equal commits."""
    lines = ["| planted | guards that failed | quick benchmarks that got worse |", "|---|---|---|"]
    for title in FAULTS:
        guards, benchmarks = proof.caught[title]
        cells = [
            title,
            "<br>".join(guards) or "none",
            "not run" if benchmarks is None else "<br>".join(benchmarks) or "none",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    n_compared = proof.n_equal * proof.n_benchmarks
    alarms = len(proof.false_alarms)
    lines += [
        "",
        f"Equal commits: {proof.n_equal} comparisons of {proof.n_benchmarks} benchmarks each; "
        f"{alarms} of {n_compared} reported ({100 * alarms / n_compared:.1f}%).",
        "",
        machine("numbakmeans", "numpy", "numba", "asv"),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = command_line(__doc__, "the folder of benchmarks.md, for the table")
    parser.add_argument("--equal", type=int, default=10, help="comparisons of equal commits (default: 10)")
    parser.add_argument(
        "--timed",
        default="",
        metavar="PATTERN",
        help="run the quick benchmarks for faults whose titles match this; the guards run for all",
    )
    given = parser.parse_args()
    folder = given.write
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "clone"
        git("clone", "-q", str(ROOT), str(clone), cwd=ROOT)
        proof = prove(clone, given.equal, given.timed)
    text = report(proof)
    print(text)
    if folder is not None:
        replace_between(folder / "benchmarks.md", "regressions", text)
    missed = [title for title, found in proof.caught.items() if not any(found)]
    if missed or proof.false_alarms:
        sys.exit(f"not noticed: {missed or 'none'}; false alarms: {proof.false_alarms or 'none'}")


if __name__ == "__main__":
    main()
