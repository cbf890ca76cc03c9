"""Tables and pictures in, whole files out: the command line's side of the disk.

Whatever is wrong with a file ends as a `FileError`, whose message is one line for the user.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import secrets
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from numbakmeans._numba.entries import ROOT

TABLES = (".npy", ".npz", ".csv", ".csv.gz")
#: Pictures that are recognised even where Pillow is not there to say what it reads.
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
RGB = ("red", "green", "blue")


class FileError(Exception):
    """A file cannot be read as asked, or not be written; the message is for the user."""


class Table(NamedTuple):
    """What a file held.

    Attributes
    ----------
    values : ndarray (n_rows, n_columns), any dtype
    names : of the columns, where the file has them
    picture : (height, width) where the rows are the pixels of a picture
    columns : the columns of the file that these are, counted from 0, where some were picked
    """

    values: np.ndarray
    names: tuple[str, ...] | None = None
    picture: tuple[int, int] | None = None
    columns: tuple[int, ...] | None = None

    @property
    def headings(self) -> list[str]:
        """What to call the columns."""
        if self.names is not None:
            return list(self.names)
        columns = range(self.values.shape[1]) if self.columns is None else self.columns
        return [f"column {c}" for c in columns]


def read(path: Path, *, array: str | None = None, columns: str | None = None) -> Table:
    """Read a table or a picture, by the ending of its name.

    array : the one to take from an .npz; columns : as `pick_columns` takes them

    Raises
    ------
    FileError
    """
    name = path.name.lower()
    with _reading(path), path.open("rb") as file:
        if name.endswith((".npy", ".npz")):
            return _pick(_read_numpy(file, path, array), columns)
        if array is not None:
            raise FileError(f"{path}: --array is for .npz files")
        if name.endswith(".csv"):
            return read_csv(file, str(path), columns)
        if name.endswith(".csv.gz"):
            with gzip.open(file) as plain:
                return read_csv(cast(BinaryIO, plain), str(path), columns)
        if path.suffix.lower() in PICTURES or path.suffix.lower() in _more_pictures():
            return _pick(_read_picture(file, path), columns)
        known = ", ".join(TABLES + PICTURES)
        raise FileError(f"{path}: unknown file type; the name must end in one of {known}")


def shipped(columns: str | None = None) -> Table:
    """Return the Old Faithful data that come with the package."""
    source = resources.files(ROOT).joinpath("_datasets", "faithful.csv")
    with source.open("rb") as file:
        return read_csv(cast(BinaryIO, file), "faithful.csv", columns)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileError, MemoryError):
        raise
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not a text file in UTF-8 ({error.reason})") from error
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
    # A damaged file can fail in any way that its reader can: zipfile, zlib, Pillow, ast, ...
    except Exception as error:
        raise FileError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error


# --- Arrays of NumPy


def _read_numpy(file: BinaryIO, path: Path, array: str | None) -> Table:
    start = file.read(6)
    file.seek(0)
    if not start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        raise FileError(f"{path}: not a file of numpy.save or numpy.savez")
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        if array is not None:
            raise FileError(f"{path}: holds one array without a name; --array is for .npz files")
        return Table(_as_table(loaded, str(path)))
    with loaded:
        held = _listed(loaded.files) or "none"
        if array is None and len(loaded.files) != 1:
            raise FileError(f"{path}: choose one of its arrays with --array: {held}")
        chosen = loaded.files[0] if array is None else array
        if chosen not in loaded.files:
            raise FileError(f"{path}: no array {chosen!r}; it holds: {held}")
        return Table(_as_table(loaded[chosen], f"{path}, array {chosen!r}"))


def _as_table(values: Any, what: str) -> np.ndarray:
    if not isinstance(values, np.ndarray):  # another kind of file inside an .npz
        raise FileError(f"{what}: not an array")
    if values.ndim not in (1, 2):
        raise FileError(f"{what}: must have rows and columns, got shape {values.shape}")
    if values.size == 0:
        raise FileError(f"{what}: is empty, got shape {values.shape}")
    return values.reshape(len(values), -1)


# --- CSV


def read_csv(file: BinaryIO, what: str, columns: str | None = None) -> Table:
    """Read comma separated numbers; a first line without any number is a header.

    what : names the file in messages; columns : only these need to hold numbers

    Raises
    ------
    FileError : with the number of the line that is wrong
    """
    with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        return _parse_csv(_Lines(text, what), what, columns)


def _parse_csv(lines: _Lines, what: str, columns: str | None) -> Table:
    first = next(lines, None)
    if first is None:
        raise FileError(f"{what}: is empty")
    fields = _fields(first)
    names = None
    if any(fields) and not any(map(_is_number, fields)):
        names = tuple(fields)
        first = next(lines, None)
        if first is None:
            raise FileError(f"{what}: has a header, but no rows")
    chosen = None if columns is None else pick_columns(columns, len(fields), names)
    try:
        values = np.loadtxt(
            chain([first], lines),
            delimiter=",",
            comments=None,
            quotechar='"',
            usecols=chosen,
            ndmin=2,
            encoding=None,
        )
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        # loadtxt takes a line only after it has made numbers of the one before.
        raise FileError(lines.blame(chosen) or f"{what}: {error}") from error
    if chosen is None:
        return Table(values, names)
    return Table(values, _names_of(chosen, names), None, tuple(chosen))


class _Lines:
    """The lines of a text that are not blank, each checked to have as many columns as the first."""

    def __init__(self, text: Iterable[str], what: str) -> None:
        self._numbered = enumerate(text, 1)
        self._what = what
        self._first = 0
        self._n_columns = 0
        self._number, self._line = 0, ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for number, line in self._numbered:
            if not line.isspace():
                self._number, self._line = number, line
                n_columns = len(_fields(line)) if '"' in line else line.count(",") + 1
                if not self._first:
                    self._first, self._n_columns = number, n_columns
                if n_columns != self._n_columns:
                    there = f"line {self._first} has {self._n_columns}"
                    raise FileError(f"{self._here()} has {n_columns} columns, but {there}")
                return line
        raise StopIteration

    def _here(self) -> str:
        return f"{self._what}, line {self._number}"

    def blame(self, columns: Sequence[int] | None) -> str:
        """Return what is wrong with the line handed out last; empty if its columns are all numbers."""
        for column, field in enumerate(_fields(self._line)):
            if (columns is None or column in columns) and not _is_number(field):
                found = repr(field if len(field) <= 40 else field[:40] + "...") if field else "an empty field"
                return f"{self._here()}: not a number in column {column} (counted from 0): {found}"
        return ""


def _fields(line: str) -> list[str]:
    fields = next(csv.reader([line])) if '"' in line else line.split(",")
    return [field.strip() for field in fields]


def _is_number(field: str) -> bool:
    """Whether loadtxt makes a number of it; Python takes digits of other scripts and underscores too."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


