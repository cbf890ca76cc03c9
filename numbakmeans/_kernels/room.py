"""Room: a stack of memory that kernels take their arrays from, and the heap where it does not suffice.

A loop over many small problems hands the same room to each, and allocates nothing. Others hand over none.

A room is an int64 array for one thread: `room[0]` is how many of its words are taken, itself included. Who
takes arrays for its own use gives them back, by setting that to what it was before.
"""

import numpy as np

from numbakmeans._arrays import LINE, array_at, new_empty, words_of
from numbakmeans._jit import kernel

#: Words of a line of the cache, on which every array begins.
LINE_WORDS = LINE // 8


@kernel
def room_of(n_words):
    """Return a room of so many words for arrays."""
    room = new_empty(n_words + LINE_WORDS, np.int64)
    room[0] = LINE_WORDS
    return room


#: For callers from Python: everything comes from the heap.
NO_ROOM = np.full(LINE_WORDS, LINE_WORDS, np.int64)


@kernel
def empty(room, shape, dtype):
    """Return an array of any content, with a tuple as its shape; valid until `room[0]` is set back."""
    start = room[0]
    stop = start + words_of(shape, dtype)
    if stop > len(room):
        return new_empty(shape, dtype)
    room[0] = (stop + LINE_WORDS - 1) // LINE_WORDS * LINE_WORDS
    return array_at(room, start, shape, dtype)
