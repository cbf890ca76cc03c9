"""The code cache: entries are used if valid, replaced if not, and failures never stop a call."""

import ast
import errno
import hashlib
import json
import operator
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest

import numbakmeans
from numbakmeans._cli.info import _entries
from numbakmeans._numba import cache as _cache
from numbakmeans._numba import compiler
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import Code, Entry

PACKAGE = Path(numbakmeans.__file__).parent


@kernel
def add_one(x):
    return x + 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(_cache, "trouble", "")
    return tmp_path


def compiled(value=1.0, function=None):
    """Compile or load a kernel as a new process would, call it, and return hits and misses."""
    entry = Entry(__name__, "add_one", function or add_one)
    compiling, n_loaded, misses = compiler.compile_entry, _cache.loaded, []
    compiler.compile_entry = lambda *arguments: misses.append(1) or compiling(*arguments)
    try:
        assert entry(value) == value + 1
    finally:
        compiler.compile_entry = compiling
    return _cache.loaded - n_loaded, len(misses)


def key(kinds=("d",)):
    return _cache.key_of(__name__, "add_one", kinds)


def test_a_second_process_finds_what_the_first_compiled(folder):
    assert compiled() == (0, 1)
    assert [path.name for path in folder.iterdir()] == [key()]
    assert compiled() == (1, 0)
    assert compiled(1) == (0, 1)
    assert len(list(folder.iterdir())) == 2
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
def test_a_damaged_entry_is_compiled_again_and_replaced(folder, damage):
    compiled()
    (entry,) = folder.iterdir()
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    assert compiled() == (0, 1)
    assert "damaged" in _cache.trouble
    assert compiled() == (1, 0)


def test_an_entry_for_other_arguments_is_refused(folder):
    compiled(1)
    (integer,) = folder.iterdir()
    compiled(1.0)
    (double,) = set(folder.iterdir()) - {integer}
    # As a race between processes did in Numba's own cache: one signature's code under another's name.
    double.write_bytes(integer.read_bytes())
    assert compiled(1.0) == (0, 1)
    assert "foreign" in _cache.trouble


class Bomb:
    def __reduce__(self):
        return operator.truediv, (1, 0)


def test_an_entry_that_cannot_be_read_is_refused(folder):
    compiled()
    (entry,) = folder.iterdir()
    body = pickle.dumps(Bomb())
    entry.write_bytes(_cache.MAGIC + hashlib.sha256(body).digest() + body)
    assert compiled() == (0, 1)
    assert "ZeroDivisionError" in _cache.trouble
    assert compiled() == (1, 0)


def test_no_folder_is_writable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path / "file" / "a", tmp_path / "file" / "b"))
    monkeypatch.setattr(_cache, "lost", 0)
    assert compiled() == (0, 1)
    assert "NotADirectoryError" in _cache.trouble
    assert _cache.lost == 1
    monkeypatch.setattr(_cache, "folders", tuple)
    assert compiled() == (0, 1)
    assert _cache.lost == 1


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
    assert not _cache.writing.locked()


@pytest.mark.parametrize("name", ["stamp_of", "_machine", "_settings"])
def test_a_failure_to_name_an_entry_is_trouble_not_an_error(folder, name, monkeypatch):
    def fail(*_):
        raise RuntimeError("of all things")

    monkeypatch.setattr(_cache, name, fail)
    assert compiled() == (0, 1)
    assert _cache.trouble == "RuntimeError: of all things"
    assert list(folder.iterdir()) == []


# --- The sources of compiled code


def imported(path):
    """Return the modules and names of the package that a file imports anywhere, by Python's own parser."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("numbakmeans.")}


def path_of(module):
    place = PACKAGE.parent / module.replace(".", "/")
    return next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)


KERNELS = sorted(path.stem for path in (PACKAGE / "_engine" / "kernels").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", KERNELS)
def test_all_sources_of_a_kernel_are_found(name):
    module = f"numbakmeans._engine.kernels.{name}"
    found, wanted = set(), {module, *_cache.COMPILING}
    while wanted:
        each = wanted.pop()
        if each not in found and path_of(each):
            found.add(each)
            wanted |= imported(path_of(each))
    assert _cache.sources_of(module) == found
    assert "numbakmeans._numba.tables" in found
    assert not {part for part in found if part.startswith(("numbakmeans._cli", "numbakmeans._scipy"))}


SMALL_CALL = """
import json, sys
import numpy as np
from numbakmeans import vq
from numbakmeans._engine.algorithms.panels import rows_at_once
from numbakmeans._numba import cache as _cache
if "change" in sys.argv:
    import numbakmeans._engine.kernels.reference as module
    with open(module.__file__, "a") as file:
        file.write("# another line")
