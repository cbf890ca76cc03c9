"""Interleaved timing of alternatives, and what the times say about thresholds."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from numbakmeans._engine import thresholds as at

from .isolated import Process

Run = Callable[[], object]
#: Takes a run for each alternative, and returns the best time of each.
Measure = Callable[[dict[Any, Run]], dict[Any, float]]

#: A threshold looks wrong if its value loses more than WRONG. Values within FLAT of the best are as good.
WRONG, FLAT = 0.10, 0.03
#: Seconds for which a short run is repeated; runs that are slower than the best by a factor are dropped.
REPEAT, HOPELESS = 0.002, 4.0


def measure(runs: dict[Any, Run], rounds: int = 7, clock: Callable[[], float] = time.perf_counter) -> Any:
    """Return the best time of each run. The runs take turns, so that other load affects all of them alike."""

    def seconds(run: Run, repeat: int) -> float:
        before = clock()
        for _ in range(repeat):
            run()
        return (clock() - before) / repeat

    for run in runs.values():
        run()  # compiles, and fills caches
    best = {key: seconds(run, 1) for key, run in runs.items()}
    repeat = {key: max(1, math.ceil(REPEAT / max(best[key], 1e-9))) for key in runs}
    for r in range(rounds):
        for key, run in runs.items():
            if r == 0 or best[key] <= HOPELESS * min(best.values()):
                best[key] = min(best[key], seconds(run, repeat[key]))
    return best


@contextlib.contextmanager
def replaced(module: Any, **values: Any) -> Iterator[None]:
    """Temporarily replace some names of a module."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)


def under(build: Callable[[], Run], module: Any, **values: Any) -> Run:
    """Return a run that is both built and made while some names of a module are replaced."""
    with replaced(module, **values):
        run = build()

    def run_under() -> None:
        with replaced(module, **values):
            run()

    return run_under


def losses(times: Sequence[dict[Any, float]]) -> dict[Any, float]:
    """Return by how much each alternative loses to the best one, in the geometric mean over workloads."""
    means = {key: math.exp(sum(math.log(each[key]) for each in times) / len(times)) for key in times[0]}
    return {key: mean / min(means.values()) - 1.0 for key, mean in means.items()}


def shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class Finding(NamedTuple):
    """What the times say about some thresholds, as lines to print."""

    thresholds: tuple[str, ...]
    lines: list[str]
    wrong: bool


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Thresholds, each of which takes other values in turn, in addition to its present one.

    build : maps a workload to a run; isolated : whether kernels are compiled for each value
    """

    tries: Mapping[str, Sequence[Any]]
    cases: Sequence[Any]
    build: Callable[[Any], Run]
    isolated: bool = False

    @property
    def thresholds(self) -> tuple[str, ...]:
        return tuple(self.tries)

    def findings(self, measure: Measure) -> Iterator[Finding]:
        for threshold, others in self.tries.items():
            present = getattr(at, threshold)
            values = [present, *(value for value in others if value != present)]
            if not isinstance(present, dict):
                values.sort()
            lost = losses(list(self._times(threshold, values, measure)))
            at_present = lost[values.index(present)]
            lines = [
                f"{shown(values[v]):>24} {loss:+7.1%}{' (present)' * (values[v] == present)}"
                for v, loss in lost.items()
            ]
            flat = ", ".join(shown(values[v]) for v, loss in lost.items() if loss <= FLAT)
            lines.append(f"the present value loses {at_present:.1%}; flat: {flat}")
            yield Finding((threshold,), lines, at_present > WRONG)

    def _times(self, threshold: str, values: Sequence[Any], measure: Measure) -> Iterator[dict[int, float]]:
        """Yield, for each case, the time under each of the values, by its index."""
        if self.isolated:
            processes = [Process(self.build, threshold, value) for value in values]
            for case in self.cases:
                yield measure({v: process.run_of(case) for v, process in enumerate(processes)})
            for process in processes:
                process.end()
        else:
            for case in self.cases:
                build = functools.partial(self.build, case)
                runs = (under(build, at, **{threshold: value}) for value in values)
                yield measure(dict(enumerate(runs)))


@dataclasses.dataclass(frozen=True)
class Choice:
    """Options among which the plan chooses by several thresholds.

    build : maps a workload and an option to a run; chosen : maps a workload to the option of the plan
    """

    thresholds: tuple[str, ...]
    options: Sequence[Any]
    cases: Sequence[Any]
    build: Callable[[Any, Any], Run]
    chosen: Callable[[Any], Any]
    isolated = False

    def findings(self, measure: Measure) -> Iterator[Finding]:
        times, lines = [], []
        for case in self.cases:
            each = measure({option: self.build(case, option) for option in self.options})
            chosen, best = self.chosen(case), min(each, key=each.__getitem__)
            times.append({**each, "the plan": each[chosen], "the best": each[best]})
            if (loss := each[chosen] / each[best] - 1.0) > WRONG:
                lines.append(f"{chosen} loses {loss:.0%} to {best} on {case}")
        lost = losses(times)
        lines += [f"{shown(option):>24} {loss:+7.1%}" for option, loss in lost.items()]
        yield Finding(self.thresholds, lines, lost["the plan"] > WRONG)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A cost model of calls, in steps, none of which may take longer than `limit` seconds.

    build : maps a workload to a run and its steps
    """

    thresholds: tuple[str, ...]
    cases: Sequence[Any]
    build: Callable[[Any], tuple[Run, float]]
    limit: float
    isolated = False

    def findings(self, measure: Measure) -> Iterator[Finding]:
        rates = []
        for case in self.cases:
            run, steps = self.build(case)
            rates.append(measure({0: run})[0] / steps)
        lines = [
            f"{1e9 * rate:8.3f} ns per step on {case}" for rate, case in zip(rates, self.cases, strict=True)
        ]
        yield Finding(self.thresholds, lines, max(rates) > self.limit * (1.0 + WRONG))


def thin(sweep: Any, n_cases: int) -> Any:
    """Return a sweep with only a few of its workloads, including the first and the last."""
    n, last = min(n_cases, len(sweep.cases)), len(sweep.cases) - 1
    return dataclasses.replace(sweep, cases=[sweep.cases[i * last // max(n - 1, 1)] for i in range(n)])
