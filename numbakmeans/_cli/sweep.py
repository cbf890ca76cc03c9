"""``numbakmeans sweep``: how well each of several numbers of clusters describes the rows of files."""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from numbakmeans._choosing import Choice, choose_k
from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.cluster import aligned, input_lines, plotting, seed_of
from numbakmeans._cli.console import UsageError, count, progress, require_threads, say
from numbakmeans._cli.inputs import as_samples, read, standardized
from numbakmeans._numba.runtime import threads


def run(arguments: argparse.Namespace) -> None:
    if not arguments.files and arguments.array is not None:
        raise UsageError("--array needs a FILE")
    plot = None if arguments.plot is None else plotting(arguments.plot)
    outputs = [] if arguments.plot is None else [arguments.plot]
    _outputs.require_writable(outputs, arguments.files)
    require_threads()

    table = read(arguments)
    samples = as_samples(table, arguments.dtype)
    if arguments.k[-1] > len(samples):
        raise UsageError(f"-k: {arguments.k[-1]} clusters, but only {len(samples)} rows")
    scaled, _ = standardized(samples) if arguments.standardize else (samples, None)
    seed_used, began = seed_of(arguments), time.perf_counter()
    with progress() as show:
        choice = choose_k(
            scaled.array,
            arguments.k,
            n_init=arguments.restarts,
            rng=seed_used,
            sample_weight=scaled.weights,
            progress=lambda done, of: show(f"fit {done + 1} of {of}"),
        )
    seconds = time.perf_counter() - began
    if plot is not None:
        with _outputs.whole(outputs) as files:
            plot.save(plot.draw_sweep(choice), files[0], arguments.plot.suffix)
    if arguments.json:
        say(_as_json(choice, seed_used))
        return
    lines = [
        *input_lines(arguments, table, samples),
        f"start     --restarts {arguments.restarts} --seed {seed_used}",
        f"time      {seconds:.3g} s, {count(threads(), 'thread')}",
        *(f"written   {path}" for path in outputs),
        "",
        *_lines(choice),
    ]
    say("\n".join(lines) + "\n")


def _lines(choice: Choice) -> list[str]:
    """Return the measures in columns."""
    rows = [["k", "inertia", "silhouette", "Davies-Bouldin", ""]]
    for k, inertia, *others in zip(*choice[:4], strict=True):
        shown = ["-" if np.isnan(value) else f"{value:.4f}" for value in others]
        marks = [mark for mark, at in (("elbow", choice.elbow), ("best silhouette", choice.best)) if at == k]
        rows.append([str(k), f"{inertia:.6g}", *shown, ", ".join(marks)])
    return [line.rstrip() for line in aligned(rows)]


def _as_json(choice: Choice, seed: int) -> str:
    """Return the measures for programs."""
    columns = {name: getattr(choice, name).tolist() for name in choice._fields[:4]}
    said = {name: [None if value != value else value for value in values] for name, values in columns.items()}
    return json.dumps({**said, "elbow": choice.elbow, "best": choice.best, "seed": seed}, indent=2) + "\n"
