"""Draws from an explicit Generator, bit for bit as NumPy makes them, and the same state afterwards.

Numba compiles `Generator.integers`, `random` and `standard_normal`, but not `choice`. A Generator takes
no lock in compiled code: whoever calls holds ``rng.bit_generator.lock``, and never draws in a prange.

References
----------
R. W. Floyd, in J. Bentley, "Programming pearls: a sample of brilliance", Communications of the ACM 30,
1987, doi 10.1145/30401.315746: sampling without replacement. D. Lemire, "Fast random integer generation in an
interval", ACM Transactions on Modeling and Computer Simulation 29, 2019, doi 10.1145/3230636.
"""

import numpy as np

from numbakmeans._arrays import new_empty
from numbakmeans._bitgen import next_uint32
from numbakmeans._jit import DISABLED, kernel
from numbakmeans._kernels.room import empty, room_of

#: Above this population, and with more than 1 / TAIL_SHARE of it asked for, NumPy shuffles a whole range.
TAIL_POPULATION, TAIL_SHARE = 10_000, 50
#: The lower half of 64 bits.
LOW = (1 << 32) - 1


@kernel
def below_at(source, n):
    """Return ``rng.integers(n)``, n below 2**31, from what `_bitgen.next_uint32` draws from."""
    if n == 1:
        return 0
    product = next_uint32(source) * n
    if product & LOW < n:
        # What would make some numbers more likely than others is drawn again.
        while product & LOW < (LOW + 1 - n) % n:
            product = next_uint32(source) * n
    return product >> 32


@kernel
def below(rng, n):
    """Return ``rng.integers(n)``; up to 2**31 without the array that Numba allocates for it."""
    return rng.integers(0, n) if DISABLED or n >= 2**31 else below_at(rng, n)


@kernel
def insert_new(table, value):
    """Put value into a hash set of a power-of-two size, -1 being free; return whether it is new."""
    mask = len(table) - 1
    slot = value & mask
    while table[slot] != -1 and table[slot] != value:
        slot = (slot + 1) & mask
    new = table[slot] == -1
    table[slot] = value
    return new


def chooser(below):
    """Return ``rng.choice(population, size, replace=False)``, size <= population, for one kind of rng.

    Its last argument is the room (`_kernels.room`) that it takes memory from.
    """

    @kernel
    def shuffle_tail(rng, values, first):
        """Shuffle values[first:] with all of values, from the last element down."""
        for i in range(len(values) - 1, first - 1, -1):
            j = below(rng, i + 1)
            values[i], values[j] = values[j], values[i]

    @kernel
    def choose(rng, population, size, room):
        chosen = empty(room, (size,), np.int64)
        used = room[0]
        if population > TAIL_POPULATION and size > population // TAIL_SHARE:
            order = empty(room, (population,), np.int64)
            for i in range(population):
                order[i] = i
            shuffle_tail(rng, order, max(population - size, 1))
            chosen[:] = order[population - size :]
            room[0] = used
            return chosen
        slots = 1
        while slots <= 1.2 * size:
            slots *= 2
        table = empty(room, (slots,), np.int64)
        table[:] = -1
        for j in range(population - size, population):
            value = below(rng, j + 1)
            if not insert_new(table, value):
                # Floyd: j has not been possible before, so it stands in for a value already chosen.
                value = j
                insert_new(table, value)
            chosen[j - population + size] = value
        shuffle_tail(rng, chosen, 1)
        room[0] = used
        return chosen

    return choose


#: From a Generator, and from the address of one.
choose_without_replacement, choose_at = chooser(below), chooser(below_at)


@kernel
def choose_each(addresses, populations, size):
    """Return what `choose_without_replacement` does for each of many generators, (n_generators, size)."""
    chosen, room = new_empty((len(addresses), size), np.int64), room_of(0)
    for b in range(len(addresses)):
        chosen[b] = choose_at(addresses[b], populations[b], size, room)
    return chosen
