"""Tables and pictures in, whole files out."""

import errno
import gzip
import io
import os
import stat
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from numbakmeans._cli import files as _files
from numbakmeans._cli.files import FileError, Table, pick_columns, read, read_csv, shipped, whole


def from_text(text, columns=None):
    return read_csv(io.BytesIO(text.encode()), "data.csv", columns)


def saved(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- CSV


@pytest.mark.parametrize(
    ("text", "names", "values"),
    [
        ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
        ("1,2\n3,4", None, [[1, 2], [3, 4]]),
        ("1,2\n3,4\n\t", None, [[1, 2], [3, 4]]),
        ("x,y\n1,2\n", ("x", "y"), [[1, 2]]),
        ("x\n1\n2\n", ("x",), [[1], [2]]),
        ("\ufeffx,y\n1,2\n", ("x", "y"), [[1, 2]]),
        ("\ufeff1,2\n", None, [[1, 2]]),
        ("x,y\r\n1,2\r\n3,4\r\n", ("x", "y"), [[1, 2], [3, 4]]),
        ("\n  \n x , y \n\n 1 ,\t2\n\n\n", ("x", "y"), [[1, 2]]),
        ('"x, in mm","the ""y"""\n"1",2\n', ("x, in mm", 'the "y"'), [[1, 2]]),
        ("x,\n1,2\n", ("x", ""), [[1, 2]]),
        ("#x,y\n1,2\n", ("#x", "y"), [[1, 2]]),
        ("1e3,-.5\n+2.,1E-2\n", None, [[1000, -0.5], [2, 0.01]]),
        ("größe\n1\n", ("größe",), [[1]]),
    ],
)
def test_csv_is_read_as_a_table(text, names, values):
    table = from_text(text)
    assert table.names == names
    assert table.values.dtype == np.float64
    np.testing.assert_array_equal(table.values, values, strict=False)
    assert table.values.shape == np.shape(values)


def test_csv_keeps_nan_and_infinities_for_the_callers_check():
    np.testing.assert_array_equal(from_text("nan,inf\n1,-inf\n").values, [[np.nan, np.inf], [1, -np.inf]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.csv: is empty"),
        ("\n \n", "data.csv: is empty"),
        ("x,y\n", "data.csv: has a header, but no rows"),
        ("1,2\n\n3,4\n5\n", "data.csv, line 4 has 1 columns, but line 1 has 2"),
        ("\nx,y\n1,2,3\n", "data.csv, line 3 has 3 columns, but line 2 has 2"),
        ("x,y\n1,2\n\n3,abc\n5,6\n", "data.csv, line 4: not a number in column 1 (counted from 0): 'abc'"),
        ("1,2\n3,\n", "data.csv, line 2: not a number in column 1 (counted from 0): an empty field"),
        (",\n1,2\n", "data.csv, line 1: not a number in column 0 (counted from 0): an empty field"),
        ("1,NA\n1,2\n", "data.csv, line 1: not a number in column 1 (counted from 0): 'NA'"),
        ("1\n1_000\n", "data.csv, line 2: not a number in column 0 (counted from 0): '1_000'"),
        ("1\n0x10\n", "data.csv, line 2: not a number in column 0 (counted from 0): '0x10'"),
        ("1\n\u0663\n", "data.csv, line 2: not a number in column 0 (counted from 0): '\u0663'"),
        ("1\n1 2\n", "data.csv, line 2: not a number in column 0 (counted from 0): '1 2'"),
        ('1,2\n"3,4\n', "data.csv, line 2 has 1 columns, but line 1 has 2"),
        ("1\n" + "z" * 50, f"data.csv, line 2: not a number in column 0 (counted from 0): '{'z' * 40}...'"),
    ],
)
def test_csv_names_the_line_that_is_wrong(text, message):
    with pytest.raises(FileError) as caught:
        from_text(text)
    assert str(caught.value) == message


def test_csv_finds_the_wrong_line_after_many():
    lines = ["1,2"] * 120_000
    lines[110_000] = "1,x"
    with pytest.raises(FileError, match=r"line 110001: not a number in column 1 .*'x'"):
        from_text("\n".join(lines))


def test_csv_of_chosen_columns_may_have_text_in_the_others():
    text = "name,x,y\nanna,1,2\nben,3,4\n"
    table = from_text(text, "y,x")
    assert table.names == ("y", "x")
    assert table.columns == (2, 1)
    np.testing.assert_array_equal(table.values, [[2, 1], [4, 3]])
    with pytest.raises(FileError, match=r"line 2: not a number in column 0 .*'anna'"):
        from_text(text, "0-1")
    with pytest.raises(FileError, match="line 3 has 2 columns"):
        from_text("name,x,y\nanna,1,2\nben,3\n", "x")


def test_csv_without_a_header_whose_last_column_is_text_loses_no_row():
    table = from_text("5.1,3.5,setosa\n4.9,3.0,setosa\n", "0-1")
    assert table.names is None
    np.testing.assert_array_equal(table.values, [[5.1, 3.5], [4.9, 3.0]])


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats()))
def test_csv_preserves_every_bit(values):
    text = "\n".join(",".join(map(repr, row)) for row in values.tolist())
    np.testing.assert_array_equal(from_text(text).values, values, strict=True)