# --- Pictures


def _more_pictures() -> Sequence[str]:
    """Return the endings that Pillow knows; none if it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        return ()
    return list(Image.registered_extensions())


def _read_picture(file: BinaryIO, path: Path) -> Table:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise FileError(f"{path}: to read pictures, install the package pillow ({error})") from error
    with warnings.catch_warnings():
        # The picture is large because the user has a large one; and transparency is dropped on purpose.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", "Palette images with Transparency", UserWarning)
        try:
            image = Image.open(file)
        except UnidentifiedImageError as error:
            raise FileError(f"{path}: not a picture that Pillow can read") from error
        with image:
            # Pillow cuts these off at 255 instead of scaling them.
            if image.mode.startswith(("I", "F")):
                raise FileError(f"{path}: more than 8 bits per channel (mode {image.mode}); save it with 8")
            pixels = np.asarray(image.convert("RGB"))
    height, width, _ = pixels.shape
    return Table(_as_table(pixels.reshape(-1, 3), str(path)), RGB, (height, width))


# --- Columns


def pick_columns(text: str, n_columns: int, names: Sequence[str] | None) -> list[int]:
    """Return the columns that text asks for: numbers from 0, ranges like 0-3, names, comma separated.

    Raises
    ------
    FileError
    """
    chosen: list[int] = []
    for item in (piece.strip() for piece in text.split(",")):
        if names is not None and item in names:
            if names.count(item) > 1:
                raise FileError(f"--columns: {names.count(item)} columns are called {item!r}; use numbers")
            picked = [names.index(item)]
        elif match := re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", item):
            low = int(match[1])
            high = low if match[2] is None else int(match[2])
            if high < low:
                raise FileError(f"--columns: {item} runs backwards")
            if high >= n_columns:
                raise FileError(f"--columns: no column {high}; there are {n_columns}, counted from 0")
            picked = list(range(low, high + 1))
        else:
            there = f"0 to {n_columns - 1}" if names is None else _listed(names)
            raise FileError(f"--columns: no column {item!r}; there are: {there}")
        for column in picked:
            if column in chosen:
                raise FileError(f"--columns: column {column} is given twice")
            chosen.append(column)
    return chosen


def _pick(table: Table, columns: str | None) -> Table:
    """Return a table of some columns; it is a picture no longer."""
    if columns is None:
        return table
    chosen = pick_columns(columns, table.values.shape[1], table.names)
    return Table(table.values[:, chosen], _names_of(chosen, table.names), None, tuple(chosen))


def _names_of(columns: Sequence[int], names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names[c] for c in columns)


def _listed(names: Sequence[str]) -> str:
    """Return names for a message, the first of them where they are many."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


# --- Out


def require_writable(paths: Sequence[Path], source: Path | None = None) -> None:
    """Check that files can be written, before the work that fills them.

    source : the file read, which must not be among them

    Raises
    ------
    FileError
    """
    for path in paths:
        if not path.parent.is_dir():
            raise FileError(f"{path}: there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise FileError(f"{path}: the folder {path.parent} cannot be written to")
        # Moving a file into place would replace a device, too.
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: already exists and is not a regular file")
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise FileError(f"{path}: is the input file, which would be overwritten")
    if len({path.resolve() for path in paths}) < len(paths):
        raise FileError(f"{paths[-1]}: would be written twice")


@contextmanager
def whole(paths: Sequence[Path]) -> Iterator[list[BinaryIO]]:
    """Hand out a file to write for each path; they appear under their names at the end, or not at all.

    Raises
    ------
    FileError : one cannot be written
    """
    pairs = [(path.parent / f".{secrets.token_hex(8)}.tmp", path) for path in paths]
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
