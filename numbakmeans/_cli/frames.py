"""Tables in formats that pandas reads: Parquet, Feather, JSON lines, Excel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from numbakmeans._cli.tables import COLUMN, FileError, Table, names_of, pick_columns
from numbakmeans._engine.blocks import Blocks
from numbakmeans._engine.parquet import dtype_of

#: By the ending of a file's name: how pandas reads it.
READERS: dict[str, Callable[[Any, BinaryIO], Any]] = {
    ".parquet": lambda pandas, file: pandas.read_parquet(file),
    ".feather": lambda pandas, file: pandas.read_feather(file),
    ".jsonl": lambda pandas, file: pandas.read_json(file, lines=True),
    ".ndjson": lambda pandas, file: pandas.read_json(file, lines=True),
    ".xlsx": lambda pandas, file: _first_sheet(pandas, file),
}


def _first_sheet(pandas: Any, file: BinaryIO) -> Any:
    book = pandas.ExcelFile(file)
    frame = pandas.read_excel(book)
    frame.attrs["sheets"] = book.sheet_names
    return frame


#: Bytes of values from which on a Parquet file is read in row groups, again in each pass.
LARGE = 1 << 26


def read_row_groups(path: Path, columns: str | None) -> Table | None:
    """Return the rows of a large Parquet file, which are read when they are needed.

    None if it is not large, if pyarrow is not installed, or if values may be missing: `read_frame` tells.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        return None
    file = parquet.ParquetFile(path)
    names, groups = tuple(file.schema_arrow.names), range(file.num_row_groups)
    numeric = [dtype_of(field.type).kind in "iufb" for field in file.schema_arrow]
    used = [c for c, is_number in enumerate(numeric) if is_number]
    if columns is not None:
        used = pick_columns(columns, len(names), names)
    if not used or not all(numeric[c] for c in used) or file.metadata.num_columns != len(names):
        return None
    found = [file.metadata.row_group(g).column(c).statistics for g in groups for c in used]
    if file.metadata.num_rows * len(used) * 8 < LARGE or not all(_is_complete(each) for each in found):
        return None
    left_out = [names[c] for c, is_number in enumerate(numeric) if not is_number]
    notes = (
        [f"left out, as they hold no numbers: {', '.join(left_out)}"] if left_out and columns is None else []
    )
    picked = None if columns is None and len(used) == len(names) else tuple(used)
    values = Blocks.from_parquet(path, [names[c] for c in used])
    return Table(values, names_of(used, names), None, picked, None, None, tuple(notes))


def _is_complete(statistics: Any) -> bool:
    """Return whether it is known that no value of a column is missing."""
    return statistics is not None and statistics.has_null_count and statistics.null_count == 0


def read_frame(file: BinaryIO, what: str, ending: str, columns: str | None, drop_missing: bool) -> Table:
    """Read a table; columns that hold no numbers are left out, and named.

    what : names the file in messages; columns : the only ones that need to hold numbers
    drop_missing : whether rows with a missing value are left out, instead of being an error
    """
    try:
        import pandas

        frame = READERS[ending](pandas, file)
    except ImportError as error:
        raise FileError(f"{what}: to read {ending} files, install numbakmeans[tables] ({error})") from error
    names, notes = tuple(map(str, frame.columns)), []
    if len(sheets := frame.attrs.get("sheets", ())) > 1:
        notes.append(f"the first of {len(sheets)} sheets, {sheets[0]!r}")
    numeric = [frame.dtypes.iloc[c].kind in "iufb" for c in range(len(names))]
    if columns is None:
        used = [c for c, is_number in enumerate(numeric) if is_number]
        left_out = [names[c] for c, is_number in enumerate(numeric) if not is_number]
        if left_out:
            notes.append(f"left out, as they hold no numbers: {', '.join(left_out)}")
    else:
        used = pick_columns(columns, len(names), names)
        for c in used:
            if not numeric[c]:
                raise FileError(f"{what}: column {names[c]!r} holds no numbers, but {frame.dtypes.iloc[c]}")
    if not used or not len(frame):
        raise FileError(f"{what}: has no {'rows' if used else 'column of numbers'}")
    values, kept = frame.iloc[:, used].to_numpy(np.float64, na_value=np.nan), None
    missing = np.isnan(values)
    if missing.any():
        kept, (row, column) = ~missing.any(1), np.argwhere(missing)[0]
        if not drop_missing or not kept.any():
            more = np.count_nonzero(~kept) - 1
            raise FileError(
                f"{what}, row {row} counted from 0, column {names[used[column]]}: a missing value"
                + (f", and {more} more rows have one" if more else "")
                + "; --na drop leaves such rows out"
            )
        values = values[kept]
        notes.append(f"{np.count_nonzero(~kept)} of {len(kept)} rows left out, as values are missing")
    picked = None if columns is None and len(used) == len(names) else tuple(used)

    def append(out: BinaryIO, labels: np.ndarray) -> None:
        frame.assign(**{COLUMN: labels}).to_csv(out, index=False, lineterminator="\n")

    return Table(values, names_of(used, names), None, picked, None, kept, tuple(notes), append)