def test_csv_may_be_compressed(tmp_path):
    content = b"x,y\n1,2\n3,4\n"
    for path in (tmp_path / "a.csv", tmp_path / "B.CSV"):
        np.testing.assert_array_equal(read(saved(path, content)).values, [[1, 2], [3, 4]])
    for path in (tmp_path / "a.csv.gz", tmp_path / "B.CSV.GZ"):
        table = read(saved(path, gzip.compress(content)), columns="y")
        assert table.names == ("y",)
        np.testing.assert_array_equal(table.values, [[2], [4]])


# --- Columns


@pytest.mark.parametrize(
    ("text", "names", "columns"),
    [
        ("0", None, [0]),
        ("3,0-1", None, [3, 0, 1]),
        (" 2 , 1 ", None, [2, 1]),
        ("b,0", ("a", "b", "c", "d"), [1, 0]),
        ("0-1", ("a", "b", "0-1", "d"), [2]),
    ],
)
def test_columns_are_picked_by_number_or_name(text, names, columns):
    assert pick_columns(text, 4, names) == columns


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("4", None, "no column 4; there are 4, counted from 0"),
        ("0-4", None, "no column 4"),
        ("2-1", None, "2-1 runs backwards"),
        ("0,0-1", None, "column 0 is given twice"),
        ("a", None, "no column 'a'; there are: 0 to 3"),
        ("", None, "no column ''"),
        ("0,", None, "no column ''"),
        ("-1", None, "no column '-1'"),
        ("e", ("a", "b", "c", "d"), "no column 'e'; there are: a, b, c, d"),
        ("a", ("a", "b", "a", "d"), "2 columns are called 'a'; use numbers"),
    ],
)
def test_unknown_columns_are_refused(text, names, message):
    with pytest.raises(FileError) as caught:
        pick_columns(text, 4, names)
    assert str(caught.value).startswith("--columns: " + message)


def test_long_lists_of_names_are_cut():
    with pytest.raises(FileError, match=r"n0, n1, .*, n19, \.\.\.$"):
        pick_columns("e", 30, [f"n{c}" for c in range(30)])


def test_columns_without_names_are_called_by_their_number():
    values = np.zeros((1, 2))
    assert Table(values).headings == ["column 0", "column 1"]
    assert Table(values, ("a", "b"), columns=(3, 1)).headings == ["a", "b"]
    assert Table(values, columns=(3, 1)).headings == ["column 3", "column 1"]


# --- NumPy arrays


