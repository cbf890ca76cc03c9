"""Files by their endings: arrays, text, frames, pictures, pipes; and what is wrong with them."""

import gzip
import io
import os
import sys
import threading

import numpy as np
import pandas
import pytest
from PIL import Image

from numbakmeans import Blocks
from numbakmeans._cli import frames
from numbakmeans._cli.dialect import Options
from numbakmeans._cli.files import STDIN, read, shipped
from numbakmeans._cli.tables import FileError, Table, joined, pick_columns


def saved(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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
    assert isinstance(read(path).values, np.memmap)
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
        read(saved(tmp_path / "a.pdf", "1,2"))
    with pytest.raises(FileError, match="unknown file type"):
        read(saved(tmp_path / "a.h5", "1,2"))


# --- Text, frames and pipes


@pytest.mark.parametrize("name", ["a.csv", "B.CSV", "a.tsv", "a.tab", "a.txt", "a.dat", "a.data"])
def test_text_is_read_by_the_ending_of_the_name_also_compressed(tmp_path, name):
    content = b"x\ty\n1\t2\n3\t4\n"
    for path in (saved(tmp_path / name, content), saved(tmp_path / f"{name}.gz", gzip.compress(content))):
        table = read(path, columns="y")
        assert table.names == ("y",)
        np.testing.assert_array_equal(table.values, [[2], [4]])


def test_options_are_for_text(tmp_path):
    path = saved(tmp_path / "a.csv", "1,5\n2,\n3,5\n")
    table = read(path, options=Options(decimal=",", drop_missing=True))
    np.testing.assert_array_equal(table.values, [[1.5], [2], [3.5]])


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".jsonl", ".ndjson", ".xlsx"])
def test_what_pandas_reads_is_a_table(tmp_path, ending):
    frame = pandas.DataFrame({"x": [1.5, 2.5, 3.5], "name": ["a", "b", "c"], "n": [1, 2, 3]})
    path = write_frame(frame, tmp_path / f"a{ending}")
    table = read(path)
    assert table.names == ("x", "n")
    assert table.columns == (0, 2)
    assert table.notes == ("left out, as they hold no numbers: name",)
    np.testing.assert_array_equal(table.values, [[1.5, 1], [2.5, 2], [3.5, 3]])
    np.testing.assert_array_equal(read(path, columns="n").values, [[1], [2], [3]])
    with pytest.raises(FileError, match="column 'name' holds no numbers"):
        read(path, columns="name")
    path = write_frame(frame.assign(x=[1.5, None, None]), path)
    with pytest.raises(FileError, match="row 1 counted from 0, column x: a missing value, and 1 more rows"):
        read(path)
    table = read(path, options=Options(drop_missing=True))
    np.testing.assert_array_equal(table.values, [[1.5, 1]])
    assert table.kept.tolist() == [True, False, False]


def write_frame(frame, path):
    write = {
        ".parquet": frame.to_parquet,
        ".feather": frame.to_feather,
        ".xlsx": lambda to: frame.to_excel(to, index=False),
    }.get(path.suffix, lambda to: frame.to_json(to, orient="records", lines=True))
    write(path)
    return path


def test_the_first_sheet_is_read_and_said(tmp_path):
    with pandas.ExcelWriter(tmp_path / "a.xlsx") as book:
        for name, value in (("one", 1.0), ("two", 2.0)):
            pandas.DataFrame({"x": [value]}).to_excel(book, sheet_name=name, index=False)
    table = read(tmp_path / "a.xlsx")
    np.testing.assert_array_equal(table.values, [[1]])
    assert table.notes == ("the first of 2 sheets, 'one'",)


def test_a_table_without_numbers_is_refused(tmp_path):
    path = write_frame(pandas.DataFrame({"name": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(FileError, match="has no column of numbers"):
        read(path)


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_what_pandas_reads_needs_pandas(missing, tmp_path, monkeypatch):
    path = write_frame(pandas.DataFrame({"a": [1.0]}), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(FileError, match=r"install numbakmeans\[tables\]"):
        read(path)


def test_standard_input_is_read_as_text(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x;y\n1;2\n")))
    table = read(STDIN)
    assert table.names == ("x", "y")
    np.testing.assert_array_equal(table.values, [[1, 2]])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FileError, match="standard input is closed"):
        read(STDIN)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_read_as_text(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=("1,2\n3,4\n",))
    writing.start()
    np.testing.assert_array_equal(read(pipe).values, [[1, 2], [3, 4]])
    writing.join()


def test_the_shipped_data_is_old_faithful():
    table = shipped()
    assert table.names == ("eruptions", "waiting")
    assert table.values.shape == (272, 2)
    # The figures of R's summary(faithful).
    np.testing.assert_array_equal(table.values.min(0), [1.6, 43])
    np.testing.assert_array_equal(table.values.max(0), [5.1, 96])
    np.testing.assert_allclose(table.values.mean(0), [3.488, 70.90], atol=5e-3)
    assert shipped("waiting").names == ("waiting",)


# --- Files larger than memory, and several of them


def test_a_large_parquet_file_is_read_in_row_groups(tmp_path, monkeypatch):
    values = np.random.default_rng(0).normal(size=(500, 3))
    frame = pandas.DataFrame(values, columns=["a", "b", "c"]).assign(name="x")
    path = tmp_path / "a.parquet"
    frame.to_parquet(path, row_group_size=100)
    whole = read(path)
    assert isinstance(whole.values, np.ndarray)
    monkeypatch.setattr(frames, "LARGE", 1)
    for columns, right in ((None, values), ("c,a", values[:, [2, 0]])):
        table = read(path, columns=columns)
        assert isinstance(table.values, Blocks)
        assert np.array_equal(table.values[:], right)
    assert read(path).names == whole.names == ("a", "b", "c")
    assert read(path).notes == whole.notes == ("left out, as they hold no numbers: name",)
    # What is missing is counted, or left out, as in a small file.
    frame.loc[7, "b"] = np.nan
    frame.to_parquet(path, row_group_size=100)
    with pytest.raises(FileError, match="row 7 counted from 0, column b: a missing value"):
        read(path)
    assert len(read(path, options=Options(drop_missing=True)).values) == 499


def tables(*parts):
    return [(f"file {number}", Table(*part)) for number, part in enumerate(parts)]


def test_the_rows_of_several_files_follow_each_other():
    one, two = np.arange(6.0).reshape(3, 2), np.arange(4, dtype=np.int16).reshape(2, 2)
    both = joined(tables((one, ("a", "b")), (two,)))
    assert np.array_equal(both.values[:], np.concatenate([one, two]))
    assert both.names == ("a", "b")
    assert both.weights is both.kept is both.picture is None
    weights, kept = np.array([0.5, 1.0, 2.0]), np.array([True, False, True])
    pieces = tables((one, None, (3, 1), None, weights), (two, None, None, None, None, kept, ("a note",)))
    both = joined(pieces)
    assert both.weights.tolist() == [0.5, 1.0, 2.0, 1.0, 1.0]
    assert both.kept.tolist() == [True, True, True, True, False, True]
    assert both.notes == ("file 1: a note",)
    assert joined(tables((one,))).values is one


def test_files_with_other_columns_are_refused():
    one = np.ones((3, 2))
    with pytest.raises(FileError, match="file 1: has 1 columns to use, but file 0 has 2"):
        joined(tables((one,), (np.ones((3, 1)),)))
    with pytest.raises(FileError, match="file 1: has the columns b, a, but file 0 has a, b"):
        joined(tables((one, ("a", "b")), (one, ("b", "a"))))
