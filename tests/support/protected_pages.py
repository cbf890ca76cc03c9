"""Arrays that end at a protected page.

As a program, it reads one element past the end of such an array, and must crash.
"""

import ctypes
import mmap

import numpy as np

from numbakmeans._numba.compiler import kernel


def before_a_protected_page(shape, dtype):
    """Return an array whose last byte is followed by a page that must not be touched."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    n_pages = -(-size // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (n_pages + 1) * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + n_pages * mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
    start = n_pages * mmap.PAGESIZE - size
    return np.frombuffer(memory, dtype, int(np.prod(shape)), start).reshape(shape)


@kernel
def read(x, i):
    return x[i]


if __name__ == "__main__":
    array = before_a_protected_page((1000,), np.float64)
    print(read(array, 999))
    print(read(array, 1000))
