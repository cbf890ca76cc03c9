"""Tables from files of `numpy.save` and `numpy.savez`."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from numbakmeans._cli.tables import FileError, Table, as_table, listed


def read_arrays(file: BinaryIO, what: str, array: str | None) -> Table:
    """Read an .npy, or an array of an .npz.

    what : names the file in messages; array : the one to take, where there are several
    """
    start = file.read(6)
    file.seek(0)
    if not start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        raise FileError(f"{what}: not a file of numpy.save or numpy.savez")
    loaded = np.load(file, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        if array is not None:
            raise FileError(f"{what}: holds one array without a name; --array is for .npz files")
        return Table(as_table(loaded, what))
    with loaded:
        held = listed(loaded.files) or "none"
        if array is None and len(loaded.files) != 1:
            raise FileError(f"{what}: choose one of its arrays with --array: {held}")
        chosen = loaded.files[0] if array is None else array
        if chosen not in loaded.files:
            raise FileError(f"{what}: no array {chosen!r}; it holds: {held}")
        return Table(as_table(loaded[chosen], f"{what}, array {chosen!r}"))
