"""Runs in processes of their own, for thresholds that are compiled into kernels."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(pipe: Any, build: Callable[[Any], Callable[[], object]], threshold: str, value: Any) -> None:
    """Run the workloads that arrive, with another value of a threshold, until None does."""
    from numbakmeans._engine import thresholds

    if any(name.startswith("numbakmeans._engine.kernels.") for name in sys.modules):
        raise RuntimeError("a kernel was imported before the threshold was set")
    # The code cache does not know about the value: no kernel may be loaded from it or stored in it.
    os.environ["NUMBAKMEANS_CACHE_DIR"] = "off"
    setattr(thresholds, threshold, value)
    runs: dict[Any, Callable[[], object]] = {}
    while (case := pipe.recv()) is not None:
        if case not in runs:
            runs[case] = build(case)
        runs[case]()
        pipe.send(None)


class Process:
    """A process in which a threshold has another value."""

    def __init__(self, *given: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, *given), daemon=True)
        self.process.start()
        theirs.close()  # so that `recv` fails if the process dies

    def run_of(self, case: Any) -> Callable[[], object]:
        """Return a run of a workload in the process."""

        def run() -> None:
            self.pipe.send(case)
            self.pipe.recv()

        return run

    def end(self) -> None:
        self.pipe.send(None)
        self.process.join()
