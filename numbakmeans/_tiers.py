"""Who answers a call: compiled code, or NumPy, as long as compiling would take longer than it saves.

Compiling what a call needs takes ten seconds and more, where NumPy answers a call over a hundred thousand
values in a fraction of one; and every way gives the same bits. So NumPy's operations (`_interpreted`) do what
kernels do where these are not in the cache, until a process would spend more than `_plan.PATIENCE` on them.
From then on it compiles what it needs: at worst it has waited that much longer than it had to (the ski rental
problem).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from numbakmeans import _cache, _plan


class Tier:
    """What is known of kernels that are compiled together, for each dtype of their first array.

    names : of the kernels, one of which is in the cache where all are
    """

    #: Seconds that NumPy has taken in this process, infinite once something was worth compiling.
    spent: ClassVar[float] = 0.0

    def __init__(self, *names: str) -> None:
        self.names = names
        self.compiled: set[np.dtype] = set()
        self.missing: set[np.dtype] = set()

    def interprets(self, dtype: np.dtype, work: float) -> bool:
        """Return whether NumPy shall do what takes so many elementary steps; once not, never again."""
        if dtype in self.compiled or not _plan.PATIENCE:
            return False
        if dtype not in self.missing and any(_cache.holds(name, dtype.name) for name in self.names):
            self.compiled.add(dtype)
            return False
        self.missing.add(dtype)
        if Tier.spent + work * _plan.INTERPRETED_STEP < _plan.PATIENCE:
            return True
        Tier.spent = math.inf
        self.compiled.add(dtype)
        return False

    @staticmethod
    @contextlib.contextmanager
    def spending() -> Iterator[None]:
        """Count the time that the work inside takes."""
        began = time.perf_counter()
        before = Tier.spent
        try:
            yield
        finally:
            # Inside of it others may have counted their own.
            Tier.spent = max(Tier.spent, before + time.perf_counter() - began)
