"""The code cache: used when sound, replaced when not, and never in the way."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import numbakmeans
from numbakmeans import _cache
from numbakmeans._jit import kernel

PACKAGE = Path(numbakmeans.__file__).parent


def add_one(x):
    return x + 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(_cache, "trouble", "")
    return tmp_path


def compiled(value=1.0):
    """Compile (or load) a function as a new process would, call it, and return hits and misses."""
    function = kernel(add_one)
    assert function(value) == value + 1
    return sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values())


def test_a_second_process_finds_what_the_first_compiled(folder):
    assert compiled() == (0, 1)
    assert len(list(folder.iterdir())) == 1
    assert compiled() == (1, 0)
    assert compiled(np.float32(1)) == (0, 1)
    assert len(list(folder.iterdir())) == 2
    assert _cache.trouble == ""


def test_what_the_cache_holds_is_known_without_loading_it(folder, monkeypatch):
    function = kernel(add_one)
    function(np.ones(3))
    function(np.ones(3, np.float32))
    function(1)
    assert _cache.holds("add_one", "float32")
    assert _cache.holds("add_one", "float64")
    assert not _cache.holds("add_one", "int64")
    assert not _cache.holds("add_", "float64")
    monkeypatch.setattr(_cache, "_environment", lambda: ("another processor",))
    assert not _cache.holds("add_one", "float64")
    monkeypatch.setattr(_cache, "folders", tuple)
    assert not _cache.holds("add_one", "float64")


def test_intermediate_code_is_read_when_other_code_is_made_of_it(folder, monkeypatch):
    """For calls from Python it is not, and a user's function does what that of a new process would."""
    read = []
    parse = _cache.parse_bitcode
    monkeypatch.setattr(_cache, "parse_bitcode", lambda code: read.append(1) or parse(code))
    for n_read in (0, 1):  # compiled, and loaded
        function = kernel(add_one)

        @njit
        def twice(x, function=function):
            return function(function(x))

        assert function(1.0) == 2.0
        assert (sum(function.stats.cache_hits.values()), read) == (n_read, [])
        assert twice(1.0) == 3.0
        assert len(read) == n_read


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
def test_a_damaged_entry_is_compiled_again_and_replaced(folder, damage):
    compiled()
    (entry,) = folder.iterdir()
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    assert compiled() == (0, 1)
    assert "damaged" in _cache.trouble
    assert compiled() == (1, 0)


def test_an_entry_of_another_signature_is_refused(folder):
    compiled(np.float32(1))
    (single,) = folder.iterdir()
    compiled(1.0)
    (double,) = set(folder.iterdir()) - {single}
    # What a race between processes did to Numba's own cache: one signature's code under another's name.
    double.write_bytes(single.read_bytes())
    assert compiled(1.0) == (0, 1)
    assert "foreign" in _cache.trouble


def test_an_entry_that_cannot_be_rebuilt_is_refused(folder, monkeypatch):
    compiled()
    monkeypatch.setattr(_cache.CompileResultCacheImpl, "rebuild", lambda *_: 1 / 0)
    assert compiled() == (0, 1)
    assert "ZeroDivisionError" in _cache.trouble


def test_no_folder_is_writable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path / "file" / "a", tmp_path / "file" / "b"))
    assert compiled() == (0, 1)
    assert "NotADirectoryError" in _cache.trouble
    monkeypatch.setattr(_cache, "folders", tuple)
    assert compiled() == (0, 1)


def test_the_second_folder_is_used_where_the_first_is_not_writable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path / "file" / "a", tmp_path / "b"))
    assert compiled() == (0, 1)
    assert len(list((tmp_path / "b").iterdir())) == 1
    assert compiled() == (1, 0)


