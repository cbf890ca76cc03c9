"""The folders of the code cache: which are used, and whose files are loaded."""

import os
from pathlib import Path

import numba
import numpy as np
import pytest
from support.caching import PACKAGE, compiled, key, result

from numbakmeans._cli.info import _entries
from numbakmeans._numba import cache as _cache


def test_a_cache_that_is_off_keeps_nothing():
    assert result("off") == [0, 0, 0, ""]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("off", []), ("OFF", []), ("here", ["here"])],
)
def test_the_environment_variable_names_the_folder(setting, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBAKMEANS_CACHE_DIR", setting if setting != "here" else str(tmp_path / "here"))
    _cache.folders.cache_clear()
    try:
        assert [folder.name for folder in _cache.folders()] == expected
    finally:
        monkeypatch.undo()
        _cache.folders.cache_clear()


def test_without_a_home_folder_code_is_kept_with_the_package(tmp_path, monkeypatch):
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


def test_without_a_writable_folder_code_is_compiled_but_lost(tmp_path, monkeypatch):
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


# --- Other users


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


# --- The umask


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
