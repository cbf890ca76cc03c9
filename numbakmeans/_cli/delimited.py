"""Tables in text files: which lines and columns are data, and their numbers.

Nothing of that is stated in such a file, so it is found out from the first lines, and said (`Table.notes`).
"""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import BinaryIO, NamedTuple

import numpy as np

from numbakmeans._cli.dialect import (
    BLANKS,
    COMMENT,
    MISSING,
    Options,
    Row,
    as_number,
    decoded,
    dialect_of,
    is_number,
    rows_of,
)
from numbakmeans._cli.tables import COLUMN, FileError, Table, names_of, pick_columns

#: How many lines are looked at to find out the rest.
SAMPLE_LINES = 1000
#: After how many lines it is told again how far reading is.
TOLD_LINES = 10_000
NO_COMMENTS = f"; lines that begin with {COMMENT} are comments"
MAX_QUOTED = 40
#: Two consecutive numbers in this range are taken as years.
FIRST_YEAR, LAST_YEAR = 1800, 2200


def read_delimited(
    file: BinaryIO,
    what: str,
    columns: str | None = None,
    options: Options | None = None,
    tell: Callable[[float], None] = lambda _share: None,
) -> Table:
    """Read a table of numbers.

    what : names the file in messages; columns : the only ones that need to hold numbers
    tell : is called with the share that has been read, from time to time

    Raises
    ------
    FileError : with the number of the line that is wrong
    """
    options = options or Options()
    whole, notes = decoded(file, what, options.encoding)
    text = _told(io.StringIO(whole, newline=""), len(whole), tell)
    head = list(islice(text, SAMPLE_LINES))
    separator, decimal = dialect_of(head, options)
    rows = rows_of(chain(head, text), separator, what)
    sample = list(islice(rows, SAMPLE_LINES))
    layout = _layout(sample, what, options, decimal)
    used, more = _used(layout, columns)
    notes = [*notes, _described(separator, decimal, layout), *more]
    data = _Data(layout, used, decimal, what)
    values, kept = data.values(chain(sample[layout.first_row :], rows), options.drop_missing)
    if kept is not None:
        notes.append(f"{np.count_nonzero(~kept)} of {len(kept)} rows left out, as values are missing")
    names = names_of(used, layout.names)
    picked = None if len(used) == layout.n_columns and columns is None else tuple(used)

    def append(out: BinaryIO, labels: np.ndarray) -> None:
        again = rows_of(io.StringIO(whole, newline=""), separator, what)
        _write_with(out, again, layout, separator, labels)

    return Table(values, names, None, picked, None, kept, tuple(notes), append)


def _told(text: io.StringIO, length: int, tell: Callable[[float], None]) -> Iterator[str]:
    """Yield lines, and tell how far they are."""
    for number, line in enumerate(text):
        if not number % TOLD_LINES:
            tell(text.tell() / length)
        yield line


