"""Whole files out: each appears under its name once it is complete, or not at all."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from numbakmeans._cli.tables import FileError


def require_writable(paths: Sequence[Path], sources: Sequence[Path] = ()) -> None:
    """Check that files can be written, before the work that fills them.

    sources : the files read, which must not be among them

    Raises
    ------
    FileError
    """
    for path in paths:
        folder = path.resolve().parent if path.is_symlink() else path.parent
        if not folder.is_dir():
            raise FileError(f"{path}: there is no folder {folder}")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise FileError(f"{path}: the folder {folder} cannot be written to")
        # Moving a file into place would replace a device, too.
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: already exists and is not a regular file")
        if path.exists() and any(path.samefile(source) for source in sources if source.exists()):
            raise FileError(f"{path}: is an input file, which would be overwritten")
    if len({path.resolve() for path in paths}) < len(paths):
        raise FileError(f"{paths[-1]}: would be written twice")


@contextmanager
def whole(paths: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Hand out a file to write for each path; they appear under their names at the end, or not at all.

    Raises
    ------
    FileError : one cannot be written
    """
    # The target of a symbolic link is what the user wants to have written.
    targets = [path.resolve() for path in paths]
    pairs = [(path.parent / f".{secrets.token_hex(8)}.tmp", path) for path in targets]
    try:
        with ExitStack() as stack:
            # Not tempfile: it would leave files that only their owner may read.
            yield [stack.enter_context(temporary.open("xb")) for temporary, _ in pairs]
        for temporary, path in pairs:
            temporary.replace(path)
    except OSError as error:
        together = ", ".join(map(str, paths))
        raise FileError(f"cannot write {together}: {error.strerror or error}") from error
    finally:
        for temporary, _ in pairs:
            temporary.unlink(missing_ok=True)


def write_labels(file: BinaryIO, labels: np.ndarray, form: str) -> None:
    """Write labels as .npy, or one a line as .csv."""
    if form == "npy":
        np.save(file, labels, allow_pickle=False)
        return
    for start in range(0, len(labels), 100_000):
        part = labels[start : start + 100_000]
        file.write("".join(f"{label}\n" for label in part.tolist()).encode())


def write_centers(file: BinaryIO, centers: np.ndarray, names: Sequence[str] | None, form: str) -> None:
    """Write centers as .npy, or as .csv with the shortest figures that give the same bits."""
    if form == "npy":
        np.save(file, centers, allow_pickle=False)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if names is not None:
        writer.writerow(names)
    writer.writerows([str(value) for value in row] for row in centers)
    file.write(text.getvalue().encode())