def test_npy_files_are_read(tmp_path):
    path = tmp_path / "a.npy"
    for values in (np.arange(6, dtype=np.int16).reshape(3, 2), np.asfortranarray(np.eye(3, dtype=">f4"))):
        np.save(path, values)
        table = read(path)
        assert table.values.dtype == values.dtype
        np.testing.assert_array_equal(table.values, values)
    np.save(path, np.arange(3.0))
    np.testing.assert_array_equal(read(path).values, [[0], [1], [2]])
    np.save(path, np.arange(6.0).reshape(2, 3))
    table = read(path, columns="2,0")
    assert table.headings == ["column 2", "column 0"]
    np.testing.assert_array_equal(table.values, [[2, 0], [5, 3]])


def test_npz_files_are_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.eye(2))
    np.testing.assert_array_equal(read(path).values, np.eye(2))
    np.savez_compressed(path, x=np.eye(2), y=np.ones((3, 1)))
    np.testing.assert_array_equal(read(path, array="y").values, np.ones((3, 1)))
    with pytest.raises(FileError, match=r"choose one of its arrays with --array: x, y$"):
        read(path)
    with pytest.raises(FileError, match=r"no array 'z'; it holds: x, y$"):
        read(path, array="z")
    np.savez(path)
    with pytest.raises(FileError, match=r"choose one of its arrays with --array: none$"):
        read(path)


def test_array_is_for_npz(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    for path in (tmp_path / "a.npy", saved(tmp_path / "a.csv", "1,2\n")):
        with pytest.raises(FileError, match=r"--array is for \.npz files"):
            read(path, array="x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array(1.0), r"must have rows and columns, got shape \(\)"),
        (np.ones((2, 2, 2)), r"must have rows and columns, got shape \(2, 2, 2\)"),
        (np.ones((0, 3)), r"is empty, got shape \(0, 3\)"),
        (np.ones((3, 0)), r"is empty, got shape \(3, 0\)"),
    ],
)
def test_npy_of_a_wrong_shape_is_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(FileError, match=message):
        read(tmp_path / "a.npy")


