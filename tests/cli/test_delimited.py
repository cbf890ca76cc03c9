"""Tables in text files: what is found out about them, what is stated, and what is wrong with them."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from numbakmeans._cli.delimited import read_delimited
from numbakmeans._cli.dialect import Options
from numbakmeans._cli.tables import FileError


def from_text(text, columns=None, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read_delimited(io.BytesIO(content), "data.csv", columns, Options(**options))


def check(table, names, values):
    assert table.names == names
    assert table.values.dtype == np.float64
    np.testing.assert_array_equal(table.values, values, strict=False)
    assert table.values.shape == np.shape(values)


# --- Plain files


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
        ('"x\nin mm",y\n1,2\n', ("x\nin mm", "y"), [[1, 2]]),
        ("1e3,-.5\n+2.,1E-2\n", None, [[1000, -0.5], [2, 0.01]]),
        ("größe\n1\n", ("größe",), [[1]]),
        ("5\n7\n", None, [[5], [7]]),
    ],
)
def test_a_plain_table_is_read(text, names, values):
    check(from_text(text), names, values)


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([",", ";", "\t", "|", " "]),
)
def test_every_bit_is_preserved(values, separator):
    text = "\n".join(separator.join(map(repr, row)) for row in values.tolist())
    np.testing.assert_array_equal(from_text(text, header=False).values, values, strict=True)


# --- What is found out


@pytest.mark.parametrize(
    ("text", "names", "values", "note"),
    [
        ("x;y\n1;2\n3;4\n", ("x", "y"), [[1, 2], [3, 4]], "separated by ';', a header"),
        ("x;y\n1,5;2,5\n-3,25;4\n", ("x", "y"), [[1.5, 2.5], [-3.25, 4]], "';', decimal comma"),
        ("1,5\t2,5\n3\t4\n", None, [[1.5, 2.5], [3, 4]], "tabs, decimal comma, no header"),
        ("1,5 2,5\n3 4\n", None, [[1.5, 2.5], [3, 4]], "blanks, decimal comma"),
        ("x\ty\n1\t2\n", ("x", "y"), [[1, 2]], "tabs"),
        ("name;x\nanna;1,5\nben;2\n", ("x",), [[1.5], [2]], "';', decimal comma"),
        ("1|2\n3|4\n", None, [[1, 2], [3, 4]], "'|'"),
        ("  1.0   2.0\n 10.5   -3\n", None, [[1, 2], [10.5, -3]], "blanks"),
        ("1, 2\n3, 4\n", None, [[1, 2], [3, 4]], "','"),
        ("# made by hand\n# x y\n1 2\n3 4\n", ("x", "y"), [[1, 2], [3, 4]], "a header"),
        ("# made by hand\n1,2\n# more, yet\n3,4\n", None, [[1, 2], [3, 4]], "no header"),
        ("#x,y\n1,2\n", ("x", "y"), [[1, 2]], "a header"),
        ("1,2,\n3,4,\n", None, [[1, 2], [3, 4]], "no header"),
        ("x,y,\n1,2,\n3,4,\n", ("x", "y"), [[1, 2], [3, 4]], "a header"),
        ("x,y\n1,2,\n3,4,\n", ("x", "y"), [[1, 2], [3, 4]], "a header"),
        ("0,1,2\n0.5,1.5,2.5\n1.5,2,3\n", ("0", "1", "2"), [[0.5, 1.5, 2.5], [1.5, 2, 3]], "a header"),
        ("id,2019,2020\na1,0.5,0.7\nb2,0.1,4\n", ("2019", "2020"), [[0.5, 0.7], [0.1, 4]], "a header"),
        ("id,2019,2020\n1,5,7\n2,1,4\n", ("id", "2019", "2020"), [[1, 5, 7], [2, 1, 4]], "a header"),
        (",x,y\n0,5,6\n1,7,8\n", ("x", "y"), [[5, 6], [7, 8]], "no name and counts the rows"),
        ('"","x"\n"1",5\n"2",7\n', ("x",), [[5], [7]], "no name and counts the rows"),
        ("x y\n1 5 6\n2 7 8\n", ("x", "y"), [[5, 6], [7, 8]], "no name and counts the rows"),
        ("x y\nanna 5 6\nben 7 8\n", ("x", "y"), [[5, 6], [7, 8]], "left out, as it holds text: column 0"),
        ("name,x,y\nanna,1,2\nben,3,4\n", ("x", "y"), [[1, 2], [3, 4]], "it holds text: name"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", None, [[5.1, 3.5], [4.9, 3]], "text: column 2"),
    ],
)
def test_the_form_of_a_table_is_found_out_and_said(text, names, values, note):
    table = from_text(text)
    check(table, names, values)
    assert note in "; ".join(table.notes)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("größe;b\n1;2\n".encode("latin-1"), "encoding Latin-1 (--encoding)"),
        ("größe;b\n1;2\n".encode("utf-16"), "encoding UTF-16"),
    ],
)
def test_other_encodings_are_found_out(content, note):
    table = from_text(content)
    check(table, ("größe", "b"), [[1, 2]])
    assert note in table.notes


# --- What is stated


@pytest.mark.parametrize(
    ("text", "options", "names", "values"),
    [
        ("1,5\n2,5\n", {"decimal": ","}, None, [[1.5], [2.5]]),
        ("1;2\n3;4\n", {"separator": ";"}, None, [[1, 2], [3, 4]]),
        ("1:2\n3:4\n", {"separator": ":"}, None, [[1, 2], [3, 4]]),
        ("0,1\n2,3\n", {"header": True}, ("0", "1"), [[2, 3]]),
        ("0,1,2\n0.5,1,2\n", {"header": False}, None, [[0, 1, 2], [0.5, 1, 2]]),
        ("größe\n1\n".encode("cp850"), {"encoding": "cp850"}, ("größe",), [[1]]),
    ],
)
def test_what_is_stated_counts(text, options, names, values):
    check(from_text(text, **options), names, values)


def test_chosen_columns_may_have_text_in_the_others():
    text = "name,x,y\nanna,1,2\nben,3,4\n"
    table = from_text(text, "y,x")
    assert table.columns == (2, 1)
    check(table, ("y", "x"), [[2, 1], [4, 3]])
    with pytest.raises(FileError, match=r"line 2, column 0 .*\(name\): not a number: 'anna'"):
        from_text(text, "0-1")
    with pytest.raises(FileError, match="line 3 has 2 columns"):
        from_text("name,x,y\nanna,1,2\nben,3\n", "x")
    check(from_text(",x\n7,1\n8,2\n", "0"), ("",), [[7], [8]])
    check(from_text('"a, b",c\n1,2\n', '"a, b"'), ("a, b",), [[1]])


# --- Missing values


def test_rows_with_missing_values_are_an_error_that_counts_them():
    text = "x,y\n1,2\n3,\n5,6\nNA,nan\n7,?\n"
    with pytest.raises(FileError) as caught:
        from_text(text)
    assert str(caught.value) == (
        "data.csv, line 3, column 1 counted from 0 (y): a missing value (an empty field), and 2 more rows "
        "have one; --na drop leaves such rows out"
    )


def test_rows_with_missing_values_are_left_out_where_asked():
    table = from_text("x,y\n1,2\n3,\n5,6\nNA,nan\n7,?\n", drop_missing=True)
    check(table, ("x", "y"), [[1, 2], [5, 6]])
    assert table.kept.tolist() == [True, False, True, False, False]
    assert "3 of 5 rows left out" in table.notes[-1]
    assert from_text("x\n1\n", drop_missing=True).kept is None
    with pytest.raises(FileError, match="every row has a missing value"):
        from_text("1,\n2,\n,3\n", drop_missing=True)


# --- What is wrong


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.csv: is empty"),
        ("\n \n", "data.csv: is empty"),
        ("x,y\n", "data.csv: has a header, but no rows"),
        ("# x,y\n", "data.csv: is empty; lines that begin with # are comments"),
        ("color,red\n#ff0000,255\n", "has a header, but no rows; lines that begin with # are comments"),
        ('1,2\n"3,4\n5,6\n7,8\n', "data.csv, line 2, column 0 counted from 0: not a number: '\"3,4'"),
        ("1,2\n\n3,4\n5\n", "data.csv, line 4 has 1 columns, but line 1 has 2"),
        ("\nx,y\n1,2,3\n4,5,6\n7,8\n", "data.csv, line 5 has 2 columns, but line 3 has 3"),
        ("x,y\n1,2,3,4\n", "data.csv, line 2 has 4 columns, but line 1 has 2"),
        ("x,y\n1,2\n\n3,abc\n5,6\n", "line 4, column 1 counted from 0 (y): not a number: 'abc'"),
        ("1\n1_000\n", "line 2, column 0 counted from 0: not a number: '1_000'"),
        ("1\n0x10\n", "line 2, column 0 counted from 0: not a number: '0x10'"),
        ("1\n\u0663\n", "line 2, column 0 counted from 0: not a number: '\u0663'"),
        ("1\n1e400\n", "line 2, column 0 counted from 0: not a finite number: '1e400'"),
        ("1\n-inf\n", "line 2, column 0 counted from 0: not a finite number: '-inf'"),
        ("1,2\n3,nan\n", "line 2, column 1 counted from 0: a missing value ('nan'); --na drop"),
        ("1\n" + "z" * 50 + "\n3\n", f"not a number: '{'z' * 40}...'"),
        ("a,b\nc,d\n", "line 2, column 0 counted from 0 (a): not a number: 'c'"),
        (b"1,2\0\n", "data.csv: not a text file"),
        (b"\x93NUMPY\x01\x00", "data.csv: not a text file"),
    ],
)
def test_errors_name_the_line_and_the_column(text, message):
    with pytest.raises(FileError) as caught:
        from_text(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("data.csv")


def test_a_wrong_line_is_found_after_many():
    lines = ["1,2"] * 120_000
    lines[110_000] = "1,x"
    with pytest.raises(FileError, match=r"line 110001, column 1 .*'x'"):
        from_text("\n".join(lines))


def test_a_wrong_encoding_is_an_error():
    with pytest.raises(FileError, match="not a text file in utf-8"):
        from_text("größe\n1\n".encode("latin-1"), encoding="utf-8")
    with pytest.raises(FileError, match="--encoding: there is no encoding 'no-such'"):
        from_text("1\n", encoding="no-such")
