"""Draws from NumPy's bit generators: the values and the final state are bit for bit those of a Generator.

A generator is given as the address of its `bitgen_t`. Compiled code takes no lock: the caller holds
``rng.bit_generator.lock``, and never draws inside a prange.

References
----------
R. W. Floyd, in J. Bentley, "Programming pearls: a sample of brilliance", Communications of the ACM 30,
1987, doi 10.1145/30401.315746: sampling without replacement. D. Lemire, "Fast random integer generation in an
interval", ACM Transactions on Modeling and Computer Simulation 29, 2019, doi 10.1145/3230636.
"""

import numpy as np

from numbakmeans._numba.arena import empty, mark, release
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.draws import next_double, next_product, next_uint32
from numbakmeans._numba.scalars import maximum

#: Above this population size, if more than 1 / TAIL_SHARE of it is requested, NumPy shuffles the tail of the
#: full range.
TAIL_POPULATION, TAIL_SHARE = 10_000, 50
#: Mask of the lower 32 of 64 bits.
LOW = (1 << 32) - 1


@kernel
def below_by_64_bits(address, n):
    """Return ``rng.integers(n)`` for n above 2**32 and below 2**61."""
    upper, lower = next_product(address, n)
    # A lower word with its highest bit set exceeds any n if unsigned, and is negative if signed.
    if 0 <= lower < n:
        # 2**64 modulo n, in steps that fit into int64.
        least = (1 << 61) % n
        for _ in range(3):
            least = 2 * least % n
        while 0 <= lower < least:
            upper, lower = next_product(address, n)
    return upper


@kernel
def below(address, n):
    """Return ``rng.integers(n)`` for n below 2**61."""
    if n == 1:
        return 0
    if n > LOW + 1:
        return below_by_64_bits(address, n)
    # May wrap around; the bits are right all the same.
    product = next_uint32(address) * n
    if product & LOW < n:
        # Rejection: draw again where the result would be biased.
        least = (LOW + 1 - n) % n
        while product & LOW < least:
            product = next_uint32(address) * n
    return (product >> 32) & LOW


@kernel
def insert_new(table, value):
    """Insert value into a hash set; return whether it is new.

    table : the set, of a power-of-two size, -1 for free entries
    """
    mask = len(table) - 1
    slot = value & mask
    while table[slot] != -1 and table[slot] != value:
        slot = (slot + 1) & mask
    new = table[slot] == -1
    table[slot] = value
    return new


@kernel
def shuffle_tail(address, values, first):
    """Shuffle values[first:], swapping with any earlier element, from the last element down."""
    for i in range(len(values) - 1, first - 1, -1):
        j = below(address, i + 1)
        values[i], values[j] = values[j], values[i]


@kernel
def choose_without_replacement(address, population, size, chosen, arena):
    """Write what ``rng.choice(population, size, replace=False)`` returns; size <= population.

    chosen : OUT (size,), int64
    """
    marked = mark(arena)
    if population > TAIL_POPULATION and size > population // TAIL_SHARE:
        order = empty(arena, population, np.int64)
        for i in range(population):
            order[i] = i
        shuffle_tail(address, order, maximum(population - size, 1))
        for t in range(size):
            chosen[t] = order[population - size + t]
    else:
        slots = 1
        while slots <= 1.2 * size:
            slots *= 2
        table = empty(arena, slots, np.int64)
        table[:] = -1
        for j in range(population - size, population):
            value = below(address, j + 1)
            if not insert_new(table, value):
                # Floyd: j has not been possible before, so it stands in for a value already chosen.
                value = j
                insert_new(table, value)
            chosen[j - population + size] = value
        shuffle_tail(address, chosen, 1)
    release(arena, marked)


@kernel
def choose_each(addresses, populations, chosen, arena):
    """Do what `choose_without_replacement` does, for each of many generators.

    addresses, populations : (n_generators,), int64; chosen : OUT (n_generators, size), int64
    """
    for b in range(len(addresses)):
        choose_without_replacement(addresses[b], populations[b], chosen.shape[1], chosen[b], arena)


@kernel
def draw_plus_plus(address, n_samples, uniforms):
    """Return the first row of '++', ``rng.integers(n_samples)``.

    uniforms : OUT (n_clusters - 1,), ``rng.random(n_clusters - 1)``
    """
    first = below(address, n_samples)
    for p in range(len(uniforms)):
        uniforms[p] = next_double(address)
    return first