def _write_with(
    out: BinaryIO, rows: Iterable[Row], layout: _Layout, separator: str, labels: np.ndarray
) -> None:
    """Write a table with a further column, of a label for each row; comments between rows are left out."""
    text = io.TextIOWrapper(out, "utf-8", newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    coming = iter(labels.tolist())
    for t, (_, fields) in enumerate(rows):
        fields = fields[:-1] if layout.trailing and len(fields) == layout.n_columns + 1 else fields
        if t >= layout.first_row:
            writer.writerow([*fields, str(next(coming))])
        else:
            is_header = layout.names is not None and t == layout.first_row - 1
            writer.writerow([*fields, COLUMN] if is_header else fields)
    text.detach()


# --- Rows and columns that hold data


class _Layout(NamedTuple):
    """How a table is laid out.

    n_columns : of the data; names : of them, if there is a header
    first_row : index of the first row of data among the sampled rows; first_line : its line
    trailing : whether an empty field ends each row; text : columns without a number; counts : whether the
    first column, which has no name, counts the rows
    """

    n_columns: int
    names: tuple[str, ...] | None
    first_row: int
    first_line: int
    trailing: bool
    text: tuple[int, ...]
    counts: bool


def _layout(sample: Sequence[Row], what: str, options: Options, decimal: str) -> _Layout:
    """Find out how a table is laid out, from its first rows."""
    n_comments = 0
    while n_comments < len(sample) and sample[n_comments][1][0].startswith(COMMENT):
        n_comments += 1
    data = [fields for _, fields in sample[n_comments:]]
    above = sample[n_comments - 1][1] if n_comments else None
    if not data:
        raise FileError(f"{what}: is empty" + (NO_COMMENTS if n_comments else ""))
    has_header = options.header
    header: list[str] | None = None
    if has_header is None:
        has_header = _is_header(data[0], data[1:], decimal)
    first_row = n_comments
    if has_header:
        header, data, first_row = data[0], data[1:], first_row + 1
        if not data:
            raise FileError(f"{what}: has a header, but no rows{NO_COMMENTS}")
    elif above is not None and options.header is None:
        named = [above[0].lstrip(COMMENT).strip(), *above[1:]]
        named = named[1:] if not named[0] else named
        if len(named) == len(data[0]) and not any(is_number(name, decimal) for name in named):
            header = named
    lengths = [len(fields) for fields in data]
    trailing = len(data[0]) > 1 and all(not fields[-1] for fields in data if len(fields) == len(data[0]))
    trailing = trailing and (header is None or len(header) < len(data[0]) or not header[-1])
    n_columns = lengths[0] - trailing
    if header is not None:
        header = header[:-1] if trailing and len(header) == lengths[0] else header
        unnamed = len(header) == n_columns - 1
        header = ["", *header] if unnamed else header
        if len(header) != n_columns:
            number = sample[first_row][0]
            there = f"line {sample[first_row - 1][0]} has {len(header)}"
            raise FileError(f"{what}, line {number} has {n_columns} columns, but {there}")
    columns = list(zip(*(fields[:n_columns] for fields in data if len(fields) >= n_columns), strict=True))
    text = tuple(c for c, fields in enumerate(columns) if _is_text(fields, decimal))
    index = header is not None and n_columns > 1 and not header[0] and _is_index(columns[0])
    names = None if header is None else tuple(header)
    return _Layout(n_columns, names, first_row, sample[first_row][0], trailing, text, index)


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first row names the columns.

    It does if it holds text and no number, or text above numbers; or consecutive whole numbers, as of
    years or of columns, above rows that are none.
    """
    numbers = [field for field in first if is_number(field, decimal)]
    if not numbers:
        return any(field.lower() not in MISSING for field in first)
    below = [fields for fields in rest if len(fields) == len(first)]
    for c, field in enumerate(first):
        named = field.lower() not in MISSING and not is_number(field, decimal)
        if named and below and all(is_number(fields[c], decimal) for fields in below):
            return True
    if not _counts_up(numbers) or not below:
        return False
    places = [c for c, field in enumerate(first) if is_number(field, decimal)]
    others = [fields[c] for fields in below for c in places if is_number(fields[c], decimal)]
    fractions = any(not field.lstrip("+-").isdecimal() for field in others)
    return fractions and not any(_counts_up([fields[c] for c in places]) for fields in below[:10])


def _counts_up(fields: Sequence[str]) -> bool:
    """Whether fields are whole numbers that increase by one: from 0, three or more of them, or years."""
    if len(fields) < 2 or not all(field.isdecimal() and field.isascii() for field in fields):
        return False
    numbers = [int(field) for field in fields]
    if any(after - before != 1 for before, after in pairwise(numbers)):
        return False
    return numbers[0] == 0 or len(numbers) > 2 or FIRST_YEAR <= numbers[0] <= LAST_YEAR


def _is_text(fields: Sequence[str], decimal: str) -> bool:
    """Whether a column holds text: something, and no number."""
    stated = [field for field in fields if field.lower() not in MISSING]
    return bool(stated) and not any(is_number(field, decimal) for field in stated)


def _is_index(fields: Sequence[str]) -> bool:
    """Whether a column without a name counts the rows, from 0 or 1."""
    return any(list(fields) == [str(t + first) for t in range(len(fields))] for first in (0, 1))


def _used(layout: _Layout, columns: str | None) -> tuple[list[int], list[str]]:
    """Return the columns to use, and what to say about those left out."""
    if columns is not None:
        return pick_columns(columns, layout.n_columns, layout.names), []
    left_out = {0, *layout.text} if layout.counts else set(layout.text)
    used = [c for c in range(layout.n_columns) if c not in left_out]
    # A table of text alone: say so where its first field is.
    if not used:
        return list(range(layout.n_columns)), []
    titles = layout.names or [""] * layout.n_columns
    called, notes = [titles[c] or f"column {c}" for c in layout.text], []
    if called:
        hold = "it holds" if len(called) == 1 else "they hold"
        notes.append(f"left out, as {hold} text: {', '.join(called)}")
    if layout.counts and 0 not in layout.text:
        notes.append("left out: the first column, which has no name and counts the rows")
    return used, notes


def _described(separator: str, decimal: str, layout: _Layout) -> str:
    """Return what was assumed, in words."""
    called = {"\t": "tabs", BLANKS: "blanks"}.get(separator, f"'{separator}'")
    between = "one column" if layout.n_columns == 1 else f"columns separated by {called}"
    mark = ", decimal comma" if decimal == "," else ""
    return f"{between}{mark}, {'a header' if layout.names is not None else 'no header'}"


# --- Numbers


class _Data:
    """The rows of data of a table, to be turned into numbers."""

    def __init__(self, layout: _Layout, used: Sequence[int], decimal: str, what: str) -> None:
        self._layout, self._used, self._decimal, self._what = layout, list(used), decimal, what

    def values(self, rows: Iterable[Row], drops: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the numbers of the used columns, and which rows were kept, if some were not."""
        found, kept = array("d"), bytearray()
        missing: list[tuple[int, int, str]] = []
        n_fields, used, comma = self._layout.n_columns, self._used, self._decimal == ","
        for number, fields in rows:
            if len(fields) != n_fields:
                fields = self._of_length(number, fields)
            chosen = [fields[c] for c in used]
            if comma:
                chosen = [field.replace(",", ".") if "." not in field else "x" for field in chosen]
            try:
                # Python takes underscores and digits of other scripts, which are no numbers in files.
                if not (together := "".join(chosen)).isascii() or "_" in together:
                    raise ValueError
                numbers = [float(field) for field in chosen]
                is_whole = all(map(math.isfinite, numbers))
            except ValueError:
                is_whole = False
            if not is_whole:
                gap = self._gap(number, fields)
                missing.append((number, *gap))
                if drops:
                    kept.append(0)
                    continue
                numbers = [math.nan] * len(used)
            found.extend(numbers)
            kept.append(1)
        if missing and not drops:
            raise FileError(self._missing(missing))
        if not found:
            raise FileError(f"{self._what}: every row has a missing value")
        values = np.frombuffer(found, np.float64).reshape(-1, len(used))
        return values, np.frombuffer(kept, np.bool_) if missing else None

    def _of_length(self, number: int, fields: list[str]) -> list[str]:
        """Return the fields of a row without the empty one at its end."""
        n_columns = self._layout.n_columns
        if self._layout.trailing and len(fields) == n_columns + 1 and not fields[-1]:
            return fields[:-1]
        there = f"line {self._layout.first_line} has {n_columns}"
        raise FileError(f"{self._what}, line {number} has {len(fields)} columns, but {there}")

    def _gap(self, number: int, fields: Sequence[str]) -> tuple[int, str]:
        """Return the column and text of the first missing value; FileError if there is other text."""
        gaps = []
        for column in self._used:
            field = fields[column]
            if field.lower() in MISSING:
                gaps.append((column, field))
            elif not is_number(field, self._decimal):
                shown = repr(field if len(field) <= MAX_QUOTED else field[:MAX_QUOTED] + "...")
                raise FileError(f"{self._here(number, column)}: not a number: {shown}")
            elif not math.isfinite(as_number(field, self._decimal)):
                raise FileError(f"{self._here(number, column)}: not a finite number: {field!r}")
        return gaps[0]

    def _missing(self, missing: Sequence[tuple[int, int, str]]) -> str:
        number, column, field = missing[0]
        shown = repr(field) if field else "an empty field"
        others = f", and {len(missing) - 1} more rows have one" if len(missing) > 1 else ""
        return (
            f"{self._here(number, column)}: a missing value ({shown}){others}; --na drop leaves such rows out"
        )

    def _here(self, number: int, column: int) -> str:
        names = self._layout.names
        called = f" ({names[column]})" if names is not None and names[column] else ""
        return f"{self._what}, line {number}, column {column} counted from 0{called}"
