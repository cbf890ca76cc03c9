"""The code cache: valid entries are used, others are replaced, and failures never stop a call."""

import errno
import hashlib
import operator
import os
import pickle
from pathlib import Path

import pytest
from support.caching import compiled, key, start

from numbakmeans._numba import cache as _cache


def test_a_second_process_finds_what_the_first_compiled(cache_folder):
    assert compiled() == (0, 1)
    assert [path.name for path in cache_folder.iterdir()] == [key()]
    assert compiled() == (1, 0)
    assert compiled(1) == (0, 1)
    assert len(list(cache_folder.iterdir())) == 2
    assert _cache.trouble == ""


def flip_a_byte(content):
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[:10],
        lambda content: content[:-1],
        flip_a_byte,
        lambda _: b"something else" * 500,
        lambda content: content.replace(_cache.MAGIC, b"numbakmeans compiled code 0\n"),
    ],
    ids=["empty", "header only", "truncated", "one bit", "foreign", "another version"],
)
def test_a_damaged_entry_is_compiled_again_and_replaced(cache_folder, damage):
    compiled()
    (entry,) = cache_folder.iterdir()
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    assert compiled() == (0, 1)
    assert "damaged" in _cache.trouble
    assert compiled() == (1, 0)


def test_an_entry_for_other_arguments_is_refused(cache_folder):
    compiled(1)
    (integer,) = cache_folder.iterdir()
    compiled(1.0)
    (double,) = set(cache_folder.iterdir()) - {integer}
    # As a race between processes did in Numba's own cache: one signature's code under another's name.
    double.write_bytes(integer.read_bytes())
    assert compiled(1.0) == (0, 1)
    assert "foreign" in _cache.trouble


class Bomb:
    def __reduce__(self):
        return operator.truediv, (1, 0)


def test_an_entry_that_cannot_be_read_is_refused(cache_folder):
    compiled()
    (entry,) = cache_folder.iterdir()
    body = pickle.dumps(Bomb())
    entry.write_bytes(_cache.MAGIC + hashlib.sha256(body).digest() + body)
    assert compiled() == (0, 1)
    assert "ZeroDivisionError" in _cache.trouble
    assert compiled() == (1, 0)


def test_a_full_disk_is_trouble_not_an_error(cache_folder, monkeypatch):
    opened = Path.open

    def full(path, mode="r", *more):
        if mode == "xb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *more)

    monkeypatch.setattr(_cache.Path, "open", full)
    assert compiled() == (0, 1)
    assert "No space left" in _cache.trouble
    assert list(cache_folder.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(cache_folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cache.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _cache._write_whole(cache_folder / "entry", b"content")
    assert list(cache_folder.iterdir()) == []
    assert not _cache.writing.locked()


@pytest.mark.parametrize("name", ["stamp_of", "_machine", "_settings"])
def test_a_failure_to_name_an_entry_is_trouble_not_an_error(cache_folder, name, monkeypatch):
    def fail(*_):
        raise RuntimeError("of all things")

    monkeypatch.setattr(_cache, name, fail)
    assert compiled() == (0, 1)
    assert _cache.trouble == "RuntimeError: of all things"
    assert list(cache_folder.iterdir()) == []


# --- What is not imported


def test_import_compiles_nothing_and_loads_no_numba():
    program = """
import sys
import numbakmeans
dir(numbakmeans)
print([name for name in ('numba', 'numpy', 'scipy') if name in sys.modules])
"""
    assert start("off", program).communicate()[0].strip() == "[]"
    # The first use of a name still compiles nothing, and does not need Numba.
    program = """
import sys
from numbakmeans import kmeans2
from numbakmeans._engine.algorithms import ALGORITHMS
print('numba' in sys.modules, ALGORITHMS['lloyd'].driver.bound)
"""
    assert start("off", program).communicate()[0].strip() == "False {}"


SMALL_CALLS = """
import sys, warnings
import numpy as np
import numbakmeans
from numbakmeans import fit, kmeans, kmeans2, vq, whiten
warnings.simplefilter("ignore", UserWarning)
before = 'numpy.ma' in sys.modules
for dtype in (np.float64, np.float32):
    X = np.random.default_rng(0).normal(size=(1000, 5)).astype(dtype)
    for minit in ("random", "points", "++"):
        kmeans2(X, 4, minit=minit, rng=0)
    kmeans2(X, X[:4], minit="matrix")
    fit(X, X[:4]), vq(X, X[:4]), whiten(X), kmeans(X, 4, iter=1, rng=0)
# NumPy 1 imports masked arrays itself.
print('numba' in sys.modules, 'numpy.ma' in sys.modules and not before, before)
if "large" in sys.argv:
    X = np.random.default_rng(0).normal(size=(60_000, 4))
    vq(X, X[:50])
    print('numba' in sys.modules)
"""


def test_small_calls_need_no_numba_once_they_are_compiled(cache_folder):
    """Nor `numpy.ma`, unless the caller uses it. The controls: compiling needs Numba, and so do threads."""
    cache = _cache.folders()[0]
    first, second = (start(cache, SMALL_CALLS).communicate()[0].split() for _ in range(2))
    by_numpy = first[2]
    assert first == ["True", "False" if by_numpy == "True" else "True", by_numpy]
    assert second == ["False", "False", by_numpy]
    output = start(cache, SMALL_CALLS, "large", NUMBA_NUM_THREADS="2").communicate()[0].split()
    assert output == ["False", "False", by_numpy, "True"]


def test_masked_arrays_are_not_imported_needlessly():
    program = """
import sys
import numpy as np
before = 'numpy.ma' in sys.modules
from numbakmeans._engine import samples as _samples
_samples.as_real(np.ones(3), 'X')
after, _ = 'numpy.ma' in sys.modules, np.ma
print(before == after, 'numpy.ma' in sys.modules)
"""
    assert start("off", program).communicate()[0].strip() == "True True"
