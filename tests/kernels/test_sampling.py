"""Draws in compiled code: NumPy's values, and NumPy's state afterwards."""

import numpy as np
import pytest

from numbakmeans._bitgen import addresses
from numbakmeans._kernels.room import NO_ROOM
from numbakmeans._kernels.sampling import choose_each, choose_without_replacement

GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]
SIZES = [
    *[(1, 1), (2, 1), (2, 2), (5, 0), (10, 3), (100, 100), (1000, 7), (9_999, 9_999), (10_000, 500)],
    # Around the population and the share at which NumPy shuffles a whole range.
    *[(10_000, 10_000), (10_001, 200), (10_001, 201), (10_050, 201), (10_050, 202), (20_000, 20_000)],
    # Bounds around 2**32, where NumPy changes to 64-bit draws.
    *[(2**32 - 1, 5), (2**32, 5), (2**32 + 1, 5), (2**40, 9)],
]


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize(("population", "size"), SIZES)
def test_choice(bits, population, size):
    for seed in range(5):
        ours, numpys = np.random.Generator(bits(seed)), np.random.Generator(bits(seed))
        # A 32-bit draw leaves half of a 64-bit one in the generator's buffer.
        for rng in (ours, numpys):
            rng.integers(0, 10, size=seed)
        chosen = choose_without_replacement(ours, population, size, NO_ROOM)
        assert np.array_equal(chosen, numpys.choice(population, size, replace=False))
        np.testing.assert_equal(ours.bit_generator.state, numpys.bit_generator.state)


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize(
    ("population", "size"), [each for each in SIZES if each[0] < 2**31] + [(2**31 - 1, 3)]
)
def test_choices_of_many_generators(bits, population, size):
    ours, numpys = ([np.random.Generator(bits(seed)) for seed in range(20)] for _ in range(2))
    for seed, pair in enumerate(zip(ours, numpys, strict=True)):
        # A 32-bit draw leaves half of a 64-bit one in the generator's buffer.
        for rng in pair:
            rng.integers(0, 10, size=seed)
    chosen = choose_each(addresses(ours), np.full(20, population), size)
    for rows, one, other in zip(chosen, ours, numpys, strict=True):
        assert np.array_equal(rows, other.choice(population, size, replace=False))
        np.testing.assert_equal(one.bit_generator.state, other.bit_generator.state)
    # The control: what one of them draws is not what another does.
    assert size < 5 or len(np.unique(chosen, axis=0)) > 1
