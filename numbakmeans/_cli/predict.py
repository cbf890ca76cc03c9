"""``numbakmeans predict``: labels of the rows of files, by centroids that were saved."""

from __future__ import annotations

import argparse

import numpy as np

from numbakmeans._cli import files as _files
from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.cluster import aligned, input_lines, labels_of_file, output_path
from numbakmeans._cli.console import UsageError, require_threads, say
from numbakmeans._cli.inputs import as_samples, read
from numbakmeans._cli.tables import FileError, pick
from numbakmeans._engine.assignment import nearest
from numbakmeans._engine.distances import exact_weighted_sum


def run(arguments: argparse.Namespace) -> None:
    outputs = [output_path(arguments.output, f"labels.{arguments.format}")]
    _outputs.require_writable(outputs, [arguments.centroids, *arguments.files])
    require_threads()

    known = _files.read(arguments.centroids)
    table = read(arguments)
    if arguments.columns is None and None not in (known.names, table.names):
        # By their names, in the order of the centroids.
        assert known.names is not None
        table = pick(table, ",".join('"' + name.replace('"', '""') + '"' for name in known.names))
    centers, samples = as_samples(known, None), as_samples(table, arguments.dtype)
    if centers.shape[1] != samples.shape[1]:
        raise UsageError(
            f"{arguments.centroids} has {centers.shape[1]} columns, but the rows have {samples.shape[1]}"
        )
    if centers.X is None:
        raise FileError(f"{arguments.centroids}: too large for centroids")
    labels, sq_dists = nearest(samples, np.asarray(centers.X))
    with _outputs.whole(outputs) as files:
        _outputs.write_labels(files[0], labels_of_file(table, labels), arguments.format)
    sizes = np.bincount(labels, minlength=len(centers))
    lines = [
        *input_lines(arguments, table, samples),
        f"inertia   {exact_weighted_sum(samples, sq_dists)!r}",
        *(f"written   {path}" for path in outputs),
        "",
        *aligned([["cluster", "rows"], *([str(j), str(size)] for j, size in enumerate(sizes.tolist()))]),
    ]
    say("\n".join(lines) + "\n")