X = np.random.default_rng(0).normal(size=(50, 3))
vq(X, X[:2])
rows_at_once(X.dtype)
print(json.dumps([_cache.loaded, _cache.stored, _cache.lost, _cache.trouble]))
"""


def start(folder, program=SMALL_CALL, *arguments, root=PACKAGE.parent, cwd="/", **more):
    environment = {**os.environ, "NUMBAKMEANS_CACHE_DIR": str(folder), "PYTHONPATH": str(root), **more}
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=cwd)


def result(*arguments, **more):
    return json.loads(start(*arguments, **more).communicate()[0])


@pytest.fixture
def copied(tmp_path):
    """Return a copy of the package that tests may edit."""
    shutil.copytree(PACKAGE, tmp_path / "numbakmeans", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "numbakmeans"


def test_code_stays_valid_after_edits_elsewhere(copied, tmp_path):
    def again():
        return result(tmp_path / "cache", root=tmp_path)

    def edit(*place):
        with copied.joinpath(*place).open("a") as file:
            file.write("\n# Something else.\n")

    loaded, n_kernels, lost, _ = again()
    assert (loaded, lost) == (0, 0)
    assert n_kernels >= 2
    for place in (
        ("_cli", "plot.py"),
        ("_scipy.py",),
        ("_engine", "kernels", "yinyang.py"),
        ("__init__.py",),
    ):
        edit(*place)
        assert again()[:2] == [n_kernels, 0], place
    edit("_engine", "kernels", "reference.py")  # one kernel depends on it, and one does not
    loaded, stored, _, _ = again()
    assert 0 < loaded < n_kernels
    assert loaded + stored == n_kernels
    edit("_numba", "tables.py")
    assert again()[:2] == [0, n_kernels]


def test_code_of_sources_edited_meanwhile_is_not_kept(copied, tmp_path):
    """A module that was imported before an edit does not match its file any more."""
    here = {"root": tmp_path}
    loaded, stored, lost, trouble = result(tmp_path / "cache", SMALL_CALL, "change", **here)
    assert loaded == 0
    assert stored > 0  # code that does not depend on it
    assert lost > 0
    assert "reference has changed since this process began" in trouble
    assert result(tmp_path / "cache", **here) == [stored, lost, 0, ""]


def test_source_times_are_compared_with_the_process_start(folder, monkeypatch):
    monkeypatch.setattr(_cache, "BEGAN", time.time() + 60)
    assert compiled() == (0, 1)
    assert compiled() == (1, 0)
    monkeypatch.setattr(_cache, "BEGAN", 0.0)
    assert compiled(1) == (0, 1)
    assert compiled(1) == (0, 1)


CONSTANT = """
from numbakmeans._numba.compiler import kernel
STEP = {}
@kernel
def step(x):
    return x + STEP
"""


def test_constants_are_not_confused(tmp_path):
    """Two modules of the same name, with the same function, differ in a constant."""
    program = "import json, constant; from numbakmeans._numba import cache\n"
    program += "print(json.dumps([constant.step(1), cache.loaded, cache.stored]))"
    found = []
    for step in (1, 10, 1, 10):
        site = tmp_path / str(step)
        if not site.exists():
            site.mkdir()
            (site / "constant.py").write_text(CONSTANT.format(step))
        root = os.pathsep.join([str(site), str(PACKAGE.parent)])
        found.append(result(tmp_path / "cache", program, root=root))
    assert found == [[2, 0, 1], [11, 0, 1], [2, 1, 0], [11, 1, 0]]


def test_kernels_defined_in_functions_are_neither_confused_nor_kept(folder):
    def make(step):
        @kernel
        def add(x):
            return x + step

        return add

    one, ten = make(1), make(10)
    assert [one(1), ten(1), one(1.0), ten(1.0), make(100)(1)] == [2, 11, 2.0, 11.0, 101]
    assert kernel(lambda x: x - 1)(1) == 0
    assert list(folder.iterdir()) == []
    # The control: a kernel of a module is kept.
    compiled()
    assert len(list(folder.iterdir())) == 1


def test_a_substituted_kernel_is_not_kept(folder, monkeypatch):
    @kernel
    def another(x):
        return 1 + x

    assert compiled(function=another) == (0, 1)
    assert list(folder.iterdir()) == []


SETTINGS = [
    ("OPT", "0", 0),
    ("BOUNDSCHECK", "1", 1),
    ("CPU_NAME", "generic", "generic"),
    ("CPU_FEATURES", "+sse2", "+sse2"),
    ("ENABLE_AVX", "0", 0),
]


@pytest.mark.parametrize(("name", "text", "value"), SETTINGS)
def test_settings_of_numba_are_part_of_the_name(folder, name, text, value, monkeypatch):
    """Settings made by a program, and by the environment if Numba is not imported, give the same name."""
    for each, _, _ in SETTINGS:
        monkeypatch.delenv(f"NUMBA_{each}", raising=False)
    for each, unless in (("OPT", 3), ("BOUNDSCHECK", None)):
        monkeypatch.setattr(numba.config, each, unless)
    plain = key()
    monkeypatch.setattr(numba.config, name, value)
    set_by_program = key()
    monkeypatch.setattr(_cache, "_config", lambda: None)
    assert key() == plain
    monkeypatch.setenv(f"NUMBA_{name}", text)
    assert key() == set_by_program != plain


def test_numbas_settings_file_is_part_of_the_name(tmp_path):
    pytest.importorskip("yaml")
    program = """
