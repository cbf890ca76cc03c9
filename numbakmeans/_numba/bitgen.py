"""Addresses of NumPy's bit generators, so that compiled code can draw from thousands of them in one call.

Passing a `numpy.random.Generator` to compiled code costs more than drawing a few numbers from it. Its
`BitGenerator.capsule` holds a pointer to NumPy's public `bitgen_t` (numpy/random/bitgen.h): a state, and
functions that draw from it (`draws`). The caller must keep the generators alive and use them exclusively.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

__all__ = ["addresses"]

_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def addresses(generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Return the address of the `bitgen_t` of each generator, (n_generators,), int64."""
    capsules = (generator.bit_generator.capsule for generator in generators)
    return np.array([_pointer(capsule, b"BitGenerator") for capsule in capsules], np.int64)