class Bomb:
    """Raises when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([Bomb()], object))
    for path in (tmp_path / "a.npy", tmp_path / "a.npz"):
        with pytest.raises(FileError, match="Object arrays cannot be loaded"):
            read(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.csv.gz", "a.png", "a.gif"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xfe\0\0"])
def test_garbage_is_one_error_that_names_the_file(tmp_path, name, content):
    path = saved(tmp_path / name, content)
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv.gz", "a.png"])
def test_a_truncated_file_is_an_error(tmp_path, name):
    path = tmp_path / name
    values = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    if name == "a.npy":
        np.save(path, values[0])
    elif name == "a.npz":
        np.savez(path, x=values[0])
    elif name == "a.png":
        Image.fromarray(values).save(path)
    else:
        path.write_bytes(gzip.compress(b"".join(b"%d,1\n" % v for v in values.ravel())))
    assert read(path).values.size
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FileError):
        read(path)


def test_missing_files_and_unknown_kinds_are_errors(tmp_path):
    with pytest.raises(FileError, match=r"none\.csv: No such file or directory"):
        read(tmp_path / "none.csv")
    with pytest.raises(FileError, match=r"unknown file type; the name must end in one of \.npy, "):
        read(saved(tmp_path / "a.xlsx", "1,2"))


def test_text_in_another_encoding_is_an_error(tmp_path):
    with pytest.raises(FileError, match="not a text file in UTF-8"):
        read(saved(tmp_path / "a.csv", "größe\n1\n".encode("latin-1")))


def test_the_shipped_data_is_old_faithful():
    table = shipped()
    assert table.names == ("eruptions", "waiting")
    assert table.values.shape == (272, 2)
    # The figures of R's summary(faithful).
    np.testing.assert_array_equal(table.values.min(0), [1.6, 43])
    np.testing.assert_array_equal(table.values.max(0), [5.1, 96])
    np.testing.assert_allclose(table.values.mean(0), [3.488, 70.90], atol=5e-3)
    assert shipped("waiting").names == ("waiting",)


# --- Pictures


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "A.PNG", "a.tga"])
def test_a_picture_is_read_as_rows_of_colors(tmp_path, pixels, name):
    Image.fromarray(pixels).save(tmp_path / name)
    table = read(tmp_path / name)
    assert table.picture == (4, 6)
    assert table.names == ("red", "green", "blue")
    np.testing.assert_array_equal(table.values, pixels.reshape(24, 3))


def test_columns_of_a_picture_are_a_table(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    table = read(tmp_path / "a.png", columns="blue,0")
    assert table.picture is None
    assert table.names == ("blue", "red")
    np.testing.assert_array_equal(table.values, pixels.reshape(24, 3)[:, [2, 0]])


def test_pictures_of_other_modes_are_converted(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels[..., 0]).save(path)
    np.testing.assert_array_equal(read(path).values, np.repeat(pixels[..., 0].reshape(-1, 1), 3, 1))
    Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(path)
    np.testing.assert_array_equal(read(path).values, pixels.reshape(-1, 3))
    palette = Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(path, transparency=bytes([0, 128, 255]))
    np.testing.assert_array_equal(read(path).values, np.asarray(palette.convert("RGB")).reshape(-1, 3))


def test_sixteen_bits_per_channel_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 40_000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(FileError, match="more than 8 bits per channel"):
        read(tmp_path / "a.png")


def test_a_large_picture_is_no_bomb(tmp_path, pixels, monkeypatch):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow warns from there on
    assert len(read(tmp_path / "a.png").values) == 24


def test_pictures_need_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(FileError, match="install the package pillow"):
        read(saved(tmp_path / "a.jpg", "x"))
    with pytest.raises(FileError, match="unknown file type"):
        read(saved(tmp_path / "a.tga", "x"))
    np.testing.assert_array_equal(read(saved(tmp_path / "a.csv", "1,2")).values, [[1, 2]])


# --- Output


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
    source = saved(tmp_path / "in.csv", "1,2")
    _files.require_writable([tmp_path / "a", tmp_path / "b"], source)
    _files.require_writable([], None)
    (tmp_path / "folder").mkdir()
    for paths, message in (
        ([tmp_path / "gone" / "a"], "there is no folder"),
        ([source / "a"], "there is no folder"),
        ([tmp_path / "folder"], "already exists and is not a regular file"),
        ([tmp_path / "folder" / ".." / "in.csv"], "is the input file, which would be overwritten"),
        ([tmp_path / "a", tmp_path / "folder" / ".." / "a"], "would be written twice"),
    ):
        with pytest.raises(FileError, match=message):
            _files.require_writable(paths, source)
    monkeypatch.setattr(_files.os, "access", lambda _path, _mode: False)
    with pytest.raises(FileError, match="cannot be written to"):
        _files.require_writable([tmp_path / "a"])


def test_labels_and_centers_are_written_as_csv():
    labels = np.random.default_rng(0).integers(0, 9, 250_001, dtype=np.int32)
    file = io.BytesIO()
    _files.write_labels(file, labels, "csv")
    np.testing.assert_array_equal(np.array(file.getvalue().split(), np.int32), labels)
    for dtype in (np.float32, np.float64):
        centers = np.array([[0.1, -1e-7], [1 / 3, 2e20]], dtype)
        file = io.BytesIO()
        _files.write_centers(file, centers, ("a, b", "c"), "csv")
        lines = file.getvalue().decode().splitlines()
        assert lines[0] == '"a, b",c'
        assert lines[1] == "0.1,-1e-07"
        np.testing.assert_array_equal([line.split(",") for line in lines[1:]], centers.astype(str))
        np.testing.assert_array_equal(
            np.array([line.split(",") for line in lines[1:]]).astype(dtype), centers
        )
    file = io.BytesIO()
    _files.write_centers(file, centers, None, "csv")
    assert len(file.getvalue().splitlines()) == 2


def test_labels_and_centers_are_written_as_npy():
    for write, array in (
        (lambda file, array: _files.write_labels(file, array, "npy"), np.arange(3, dtype=np.int32)),
        (lambda file, array: _files.write_centers(file, array, ("a",), "npy"), np.ones((2, 1), np.float32)),
    ):
        file = io.BytesIO()
        write(file, array)
        file.seek(0)
        np.testing.assert_array_equal(np.load(file, allow_pickle=False), array, strict=True)