import json, sys
from numbakmeans._numba import cache
print(json.dumps([cache.key_of('numbakmeans._engine.kernels.small', 'solve', ()), 'numba' in sys.modules]))
"""
    plain = result(tmp_path / "cache", program, cwd=tmp_path)
    (tmp_path / ".numba_config.yaml").write_text('opt: "0"\n')
    changed = result(tmp_path / "cache", program, cwd=tmp_path)
    assert (plain[1], changed[1]) == (False, True)
    assert plain[0] != changed[0]


def test_settings_that_change_while_a_function_is_compiled(folder, monkeypatch):
    asked = key()
    monkeypatch.setattr(numba.config, "OPT", 1)
    _cache.store(asked, Code(b"", "", ""))
    assert "settings have changed" in _cache.trouble
    assert list(folder.iterdir()) == []


def test_processors_and_versions_are_part_of_the_name(folder, monkeypatch):
    plain = key()
    assert key(("q",)) != plain == key()
    monkeypatch.setattr(_cache, "_machine", lambda: ("another processor",))
    assert key() != plain


# --- Folders


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("off", []), ("OFF", []), ("here", ["here"])],
)
def test_the_environment_variable(setting, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBAKMEANS_CACHE_DIR", setting if setting != "here" else str(tmp_path / "here"))
    _cache.folders.cache_clear()
    try:
        assert [folder.name for folder in _cache.folders()] == expected
    finally:
        monkeypatch.undo()
        _cache.folders.cache_clear()


def test_no_home_folder(tmp_path, monkeypatch):
    """Code that is kept with the package is still found."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(_cache.Path, "home", homeless)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(_cache, "PACKAGE", tmp_path)
    monkeypatch.setattr(_cache, "trouble", "")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBAKMEANS_CACHE_DIR", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    _cache.folders.cache_clear()
    monkeypatch.setattr(_cache, "_require_unchanged", lambda _: None)
    monkeypatch.setattr(_cache, "stamp_of", lambda _: "0" * 64)
    try:
        assert _cache.folders() == (tmp_path / "__pycache__" / "compiled",)
        assert compiled() == (0, 1)
        assert compiled() == (1, 0)
        assert _cache.trouble == ""
    finally:
        monkeypatch.undo()
        _cache.folders.cache_clear()


@pytest.mark.parametrize("inside", [True, False])
def test_stale_code_is_removed_from_the_packages_own_folder(inside, tmp_path, monkeypatch):
    module = "numbakmeans._engine.kernels.pack"
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path,))
    now = _cache.key_of(module, "geometry", (("d", 2),))
    stamp = now.split("-")[1]
    assert stamp == _cache.stamp_of(module)[:16]
    kept = {now, now.replace("geometry", "pack_panel"), "test_something.f-0-0", ".half"}
    old = {now.replace(stamp, "0" * 16), f"_engine.kernels.gone.f-{stamp}-{'0' * 32}", "geometry-0123"}
    for name in kept | old:
        (tmp_path / name).touch()
    (tmp_path / "a90fc5c176d2aa4c").mkdir()
    (tmp_path / "a90fc5c176d2aa4c" / "geometry-0123").touch()
    if inside:
        monkeypatch.setattr(_cache, "_is_inside", lambda _: True)
    assert compiled() == (0, 1)
    found = {path.name for path in tmp_path.iterdir()} - {key()}
    assert found == (kept if inside else kept | old | {"a90fc5c176d2aa4c"})


def test_a_folder_of_the_package_is_inside():
    assert _cache._is_inside(PACKAGE / "__pycache__" / "compiled")
    assert not _cache._is_inside(PACKAGE.parent)


posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users and groups as POSIX has them")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away files"
)
SOMEBODY = 12345


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Yield a cache folder with one entry, whose parent folder tests may change, too."""
    place = tmp_path / "above" / "cache"
    monkeypatch.setattr(_cache, "folders", lambda: (place,))
    monkeypatch.setattr(_cache, "trouble", "")
    monkeypatch.setattr(_cache, "lost", 0)
    _cache.require_own_folder.cache_clear()
    assert compiled() == (0, 1)
    assert compiled() == (1, 0)
    _cache.require_own_folder.cache_clear()
    yield place
    _cache.require_own_folder.cache_clear()


def give_away(path):
    os.chown(path, SOMEBODY, -1)


def open_to_group(path):
    path.chmod(path.stat().st_mode | 0o020)


def open_to_all(path):
    path.chmod(path.stat().st_mode | 0o002)


WAYS_IN = [pytest.param(give_away, marks=as_root), open_to_group, open_to_all]


@posix
@pytest.mark.parametrize("open_up", WAYS_IN)
def test_a_file_others_can_write_is_replaced_not_loaded(shared, open_up):
    (entry,) = shared.iterdir()
    open_up(entry)
    assert "1 of them not used, as other users could write to them" in _entries(shared)
    assert compiled() == (0, 1)
    assert _cache.trouble == f"PermissionError: {entry} is writable by other users: not loaded"
    assert compiled() == (1, 0)
    assert "not used" not in _entries(shared)


@posix
@pytest.mark.parametrize("open_up", WAYS_IN)
@pytest.mark.parametrize("above", [False, True])
def test_a_folder_others_can_write_is_left_alone(shared, open_up, above):
    place = shared.parent if above else shared
    open_up(place)
    before = {path: path.read_bytes() for path in shared.iterdir()}
    assert compiled() == (0, 1)
    assert compiled(1) == (0, 1)
    why = f"{place} is writable by other users: {shared} is not used"
    assert _cache.trouble == f"PermissionError: {why}"
    assert _cache.lost == 2
    assert {path: path.read_bytes() for path in shared.iterdir()} == before
    assert _entries(shared) == f"not used ({why})"


@posix
def test_a_sticky_parent_folder_is_accepted(shared):
    shared.parent.chmod(0o1777)  # as /tmp is
    assert compiled() == (1, 0)
    shared.chmod(0o1777)
    _cache.require_own_folder.cache_clear()
    assert compiled() == (0, 1)


@as_root
def test_the_owner_of_the_package_is_trusted(shared, monkeypatch):
    """In an installation for many users, its owner could change the sources as well."""
    (entry,) = shared.iterdir()
    for path in (shared, entry):
        give_away(path)
    monkeypatch.setattr(_cache, "_trusted", lambda: (0, os.geteuid(), SOMEBODY))
    assert compiled() == (1, 0)
    monkeypatch.undo()
    assert Path(_cache.__file__).stat().st_uid in _cache._trusted()
    assert SOMEBODY not in _cache._trusted()


@posix
def test_folders_above_the_package_are_trusted_like_its_sources(shared, monkeypatch):
    """With a umask of 002, `site-packages` is writable by a group, and so is `__pycache__`."""
    open_to_group(shared.parent)
    assert compiled() == (0, 1)
    monkeypatch.setattr(_cache, "PACKAGE", shared.parent)
    monkeypatch.setattr(_cache, "_home_of", lambda _: Path(__file__))
    assert compiled() == (1, 0)
    open_to_group(shared)
    _cache.require_own_folder.cache_clear()
    assert compiled() == (0, 1)


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_the_umask_changes_nothing(umask, tmp_path, monkeypatch):
    """An image may be built by one user and run by another, but others must not write what they load."""
    places = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    monkeypatch.setattr(_cache, "folders", lambda: (places[-1],))
    monkeypatch.setattr(_cache, "trouble", "")
    before = os.umask(umask)
    try:
        assert compiled() == (0, 1)
    finally:
        os.umask(before)
    (entry,) = places[-1].iterdir()
    assert [np.base_repr(place.stat().st_mode & 0o777, 8) for place in places] == ["755"] * 3
    assert np.base_repr(entry.stat().st_mode & 0o777, 8) == "644"
    assert compiled() == (1, 0)
    assert _cache.trouble == ""


def test_a_private_umask_stays_private(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "folders", lambda: (tmp_path / "a",))
    before = os.umask(0o077)
    try:
        assert compiled() == (0, 1)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert compiled() == (1, 0)


# --- Processes


def test_a_cache_that_is_off():
    assert result("off") == [0, 0, 0, ""]


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


def test_small_calls_need_no_numba_once_they_are_compiled(folder):
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