def test_the_disk_is_full(folder, monkeypatch):
    opened = Path.open

    def full(path, mode="r", *more):
        if mode == "xb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *more)

    monkeypatch.setattr(_cache.Path, "open", full)
    assert compiled() == (0, 1)
    assert "No space left" in _cache.trouble
    assert list(folder.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cache.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _cache._write_whole(folder / "entry", b"content")
    assert list(folder.iterdir()) == []


def test_an_edit_anywhere_makes_a_new_cache(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "sub" / "b.py").write_text("y = 1\n")
    stamps = [_cache.package_stamp(tmp_path)]
    (tmp_path / "sub" / "b.py").write_text("y = 2\n")
    stamps.append(_cache.package_stamp(tmp_path))
    (tmp_path / "sub" / "b.py").rename(tmp_path / "sub" / "c.py")
    stamps.append(_cache.package_stamp(tmp_path))
    assert len(set(stamps)) == 3
    assert _cache.package_stamp(tmp_path) == stamps[-1]
    assert _cache.package_stamp() == _cache.package_stamp(PACKAGE)


@pytest.mark.parametrize("package", [".", "packages.zip/numbakmeans"])
def test_no_stamp_without_sources(package, tmp_path):
    (tmp_path / "a.pyc").touch()
    with pytest.raises(OSError, match="no sources in"):
        _cache.package_stamp(tmp_path / package)


@pytest.mark.parametrize("inside", [True, False])
def test_code_of_earlier_states_goes_with_its_installation(inside, tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    monkeypatch.setattr(_cache, "PACKAGE", tmp_path if inside else tmp_path / "elsewhere")
    for folder in (old, new):
        monkeypatch.setattr(_cache, "folders", lambda folder=folder: (folder,))
        assert compiled() == (0, 1)
    assert old.exists() is not inside
    assert len(list(new.iterdir())) == 1


def test_options_and_settings_are_part_of_the_key(folder, monkeypatch):
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    keys = {_cache.CodeCache(add_one, {"parallel": p})._key("sig", codegen) for p in (True, False)}
    assert len(keys) == 2
    monkeypatch.setattr(_cache, "_environment", lambda: ("another NumPy",))
    keys.add(_cache.CodeCache(add_one, {"parallel": True})._key("sig", codegen))
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("off", []), ("OFF", []), ("here", ["here"])],
)
def test_the_environment_variable(setting, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBAKMEANS_CACHE_DIR", setting if setting != "here" else str(tmp_path / "here"))
    _cache.folders.cache_clear()
    try:
        assert [folder.parent.name for folder in _cache.folders()] == expected
    finally:
        monkeypatch.undo()
        _cache.folders.cache_clear()


def test_no_home_folder(tmp_path, monkeypatch):
    """What is kept with the package is found all the same."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(_cache.Path, "home", homeless)
    monkeypatch.setattr(_cache.config, "CACHE_DIR", "")
    monkeypatch.setattr(_cache, "PACKAGE", tmp_path)
    monkeypatch.setattr(_cache, "trouble", "")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBAKMEANS_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    _cache.folders.cache_clear()
    try:
        assert _cache.folders() == (tmp_path / "__pycache__" / "compiled" / _cache.package_stamp(),)
        assert compiled() == (0, 1)
        assert compiled() == (1, 0)
        assert _cache.trouble == ""
    finally:
        monkeypatch.undo()
        _cache.folders.cache_clear()


PROGRAM = """
import json, sys
import numpy as np
from numbakmeans import _fit, kmeans2
from numbakmeans._algorithms.resident import resident_run
X = np.random.default_rng(0).normal(size=(50, 3))
result = kmeans2(X, X[:2])[0].tolist()
stats = resident_run.stats
print(json.dumps([result, sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


def start(folder, program=PROGRAM):
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": str(folder), "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_cache_that_is_off():
    result = json.loads(start("off").communicate()[0])
    assert result[1:] == [0, 1]


def test_import_compiles_nothing_and_loads_no_numba():
    program = """
import sys
import numbakmeans
dir(numbakmeans)
print([name for name in ('numba', 'numpy', 'scipy') if name in sys.modules])
"""
    assert start("off", program).communicate()[0].strip() == "[]"
    # The negative control: the first use of a name does load Numba, and still compiles nothing.
    program = """
import sys
from numbakmeans import kmeans2
from numbakmeans._algorithms import ALGORITHMS
print('numba' in sys.modules, ALGORITHMS['lloyd'].driver.kernel.signatures)
"""
    assert start("off", program).communicate()[0].strip() == "True []"


def test_masked_arrays_are_not_imported_for_those_who_have_none():
    program = """
import sys
import numpy as np
before = 'numpy.ma' in sys.modules
from numbakmeans import _samples
_samples.as_real(np.ones(3), 'X')
after, _ = 'numpy.ma' in sys.modules, np.ma
print(before == after, 'numpy.ma' in sys.modules)
"""
    assert start("off", program).communicate()[0].strip() == "True True"


def test_loaded_code_needs_none_of_what_compiling_does(tmp_path):
    """Of Numba's array functions; compiling is the control."""
    program = """
import sys
import numpy as np
from numbakmeans import vq
X = np.ones((50, 3))
vq(X, X[:2])
print('numba.np.arrayobj' in sys.modules)
"""
    assert [start(tmp_path, program).communicate()[0].strip() for _ in range(2)] == ["True", "False"]
