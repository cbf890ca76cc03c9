"""What a file held, and which of its columns were asked for."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from numbakmeans._cli.console import UsageError

#: The name of the column that labels are appended as.
COLUMN = "cluster"


class FileError(UsageError):
    """A file cannot be read as asked, or not be written; the message is for the user."""


class Table(NamedTuple):
    """What a file held.

    Attributes
    ----------
    values : ndarray (n_rows, n_columns), any dtype, or rows in blocks
    names : of the columns, where the file has them
    picture : (height, width) where the rows are the pixels of a picture
    columns : the columns of the file that these are, counted from 0, where some were picked
    weights : ndarray (n_rows,), where rows do not count alike
    kept : ndarray (n_rows of the file,), bool, where rows were left out
    notes : what was assumed, a line each
    append : writes the table with a further column, of labels, as text; None if there is no such table
    """

    values: Any
    names: tuple[str, ...] | None = None
    picture: tuple[int, int] | None = None
    columns: tuple[int, ...] | None = None
    weights: np.ndarray | None = None
    kept: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    append: Callable[[BinaryIO, np.ndarray], None] | None = None

    @property
    def headings(self) -> list[str]:
        """What to call the columns."""
        if self.names is not None:
            return list(self.names)
        columns = range(self.values.shape[1]) if self.columns is None else self.columns
        return [f"column {c}" for c in columns]


def as_table(values: object, what: str) -> np.ndarray:
    """Return an array as rows and columns; FileError if it has no such shape."""
    if not isinstance(values, np.ndarray):  # another kind of file inside an .npz
        raise FileError(f"{what}: not an array")
    if values.ndim not in (1, 2):
        raise FileError(f"{what}: must have rows and columns, got shape {values.shape}")
    if values.size == 0:
        raise FileError(f"{what}: is empty, got shape {values.shape}")
    return values.reshape(len(values), -1)


def pick_columns(text: str, n_columns: int, names: Sequence[str] | None) -> list[int]:
    """Return the columns that text asks for: numbers from 0, ranges like 0-3, names, comma separated.

    A name with a comma is quoted.

    Raises
    ------
    FileError
    """
    chosen: list[int] = []
    items = next(csv.reader([text], skipinitialspace=True), []) or [""]
    for item in (piece.strip() for piece in items):
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
            there = f"0 to {n_columns - 1}" if names is None else listed(names)
            raise FileError(f"--columns: no column {item!r}; there are: {there}")
        for column in picked:
            if column in chosen:
                raise FileError(f"--columns: column {column} is given twice")
            chosen.append(column)
    return chosen


def pick(table: Table, columns: str | None) -> Table:
    """Return a table of some columns; it is a picture no longer."""
    if columns is None:
        return table
    chosen = pick_columns(columns, table.values.shape[1], table.names)
    names = names_of(chosen, table.names)
    return table._replace(values=table.values[:, chosen], names=names, picture=None, columns=tuple(chosen))


def joined(tables: Sequence[tuple[str, Table]]) -> Table:
    """Return the rows of several files, one after the other; tables : with the names of the files.

    Raises
    ------
    FileError : their columns differ
    """
    (first, table), *others = tables
    if not others:
        return table
    for name, other in others:
        if other.values.shape[1] != table.values.shape[1]:
            widths = other.values.shape[1], table.values.shape[1]
            raise FileError(f"{name}: has {widths[0]} columns to use, but {first} has {widths[1]}")
        if None not in (other.names, table.names) and other.names != table.names:
            columns = listed(other.names or ()), listed(table.names or ())
            raise FileError(f"{name}: has the columns {columns[0]}, but {first} has {columns[1]}")
    from numbakmeans._engine.blocks import Blocks

    each = [table for _, table in tables]
    weights = kept = None
    if any(one.weights is not None for one in each):
        weights = np.concatenate([_or_ones(one.weights, len(one.values)) for one in each])
    if any(one.kept is not None for one in each):
        kept = np.concatenate([_or_ones(one.kept, len(one.values)).astype(np.bool_) for one in each])
    notes = tuple(f"{name}: {note}" for name, one in tables for note in one.notes)
    names = next((one.names for one in each if one.names is not None), None)
    return Table(Blocks([one.values for one in each]), names, None, table.columns, weights, kept, notes)


def _or_ones(values: np.ndarray | None, n_rows: int) -> np.ndarray:
    return np.ones(n_rows) if values is None else values


def names_of(columns: Sequence[int], names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names[c] for c in columns)


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first of them where they are many."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
