"""Tables from files of `numpy.save` and `numpy.savez`."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from numbakmeans._cli.tables import FileError, Table, as_table, listed


def _mapped(file: BinaryIO, path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # empty, or objects: a file that cannot be mapped
        return np.load(file, allow_pickle=False)


def read_arrays(file: BinaryIO, path: Path, array: str | None) -> Table:
    """Map an .npy into memory, which may be larger than that, or read an array of an .npz.

    array : the one to take, where there are several
    """
    what = str(path)
    start = file.read(6)
    file.seek(0)
    if not start.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        raise FileError(f"{what}: not a file of numpy.save or numpy.savez")
    if start.startswith(b"\x93NUMPY"):
        if array is not None:
            raise FileError(f"{what}: holds one array without a name; --array is for .npz files")
        return Table(as_table(_mapped(file, path), what))
    loaded = np.load(file, allow_pickle=False)
    with loaded:
        held = listed(loaded.files) or "none"
        if array is None and len(loaded.files) != 1:
            raise FileError(f"{what}: choose one of its arrays with --array: {held}")
        chosen = loaded.files[0] if array is None else array
        if chosen not in loaded.files:
            raise FileError(f"{what}: no array {chosen!r}; it holds: {held}")
        return Table(as_table(loaded[chosen], f"{what}, array {chosen!r}"))
