"""Blocks of rows that a function yields, anew each time it is called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from numbakmeans._engine.containers import as_real

CHANGES = "the function must yield the same blocks each time"


class Yielded:
    """A block, which is yielded again when rows of it are asked for, and kept until those of another one are.

    Attributes
    ----------
    shape, dtype : those that the block had the first time
    """

    def __init__(self, reader: Reader, number: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._reader, self._number, self.shape, self.dtype = reader, number, shape, dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        block = self._reader.read(self._number)
        if block.shape != self.shape or block.dtype != self.dtype:
            shapes = f"shape {self.shape} and dtype {self.dtype}", f"{block.shape} and {block.dtype}"
            raise ValueError(
                f"{CHANGES}: block {self._number} had {shapes[0]} at first, and now has {shapes[1]}"
            )
        return block[rows]


class Reader:
    """A function that yields blocks; one of them is in memory."""

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self._function = function
        self._coming: Iterator[Any] = iter(())
        self._number, self._block = -1, np.empty((0, 0))
        # A generator cannot be asked by two threads at once.
        self._lock = threading.Lock()

    def read(self, number: int) -> np.ndarray:
        """Return a block by its number; it is an error if there are fewer."""
        with self._lock:
            if number < self._number or self._number < 0:
                self._coming, self._number = iter(self._function()), -1
            while self._number < number:
                try:
                    block = next(self._coming)
                except StopIteration:
                    self._number = -1
                    raise ValueError(f"{CHANGES}, but there is no block {number} now") from None
                self._block = as_real(block, f"block {self._number + 1}")
                self._number += 1
            return self._block


def yielded(function: Callable[[], Iterable[Any]]) -> list[Yielded]:
    """Return the blocks that a function yields; it is called once for their shapes."""
    reader, found = Reader(function), []
    for number, given in enumerate(function()):
        block = as_real(given, f"block {number}")
        found.append(Yielded(reader, number, block.shape, block.dtype))
    return found
