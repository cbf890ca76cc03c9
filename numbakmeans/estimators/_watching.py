"""What is told after each pass of a fit: history, progress, verbose output, scikit-learn's callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Stopped(Exception):  # noqa: N818, no error
    """A callback has asked for an end of the passes; its argument is the number of passes made."""


class Replay:
    """The centers before and after a pass, which is made anew: it is a function of the centers alone.

    The engine tells how many rows moved, no more. Whoever wants to see centers pays for them.

    Attributes
    ----------
    before, after : (n_clusters, n_features), the centers before and after pass number `n_iter`
    """

    def __init__(self, one_pass: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> None:
        self._one_pass, self.before, self.after, self.n_iter = one_pass, start, start, 0

    def go_to(self, n_iter: int) -> None:
        while self.n_iter < n_iter:
            self.before, self.after = self.after, self._one_pass(self.after)
            self.n_iter += 1


class Printer:
    """Prints what scikit-learn prints; inertia_of : centers -> inertia of the rows' nearest ones."""

    def __init__(self, replay: Replay, inertia_of: Callable[[np.ndarray], float]) -> None:
        self._replay, self._inertia_of, self._n_iter = replay, inertia_of, 0
        print("Initialization complete")

    def __call__(self, n_iter: int, _moved: int) -> None:
        self._n_iter = n_iter
        self._replay.go_to(n_iter)
        print(f"Iteration {n_iter - 1}, inertia {self._inertia_of(self._replay.before)}.")

    def finish(self, settled: bool, converged: bool, tol: float) -> None:
        if settled:
            print(f"Converged at iteration {self._n_iter - 1}: strict convergence.")
        elif converged:
            shift = ((self._replay.after - self._replay.before) ** 2).sum()
            print(f"Converged at iteration {self._n_iter - 1}: center shift {shift} within tolerance {tol}.")


class Callbacks:
    """The hooks of scikit-learn's callbacks: a task for the fit, one for each start, one for each pass.

    Those of a pass are called one after the other, once it is over.
    """

    def __init__(self, estimator: Any, n_init: int, X: Any, metadata: dict[str, Any]) -> None:
        self._told = {"estimator": estimator, "X": X, "metadata": metadata}
        # Without a callback the task still takes its place in those of a pipeline.
        self.wanted = bool(getattr(estimator, "_skl_callbacks", None))
        self._max_iter = estimator.max_iter
        self._fit = estimator._init_callback_context(max_subtasks=n_init if self.wanted else 0)
        self._fit.call_on_fit_task_begin(**self._told)
        self._start: Any = None

    @staticmethod
    def are_possible(estimator: Any) -> bool:
        """Return whether there may be something to call."""
        return bool(getattr(estimator, "_skl_callbacks", None)) or hasattr(estimator, "_parent_callback_ctx")

    def begin_start(self) -> None:
        self._start = self._fit.subcontext(task_name="start", max_subtasks=self._max_iter)
        self._start.call_on_fit_task_begin(**self._told)

    def after_pass(self, n_iter: int, centers: Callable[[], np.ndarray]) -> None:
        """Call the hooks of a pass; centers : returns those after it."""
        task = self._start.subcontext(task_name="pass")
        task.call_on_fit_task_begin(**self._told)
        if task.call_on_fit_task_end(**self._told, reconstruction_attributes=lambda: fitted(centers())):
            raise Stopped(n_iter)

    def end_start(self, centers: np.ndarray) -> bool:
        """Call the hooks; return whether no further start is wanted."""
        return bool(
            self._start.call_on_fit_task_end(**self._told, reconstruction_attributes=lambda: fitted(centers))
        )

    def end_fit(self, centers: np.ndarray) -> None:
        self._fit.call_on_fit_task_end(**self._told, reconstruction_attributes=lambda: fitted(centers))


def fitted(centers: np.ndarray) -> dict[str, Any]:
    """Return the attributes that `predict`, `transform` and `score` need."""
    return {"cluster_centers_": centers, "_n_features_out": len(centers)}


def is_watched(estimator: Any, callbacks: Callbacks | None) -> bool:
    """Return whether somebody is told about each pass."""
    listens = estimator.keep_history or estimator.verbose or estimator.progress is not None
    return bool(listens) or (callbacks is not None and callbacks.wanted)


class Watch:
    """Tells everybody about the passes from one start.

    Attributes
    ----------
    progress : what the engine calls after each pass; None if nobody listens
    moves : the number of rows that moved in each pass, if a history is kept
    """

    def __init__(
        self,
        estimator: Any,
        replay: Replay,
        inertia_of: Callable[[np.ndarray], float],
        callbacks: Callbacks | None,
        dtype: np.dtype,
    ) -> None:
        self.moves: list[int] = []
        self.printer = Printer(replay, inertia_of) if estimator.verbose else None
        listeners: list[Callable[[int, int], None]] = []
        if estimator.keep_history:
            listeners.append(lambda _n_iter, moved: self.moves.append(moved))
        if self.printer is not None:
            listeners.append(self.printer)
        if estimator.progress is not None:
            listeners.append(estimator.progress)
        if callbacks is not None and callbacks.wanted:
            callbacks.begin_start()

            def after(n_iter: int) -> np.ndarray:
                replay.go_to(n_iter)
                return replay.after.astype(dtype)

            listeners.append(lambda n_iter, _: callbacks.after_pass(n_iter, lambda: after(n_iter)))

        def tell(n_iter: int, moved: int) -> None:
            for listener in listeners:
                listener(n_iter, moved)

        self.progress = tell if listeners else None
