"""Text to rows of fields: encoding, what separates fields, and the decimal mark.

Nothing of that is stated in such a file, so it is found out from the first lines; `Options` overrides it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from numbakmeans._cli.tables import FileError

#: What may separate fields, the likeliest first; BLANKS stands for runs of blanks and tabs.
BLANKS = " "
SEPARATORS = (",", ";", "\t", "|", BLANKS)
COMMENT = "#"
#: What stands for a missing value, in lower case.
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


class Options(NamedTuple):
    """What the user states about a text file; None where it is to be found out.

    separator : one character, or `BLANKS`; header : whether the first line holds names
    decimal : '.' or ','; encoding : of the text
    drop_missing : whether rows with a missing value are left out, instead of being an error
    """

    separator: str | None = None
    header: bool | None = None
    decimal: str | None = None
    encoding: str | None = None
    drop_missing: bool = False


Row = tuple[int, list[str]]


# --- Bytes to text


def decoded(file: BinaryIO, what: str, encoding: str | None) -> tuple[str, list[str]]:
    """Return the text of a file: in a stated encoding, else UTF-16 if it says so, UTF-8, or Latin-1."""
    content = file.read()
    if encoding is not None:
        try:
            text = content.decode(encoding)
        except LookupError:
            raise FileError(f"--encoding: there is no encoding {encoding!r}") from None
        except UnicodeError as error:
            raise FileError(f"{what}: not a text file in {encoding} ({error})") from error
        return text.removeprefix("\ufeff"), []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16"), ["encoding UTF-16"]
    if b"\0" in content:
        raise FileError(f"{what}: not a text file; --encoding states another encoding than UTF-8")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("latin-1"), ["encoding Latin-1 (--encoding)"]


# --- Fields


def _split(lines: Iterable[str], separator: str) -> Iterator[Row]:
    """Yield the number of the line where each row begins, and its fields without blanks around them."""
    if separator == BLANKS:
        for number, line in enumerate(lines, 1):
            yield number, line.split()
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    number = 1
    for fields in reader:
        yield number, [field.strip() for field in fields]
        number = reader.line_num + 1


def rows_of(lines: Iterable[str], separator: str, what: str) -> Iterator[Row]:
    """Yield the rows that are not blank; comments only at the beginning, as they may name the columns."""
    begun = False
    try:
        for number, fields in _split(lines, separator):
            if any(fields) or len(fields) > 1:
                is_comment = fields[0].startswith(COMMENT)
                if not (begun and is_comment):
                    yield number, fields
                begun = begun or not is_comment
    except csv.Error as error:
        raise FileError(f"{what}: {error}") from error


def dialect_of(head: Sequence[str], options: Options) -> tuple[str, str]:
    """Return the separator and decimal mark that make most fields numbers, in rows of one length."""
    lines = [line for line in head if line.strip() and not line.lstrip().startswith(COMMENT)]
    separators = SEPARATORS if options.separator is None else (options.separator,)
    decimals = (".", ",") if options.decimal is None else (options.decimal,)
    best, found = (-1.0, -1.0), (separators[0], decimals[0])
    for separator in separators:
        for decimal in decimals:
            if decimal == separator:
                continue
            score = _score(lines, separator, decimal)
            if score > best:
                best, found = score, (separator, decimal)
    return found


def _score(lines: Sequence[str], separator: str, decimal: str) -> tuple[float, float]:
    """Return the share of fields that are numbers, times that of rows of the usual length; and the former.

    The product is 0 for a table of one column, which is what a wrong separator always finds.
    """
    try:
        rows = [fields for _, fields in _split(lines, separator) if fields]
    except csv.Error:
        return -1.0, -1.0
    lengths = [len(fields) - (len(fields) > 1 and not fields[-1]) for fields in rows]
    if not lengths:
        return -1.0, -1.0
    usual = max(set(lengths), key=lengths.count)
    fields = [field for row in rows for field in row if field.lower() not in MISSING]
    numbers = sum(is_number(field, decimal) for field in fields) / max(len(fields), 1)
    regular = lengths.count(usual) / len(lengths) if usual > 1 else 0.0
    return numbers * regular, numbers


# --- Numbers


def as_number(field: str, decimal: str) -> float:
    return float(field.replace(",", ".") if decimal == "," else field)


def is_number(field: str, decimal: str) -> bool:
    """Whether a field is a number, infinite ones included; not the digits of other scripts."""
    if not field.isascii() or "_" in field or (decimal == "," and "." in field):
        return False
    try:
        return not math.isnan(as_number(field, decimal))
    except ValueError:
        return False
