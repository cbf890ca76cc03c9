"""The files that the command line reads, by the endings of their names.

Whatever is wrong with a file ends as a `FileError`, whose message is one line for the user.
"""

from __future__ import annotations

import gzip
import io
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import BinaryIO, cast

from numbakmeans._cli import frames
from numbakmeans._cli.arrays import read_arrays
from numbakmeans._cli.delimited import read_delimited
from numbakmeans._cli.dialect import Options
from numbakmeans._cli.pictures import PICTURES, endings, read_picture
from numbakmeans._cli.tables import FileError, Table, pick
from numbakmeans._numba.entries import ROOT

ARRAYS = (".npy", ".npz")
DELIMITED = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
#: Standard input, instead of a file.
STDIN = Path("-")


def read(
    path: Path,
    *,
    array: str | None = None,
    columns: str | None = None,
    options: Options | None = None,
    tell: Callable[[float], None] = lambda _share: None,
) -> Table:
    """Read a table or a picture, by the ending of its name; standard input and pipes hold text.

    array : the one to take from an .npz; columns : as `pick_columns` takes them
    options : what is stated about a text file; tell : is called with the share of it that has been read

    Raises
    ------
    FileError
    """
    name, options = path.name.lower(), options or Options()
    plain, packed = name.removesuffix(".gz"), name.endswith(".gz")
    ending = Path(plain).suffix
    with _reading(path), _opened(path) as file:
        if ending in ARRAYS and not packed:
            return pick(read_arrays(file, path, array), columns)
        if array is not None:
            raise FileError(f"{path}: --array is for .npz files")
        if ending in DELIMITED and packed:
            with gzip.open(file) as content:
                return read_delimited(cast(BinaryIO, content), str(path), columns, options, tell)
        if ending in DELIMITED or path == STDIN or not _is_regular(path):
            return read_delimited(file, str(path), columns, options, tell)
        if ending == ".parquet" and not options.drop_missing and _is_regular(path):
            table = frames.read_row_groups(path, columns)
            if table is not None:
                return table
        if ending in frames.READERS and not packed:
            return frames.read_frame(file, str(path), ending, columns, options.drop_missing)
        if path.suffix.lower() in endings():
            return pick(read_picture(file, str(path)), columns)
        text = [*DELIMITED, *(f"{each}.gz" for each in DELIMITED)]
        known = ", ".join([*ARRAYS, *text, *frames.READERS, *PICTURES])
        raise FileError(f"{path}: unknown file type; the name must end in one of {known}")


def shipped(columns: str | None = None) -> Table:
    """Return the Old Faithful data that come with the package."""
    source = resources.files(ROOT).joinpath("_datasets", "faithful.csv")
    with source.open("rb") as file:
        return read_delimited(cast(BinaryIO, file), "faithful.csv", columns)._replace(notes=())


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path != STDIN:
        with path.open("rb") as file:
            yield file
        return
    if sys.stdin is None:
        raise FileError("-: standard input is closed")
    yield getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileError, MemoryError):
        raise
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    # A damaged file can fail in any way that its reader can: zipfile, zlib, Pillow, pyarrow, ...
    except Exception as error:
        raise FileError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error
