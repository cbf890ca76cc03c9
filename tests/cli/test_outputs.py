"""Whole files out."""

import errno
import io
import os
import stat
import sys

import numpy as np
import pytest

from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.outputs import whole
from numbakmeans._cli.tables import FileError


def test_whole_files_appear_at_the_end(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[1].write_bytes(b"old")
    with whole(paths) as files:
        files[0].write(b"one")
        files[1].write(b"two")
        assert not paths[0].exists()
        assert paths[1].read_bytes() == b"old"
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert set(tmp_path.iterdir()) == set(paths)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_whole_files_respect_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with whole([tmp_path / "a"]) as files:
            files[0].write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x"), FileError("x")])
def test_whole_files_leave_nothing_behind_after_an_error(tmp_path, error):
    (tmp_path / "b").write_bytes(b"old")

    def write():
        with whole([tmp_path / "a", tmp_path / "b"]) as files:
            files[1].write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]
    assert (tmp_path / "b").read_bytes() == b"old"


def test_whole_files_leave_nothing_behind_on_a_full_disk(tmp_path):
    def write():
        with whole([tmp_path / "a", tmp_path / "b"]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(FileError, match=r"cannot write .*a, .*b: No space left on device"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_whole_files_need_their_folder(tmp_path):
    with pytest.raises(FileError, match="cannot write"), whole([tmp_path / "gone" / "a"]):
        pytest.fail("a file was handed out")


def test_outputs_that_cannot_be_written_are_refused(tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_text("1,2")
    _outputs.require_writable([tmp_path / "a", tmp_path / "b"], [source])
    _outputs.require_writable([], [])
    (tmp_path / "folder").mkdir()
    for paths, message in (
        ([tmp_path / "gone" / "a"], "there is no folder"),
        ([source / "a"], "there is no folder"),
        ([tmp_path / "folder"], "already exists and is not a regular file"),
        ([tmp_path / "folder" / ".." / "in.csv"], "is an input file, which would be overwritten"),
        ([tmp_path / "a", tmp_path / "folder" / ".." / "a"], "would be written twice"),
    ):
        with pytest.raises(FileError, match=message):
            _outputs.require_writable(paths, [tmp_path / "gone", source])
    monkeypatch.setattr(_outputs.os, "access", lambda _path, _mode: False)
    with pytest.raises(FileError, match="cannot be written to"):
        _outputs.require_writable([tmp_path / "a"])


def test_labels_and_centers_are_written_as_csv():
    labels = np.random.default_rng(0).integers(0, 9, 250_001, dtype=np.int32)
    file = io.BytesIO()
    _outputs.write_labels(file, labels, "csv")
    np.testing.assert_array_equal(np.array(file.getvalue().split(), np.int32), labels)
    for dtype in (np.float32, np.float64):
        centers = np.array([[0.1, -1e-7], [1 / 3, 2e20]], dtype)
        file = io.BytesIO()
        _outputs.write_centers(file, centers, ("a, b", "c"), "csv")
        lines = file.getvalue().decode().splitlines()
        assert lines[0] == '"a, b",c'
        assert lines[1] == "0.1,-1e-07"
        np.testing.assert_array_equal([line.split(",") for line in lines[1:]], centers.astype(str))
        np.testing.assert_array_equal(
            np.array([line.split(",") for line in lines[1:]]).astype(dtype), centers
        )
    file = io.BytesIO()
    _outputs.write_centers(file, centers, None, "csv")
    assert len(file.getvalue().splitlines()) == 2


def test_labels_and_centers_are_written_as_npy():
    for write, array in (
        (lambda file, array: _outputs.write_labels(file, array, "npy"), np.arange(3, dtype=np.int32)),
        (lambda file, array: _outputs.write_centers(file, array, ("a",), "npy"), np.ones((2, 1), np.float32)),
    ):
        file = io.BytesIO()
        write(file, array)
        file.seek(0)
        np.testing.assert_array_equal(np.load(file, allow_pickle=False), array, strict=True)


def test_the_target_of_a_symbolic_link_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.write_bytes(b"old")
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no symbolic links here")
    _outputs.require_writable([link])
    with whole([link]) as files:
        files[0].write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert list((tmp_path / "elsewhere").iterdir()) == [target]
