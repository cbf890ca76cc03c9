"""Draws in compiled code: the same values as NumPy's, and the same state afterwards."""

import numpy as np
import pytest

from numbakmeans._engine.kernels.sampling import (
    below,
    choose_each,
    choose_without_replacement,
    draw_plus_plus,
)
from numbakmeans._numba.bitgen import addresses

GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]
SIZES = [
    *[(1, 1), (2, 1), (2, 2), (5, 0), (10, 3), (100, 100), (1000, 7), (9_999, 9_999), (10_000, 500)],
    # Around the population and the share from which NumPy shuffles a whole range.
    *[(10_000, 10_000), (10_001, 200), (10_001, 201), (10_050, 201), (10_050, 202), (20_000, 20_000)],
    # Bounds around 2**31, where a product no longer fits int64, and around 2**32, where NumPy changes to
    # 64-bit draws.
    *[(2**31 - 1, 3), (2**31, 5), (2**31 + 1, 5), (3 * 2**30, 9)],
    *[(2**32 - 1, 5), (2**32, 5), (2**32 + 1, 5), (2**35 - 1, 7), (2**40, 9), (2**60, 9), (3 * 2**59, 9)],
]


def pairs_of(bits, n):
    """Return n generators for us, and n in the same states for NumPy."""
    ours, numpys = ([np.random.Generator(bits(seed)) for seed in range(n)] for _ in range(2))
    for seed, pair in enumerate(zip(ours, numpys, strict=True)):
        # A 32-bit draw leaves half of a 64-bit one in the generator's buffer.
        for rng in pair:
            rng.integers(0, 10, size=seed)
    return ours, numpys


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize(("population", "size"), SIZES)
def test_choices_are_numpys(bits, population, size):
    ours, numpys = pairs_of(bits, 5)
    for address, one, other in zip(addresses(ours), ours, numpys, strict=True):
        chosen = np.empty(size, np.int64)
        choose_without_replacement(address, population, size, chosen)
        assert np.array_equal(chosen, other.choice(population, size, replace=False))
        np.testing.assert_equal(one.bit_generator.state, other.bit_generator.state)


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize(("population", "size"), SIZES)
def test_choices_of_many_generators_are_numpys(bits, population, size):
    ours, numpys = pairs_of(bits, 20)
    chosen = np.empty((20, size), np.int64)
    choose_each(addresses(ours), np.full(20, population), chosen)
    for rows, one, other in zip(chosen, ours, numpys, strict=True):
        assert np.array_equal(rows, other.choice(population, size, replace=False))
        np.testing.assert_equal(one.bit_generator.state, other.bit_generator.state)
    # The control: different generators draw different rows.
    assert size < 5 or len(np.unique(chosen, axis=0)) > 1


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize("n", sorted({population for population, _ in SIZES}))
def test_the_draws_of_plus_plus_are_numpys(bits, n):
    ours, numpys = pairs_of(bits, 5)
    for n_uniforms, (address, one, other) in enumerate(zip(addresses(ours), ours, numpys, strict=True)):
        uniforms = np.empty(n_uniforms)
        assert draw_plus_plus(address, n, uniforms) == other.integers(n)
        assert uniforms.tobytes() == other.uniform(size=n_uniforms).tobytes()
        np.testing.assert_equal(one.bit_generator.state, other.bit_generator.state)


@pytest.mark.parametrize("bits", GENERATORS)
@pytest.mark.parametrize("n", [3 * 2**30 + 1, 2**31 + 1, 2**32 - 5, 2**32 + 1, 3 * 2**59 + 1, 2**61 - 1])
def test_rejected_draws_are_repeated(bits, n):
    """If the range is large, NumPy rejects some draws and draws again, and so must we."""
    ours, numpys = np.random.Generator(bits(1)), np.random.Generator(bits(1))
    (address,) = addresses([ours])
    assert [below(address, n) for _ in range(200)] == [numpys.integers(n) for _ in range(200)]
    np.testing.assert_equal(ours.bit_generator.state, numpys.bit_generator.state)
