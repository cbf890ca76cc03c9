"""The command line: what it prints, what it writes, and how it ends."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import llvmlite
import numba
import numpy as np
import pandas
import pytest
from PIL import Image

import numbakmeans
from numbakmeans import Blocks, choose_k, fit, kmeans2, whiten
from numbakmeans._cli import cluster as command
from numbakmeans._cli import console
from numbakmeans._cli import files as _files
from numbakmeans._cli import inputs as _inputs
from numbakmeans._cli import outputs as _outputs
from numbakmeans._cli.main import main
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.samples import Samples
from numbakmeans._numba import cache as _cache
from numbakmeans._numba import runtime as _runtime

COMMAND = (sys.executable, "-m", "numbakmeans")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(numbakmeans.__file__).parent.parent)}


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def fails(run):
    """Return a function that runs a command that must fail, and returns its message."""

    def call(*arguments):
        before = set(Path.cwd().iterdir())
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("numbakmeans: error: ")
        assert err.count("\n") == 1
        assert set(Path.cwd().iterdir()) == before
        return err.removeprefix("numbakmeans: error: ").rstrip("\n")

    return call


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(90, 3))


def fields(out):
    """Return the lines above the table of clusters, keyed by their first word."""
    return dict(line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines())


def listed(out):
    """Return the table of clusters as lists of cells."""
    return [re.split(r"\s{2,}", line.strip()) for line in out.split("\n\n")[1].splitlines()]


# --- cluster


def test_shipped_data_is_clustered_without_a_file(run):
    code, out, err = run("cluster", "--seed", 1)
    assert (code, err) == (0, "")
    found = fields(out)
    assert found["input"] == "Old Faithful (comes with the package): 272 rows of 2 columns, float64"
    assert found["start"] == "--minit ++ --seed 1"
    assert found["passes"].endswith(", converged")
    assert float(found["inertia"]) == pytest.approx(8901.7687, rel=1e-7)
    assert re.fullmatch(rf"[\d.e-]+ s, {_runtime.threads()} threads?", found["time"])
    assert "empty" not in found
    head, *clusters = listed(out)
    assert head == ["cluster", "rows", "eruptions", "waiting"]
    assert sorted(clusters, key=lambda cells: cells[3]) == [
        [clusters[0][0] if clusters[0][1] == "100" else clusters[1][0], "100", "2.09433", "54.75"],
        [clusters[0][0] if clusters[0][1] == "172" else clusters[1][0], "172", "4.29793", "80.2849"],
    ]


@pytest.mark.parametrize("minit", ["random", "points", "++"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_those_of_kmeans2(run, rows, minit, dtype):
    np.save("data.npy", rows)
    options = ("-k", 5, "--minit", minit, "--iter", 7, "--seed", 3, "--dtype", dtype)
    code, out, _ = run("cluster", "data.npy", *options, "--output", "found")
    centroids, labels = kmeans2(rows.astype(dtype), 5, iter=7, minit=minit, rng=3)
    assert code == 0
    np.testing.assert_array_equal(np.load("found.centroids.npy"), centroids, strict=True)
    np.testing.assert_array_equal(np.load("found.labels.npy"), labels, strict=True)
    assert f"{dtype}\n" in out
    assert [int(cells[1]) for cells in listed(out)[1:]] == np.bincount(labels, minlength=5).tolist()


def test_rows_can_be_standardized(run, rows):
    data = rows * [1, 100, 0.01] + [0, 0, 7]
    np.save("data.npy", data)
    code, out, _ = run("cluster", "data.npy", "-k", 4, "--seed", 2, "--standardize", "--output", "found")
    centers, labels = kmeans2(whiten(data), 4, iter=100, minit="++", rng=2)
    assert code == 0
    np.testing.assert_array_equal(np.load("found.labels.npy"), labels)
    np.testing.assert_allclose(np.load("found.centroids.npy"), centers * data.std(0), rtol=1e-12)
    assert "of the standardized columns" in out
    # Mapped files are divided while they are read; constant columns stay.
    data[:, 1] = 3.0
    np.save("first.npy", data[:40]), np.save("others.npy", data[40:]), np.save("data.npy", data)
    for files, prefix in ((["data.npy"], "one"), (["first.npy", "others.npy"], "two")):
        run("cluster", *files, "-k", 4, "--seed", 2, "--standardize", "--output", prefix)
    one, two = (np.load(f"{prefix}.centroids.npy") for prefix in ("one", "two"))
    np.testing.assert_array_equal(one, two)
    assert (one[:, 1] == 3.0).all()


def test_rows_of_several_files_are_standardized_without_reading_them_at_once(monkeypatch):
    monkeypatch.setattr(at, "MAX_COPY_BYTES", 1000)
    monkeypatch.setattr(at, "MAX_SLAB_BYTES", 4000)
    data, most = np.random.default_rng(0).normal(size=(3000, 3)) * [1, 100, 0.01], []

    class Dataset:
        shape, dtype = data.shape, data.dtype

        def __getitem__(self, index):
            most.append(len(range(*index.indices(len(data)))))
            return data[index]

    scaled, divisors = _inputs.standardized(Samples(Blocks([Dataset()])))
    np.testing.assert_array_equal(divisors, _inputs.standardized(Samples(data))[1])
    for part, rows in scaled.slabs():
        np.testing.assert_array_equal(rows, data[part] / divisors)
    assert max(most) < 500


def test_the_best_of_several_starts_counts(run, rows):
    np.save("data.npy", rows)
    found = []
    for stream in np.random.default_rng(5).spawn(6):
        start, _ = kmeans2(rows, 7, iter=1, minit="points", rng=stream)
        found.append(fit(rows, start, max_iter=99).inertia)
    _, out, _ = run("cluster", "data.npy", "-k", 7, "--seed", 5, "--minit", "points", "--restarts", 6)
    assert fields(out)["inertia"] == repr(min(found))
    assert fields(out)["start"] == "--minit points --seed 5 --restarts 6"


def test_a_summary_for_programs(run, rows):
    np.save("data.npy", rows)
    arguments = ("data.npy", "-k", 3, "--seed", 1, "--output", "found", "--json")
    code, out, _ = run("cluster", *arguments)
    said = json.loads(out)
    assert code == 0
    assert (said["rows"], said["seed"], said["files"]) == (90, 1, ["data.npy"])
    np.testing.assert_array_equal(said["centroids"], np.load("found.centroids.npy"))
    assert said["sizes"] == np.bincount(np.load("found.labels.npy")).tolist()
    assert said["written"] == ["found.labels.npy", "found.centroids.npy"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a;x;y\nanna;1,5;2\nben;30;4,5\ncy;;1\n", "a;x;y;cluster\nanna;1,5;2;L\nben;30;4,5;M\ncy;;1;-1\n"),
        ("1 2\n\n30  4\n", "1 2 L\n30 4 M\n"),
        ("# made by hand\nx,y,\n1,2,\n30,4,\n", "# made by hand\nx,y,cluster\n1,2,L\n30,4,M\n"),
    ],
)
def test_labels_are_appended_to_the_table(run, text, right):
    Path("data.csv").write_text(text)
    given = ("-k", 2, "--seed", 0, "--na", "drop", "--output", "out", "--append")
    code, out, err = run("cluster", "data.csv", *given)
    assert (code, err) == (0, "")
    first, second = np.load("out.labels.npy")[:2]
    assert Path("out.table.csv").read_text() == right.replace("L", str(first)).replace("M", str(second))
    assert "written   out.table.csv" in out


def test_labels_are_appended_to_a_frame(run):
    frame = pandas.DataFrame({"name": ["a", "b", "c"], "x": [1.0, 2.0, 30.0]})
    frame.to_parquet("data.parquet")
    assert run("cluster", "data.parquet", "-k", 2, "--seed", 0, "--output", "out", "--append")[0] == 0
    found = pandas.read_csv("out.table.csv")
    assert found.columns.tolist() == ["name", "x", "cluster"]
    assert found["cluster"].tolist() == np.load("out.labels.npy").tolist()


def test_what_cannot_be_appended_to_is_said(fails, rows):
    np.save("data.npy", rows)
    Path("a.csv").write_text("1,2\n3,4\n")
    Path("b.csv").write_text("1,2\n3,4\n")
    for files in (["data.npy"], ["a.csv", "b.csv"]):
        message = fails("cluster", *files, "-k", 2, "--output", "out", "--append")
        assert message == "--append is for a single table as text, or of a kind that pandas reads"
    assert fails("cluster", "a.csv", "-k", 2, "--append").startswith("--append needs --output PREFIX")


# --- sweep and predict


def test_a_sweep_prints_measures_and_marks_the_elbow(run):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(300, 2)) + 9 * np.array([[0, 0], [1, 0], [0, 1]])[rng.integers(0, 3, 300)]
    np.save("data.npy", data)
    code, out, _ = run("sweep", "data.npy", "-k", "2:6", "--seed", 0, "--plot", "curve.png")
    choice = choose_k(data, range(2, 7), rng=0)
    assert code == 0
    cells = listed(out)
    assert [row[0] for row in cells] == ["k", "2", "3", "4", "5", "6"]
    assert [row[1] for row in cells[1:]] == [f"{value:.6g}" for value in choice.inertia]
    assert cells[2][-1] == "elbow, best silhouette"
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    said = json.loads(run("sweep", "data.npy", "-k", "1:6", "--seed", 0, "--json")[1])
    assert said["silhouette"][0] is None
    assert said["best"] == 3


def test_wrong_sweeps_are_refused(fails, rows):
    np.save("data.npy", rows[:4])
    assert fails("sweep", "data.npy", "-k", "2:5") == "-k: 5 clusters, but only 4 rows"
    for text in ("5", "5:2", "0:3", "a:b", "3:3"):
        assert "not a range such as 2:12" in fails("sweep", "data.npy", "-k", text)
    assert fails("sweep", "--array", "x") == "--array needs a FILE"


@pytest.mark.parametrize("form", ["npy", "csv"])
def test_rows_get_the_labels_of_saved_centroids(run, rows, form):
    header = "x,name,y,z\n"
    lines = [f"{x},n,{y},{z}\n" for x, y, z in rows.tolist()]
    Path("data.csv").write_text(header + "".join(lines))
    # Other columns, in another order.
    Path("new.csv").write_text("z,more,y,x\n" + "".join(f"{z},0,{y},{x}\n" for x, y, z in rows.tolist()))
    run("cluster", "data.csv", "-k", 4, "--seed", 0, "--output", "out", "--format", form)
    code, out, _ = run("predict", f"out.centroids.{form}", "data.csv", "--output", "again")
    assert code == 0
    labels = np.load("again.labels.npy")
    read = np.load if form == "npy" else partial(np.loadtxt, dtype=np.int32)
    np.testing.assert_array_equal(labels, read(f"out.labels.{form}"))
    assert [int(row[1]) for row in listed(out)[1:]] == np.bincount(labels, minlength=4).tolist()
    if form == "csv":
        run("predict", "out.centroids.csv", "new.csv", "--output", "new")
        np.testing.assert_array_equal(np.load("new.labels.npy"), labels)


def test_centroids_that_do_not_fit_are_refused(fails, rows):
    np.save("data.npy", rows)
    np.save("few.npy", rows[:2, :2])
    message = fails("predict", "few.npy", "data.npy", "--output", "out")
    assert message == "few.npy has 2 columns, but the rows have 3"
    Path("names.csv").write_text("x,w\n1,2\n")
    Path("data.csv").write_text("x,y\n1,2\n")
    assert "no column 'w'" in fails("predict", "names.csv", "data.csv", "--output", "out")


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_several_files_are_clustered_like_one(run, rows, dtype):
    whole = rows.astype(np.float64)
    np.save("all.npy", whole)
    np.save("first.npy", whole[:50])
    np.save("others.npy", whole[50:])
    stated = () if dtype is None else ("--dtype", dtype)
    for files, prefix in ((["all.npy"], "one"), (["first.npy", "others.npy"], "two")):
        code, out, _ = run("cluster", *files, "-k", 3, "--seed", 0, "--output", prefix, *stated)
        assert code == 0
    assert "first.npy, others.npy: 90 rows" in out
    for what in ("labels", "centroids"):
        one, two = (np.load(f"{prefix}.{what}.npy") for prefix in ("one", "two"))
        np.testing.assert_array_equal(one, two, strict=True)


def test_summary_agrees_with_the_library(run, rows):
    np.save("data.npy", rows)
    _, out, _ = run("cluster", "data.npy", "-k", 6, "--seed", 1, "--minit", "points", "--iter", 2)
    start, _ = kmeans2(rows, 6, iter=1, minit="points", rng=1)
    result = fit(rows, start, max_iter=1)
    found = fields(out)
    assert found["inertia"] == repr(result.inertia)
    assert found["passes"] == "2, not converged (--iter allows more)"
    assert [cells[2:] for cells in listed(out)[1:]] == [[f"{x:.6g}" for x in c] for c in result.centers]


def test_what_was_assumed_about_a_text_file_is_printed(run):
    Path("data.csv").write_text("name;x;y\nanna;1,5;2\nben;3;4,5\ncy;;1\n")
    code, out, _ = run("cluster", "data.csv", "-k", 1, "--na", "drop", "--output", "out", "--format", "csv")
    assert code == 0
    assert fields(out)["read"] == (
        "columns separated by ';', decimal comma, a header; left out, as it holds text: name; "
        "1 of 3 rows left out, as values are missing"
    )
    assert Path("out.labels.csv").read_text() == "0\n0\n-1\n"
    assert Path("out.centroids.csv").read_text() == "x,y\n2.25,3.25\n"


def test_what_is_stated_about_a_text_file_counts(run):
    Path("data.csv").write_text("0:1\n2:3\n4:5\n")
    _, out, _ = run("cluster", "data.csv", "-k", 1, "--sep", ":", "--header", "yes", "--seed", 0)
    assert fields(out)["input"] == "data.csv: 2 rows of 2 columns, float64"
    assert listed(out)[0] == ["cluster", "rows", "0", "1"]
    assert run("cluster", "data.csv", "-k", 1, "--sep", "::")[2].endswith(
        "not one character, 'tab' or 'blanks': '::'\n"
    )


def test_transparent_pixels_count_less(run):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0], pixels[0, :, 3] = (10, 20, 200), (255, 255, 0)
    Image.fromarray(pixels).save("in.png")
    _, out, _ = run("cluster", "in.png", "-k", 1)
    assert fields(out)["read"] == "pixels are weighted by their opacity"
    assert listed(out)[1][2:] == ["15", "0", "0"]
    assert run("cluster", "in.png", "-k", 1, "--minit", "points")[0] == 0
    code, _, err = run("cluster", "in.png", "-k", 1, "--minit", "random")
    assert code == 2
    assert "--minit random takes no weights, which transparent pixels have: use points or ++" in err


def test_the_printed_seed_reproduces_the_run(run, rows):
    np.save("data.npy", rows)
    _, out, _ = run("cluster", "data.npy", "-k", 9, "--iter", 1, "--output", "first")
    seed = re.search(r"--seed (\d+)", out)[1]
    _, again, _ = run("cluster", "data.npy", "-k", 9, "--iter", 1, "--output", "second", "--seed", seed)
    assert listed(out) == listed(again)
    assert Path("first.labels.npy").read_bytes() == Path("second.labels.npy").read_bytes()
    _, other, _ = run("cluster", "data.npy", "-k", 9, "--iter", 1)
    assert re.search(r"--seed (\d+)", other)[1] != seed


def test_csv_is_read_and_written(run):
    Path("in.csv").write_text("name,x,y\na,1,0.5\nb,2,0.5\nc,30,7\n", encoding="utf-8")
    code, out, _ = run(
        *("cluster", "in.csv", "-k", 2, "--minit", "points", "--seed", 0),
        *("--columns", "y,x", "--output", "out", "--format", "csv"),
    )
    assert code == 0
    assert listed(out)[0] == ["cluster", "rows", "y", "x"]
    labels = Path("out.labels.csv").read_text().split()
    head, *centers = Path("out.centroids.csv").read_text().splitlines()
    assert head == "y,x"
    assert sorted(centers) == ["0.5,1.5", "7.0,30.0"]
    assert labels[0] == labels[1] != labels[2]
    assert centers[int(labels[2])] == "7.0,30.0"
    assert {path.name for path in Path.cwd().iterdir()} == {"in.csv", "out.labels.csv", "out.centroids.csv"}
    assert [line for line in out.splitlines() if line.startswith("written")] == [
        "written   out.labels.csv",
        "written   out.centroids.csv",
    ]


def test_picked_columns_of_an_npz_are_called_by_their_number(run, rows):
    np.savez("data.npz", a=rows, b=rows[:, :1])
    code, out, _ = run("cluster", "data.npz", "-k", 2, "--array", "a", "--columns", "2,0")
    assert code == 0
    assert listed(out)[0] == ["cluster", "rows", "column 2", "column 0"]
    code, out, _ = run("cluster", "data.npz", "-k", 1, "--array", "b")
    assert fields(out)["input"] == "data.npz: 90 rows of 1 column, float64"


def test_many_clusters_and_columns_are_cut(run):
    np.save("data.npy", np.random.default_rng(0).normal(size=(40, 11)))
    _, out, _ = run("cluster", "data.npy", "-k", 20, "--minit", "points")
    table = listed(out)
    assert table[0] == ["cluster", "rows", *(f"column {c}" for c in range(8)), "..."]
    assert [cells[0] for cells in table[1:]] == [*map(str, range(12)), "... and 8 more"]


def test_empty_clusters_are_reported(run):
    np.save("data.npy", np.array([[1.0], [1.0], [5.0]]))
    code, out, _ = run("cluster", "data.npy", "-k", 4, "--seed", 0)
    assert code == 0
    assert fields(out)["empty"] == "2 clusters of 4 without a row"
    assert sorted(cells[1] for cells in listed(out)[1:]) == ["0", "0", "1", "2"]


def test_a_table_is_plotted(run):
    code, out, err = run("cluster", "--seed", 1, "--plot", "plot.png")
    assert (code, err) == (0, "")
    assert "written   plot.png\n" in out
    with Image.open("plot.png") as image:
        assert min(image.size) > 500
        image.load()


def test_a_picture_is_clustered_by_color(run):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 15:] = (250, 100, 0)
    Image.fromarray(pixels).save("in.png")
    options = ("-k", 2, "--dtype", "float32", "--output", "out", "--plot", "out.png")
    code, out, err = run("cluster", "in.png", *options)
    assert (code, err) == (0, "")
    assert fields(out)["input"] == "in.png: 30 x 20 pixels, 600 rows of 3 columns, float32"
    assert listed(out)[0] == ["cluster", "rows", "red", "green", "blue"]
    assert np.load("out.labels.npy").shape == (600,)
    centers = np.load("out.centroids.npy")
    np.testing.assert_array_equal(centers[centers[:, 0].argsort()], [[0, 0, 0], [250, 100, 0]])
    with Image.open("out.png") as image:
        assert image.width > image.height


@pytest.mark.parametrize("values", [[[1e300], [2.0]], [[3e307, -3e307], [-3e307, 3e307]]])
def test_huge_values_are_clustered_without_warnings(run, values):
    np.save("data.npy", values)
    for minit in ("points", "++"):
        code, out, err = run("cluster", "data.npy", "-k", 2, "--minit", minit)
        assert (code, err) == (0, "")
        assert fields(out)["passes"].endswith("converged")


# --- Errors


def test_usage_errors_say_what_is_wrong(fails, rows):
    np.save("data.npy", rows)
    assert fails() == "the following arguments are required: {cluster,sweep,predict,warmup,info}"
    assert "invalid choice: 'frobnicate'" in fails("frobnicate")
    assert fails("cluster", "data.npy") == "-k is required with a FILE"
    assert fails("cluster", "--array", "x") == "--array needs a FILE"
    assert fails("cluster", "data.npy", "-k", 0) == "argument -k: must be at least 1, got 0"
    assert fails("cluster", "data.npy", "-k", "two") == "argument -k: not a whole number: 'two'"
    assert fails("cluster", "-k", 2**31) == "argument -k: must be at most 2147483647, got 2147483648"
    assert fails("cluster", "--iter", 0) == "argument --iter: must be at least 1, got 0"
    assert fails("cluster", "--seed", -1) == "argument --seed: must be at least 0, got -1"
    assert "invalid choice: 'matrix'" in fails("cluster", "--minit", "matrix")
    assert fails("cluster", "--see=1") == "unrecognized arguments: --see=1"
    assert (
        fails("cluster", "data.npy", "-k", 91, "--minit", "points")
        == "--minit points: 91 clusters (-k), but only 90 rows"
    )
    assert fails("cluster", "--columns", "7") == "--columns: no column 7; there are 2, counted from 0"


def test_input_errors_say_what_is_wrong(fails):
    assert fails("cluster", "none.csv", "-k", 2) == "none.csv: No such file or directory"
    Path("bad.csv").write_text("x,y\n1,2\n3,abc\n")
    message = "bad.csv, line 3, column 1 counted from 0 (y): not a number: 'abc'"
    assert fails("cluster", "bad.csv", "-k", 2) == message
    Path("nan.csv").write_text("x,y\n1,2\n3,nan\n")
    assert fails("cluster", "nan.csv", "-k", 1) == (
        "nan.csv, line 3, column 1 counted from 0 (y): a missing value ('nan'); "
        "--na drop leaves such rows out"
    )
    np.save("inf.npy", [[1, 2], [-np.inf, 3]])
    assert (
        fails("cluster", "inf.npy", "-k", 1) == "-inf cannot be clustered (column 0, row 1, counted from 0)"
    )
    np.save("big.npy", [[1, 2, 1e39]])
    options = ("-k", 1, "--dtype", "float32", "--columns", "1-2")
    message = "1e+39 does not fit into float32 (column 2, row 0, counted from 0)"
    assert fails("cluster", "big.npy", *options) == message
    np.save("complex.npy", np.ones((2, 2), complex))
    assert "must hold real numbers" in fails("cluster", "complex.npy", "-k", 1)
    Path("line\nbreak.csv").write_text("")
    assert fails("cluster", "line\nbreak.csv", "-k", 1) == "line break.csv: is empty"


def test_data_too_large_for_minit_random_is_an_error(fails):
    np.save("data.npy", [[1.7e308] * 4, [-1.7e308] * 4, [-1.7e308] * 4])
    message = "the data are too large for --minit random: a center overflows"
    assert fails("cluster", "data.npy", "-k", 2, "--minit", "random") == message


def test_too_many_rows_are_an_error(fails, monkeypatch):
    monkeypatch.setattr(_inputs, "MAX_SAMPLES", 272)
    assert fails("cluster") == "the input has 272 rows; fewer than 272 are supported"


@pytest.fixture
def idle(monkeypatch):
    """Fail if clustering starts."""
    monkeypatch.setattr(command, "_run", lambda *_arguments: pytest.fail("the clustering was started"))


@pytest.mark.usefixtures("idle")
def test_outputs_are_checked_before_the_clustering(fails, rows):
    np.save("data.npy", rows)
    Path("data.png").mkdir()
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save("in.png")
    assert fails("cluster", "--output", "gone/x") == f"{Path('gone/x.labels.npy')}: there is no folder gone"
    assert "there is no folder gone" in fails("cluster", "--plot", "gone/x.png")
    for folder in (".", "..", "data.png/", ""):
        assert "is a folder; add the beginning of a file's name" in fails("cluster", "--output", folder)
    assert fails("cluster", "--plot", "data.png") == "data.png: already exists and is not a regular file"
    assert (
        fails("cluster", "in.png", "-k", 2, "--plot", "in.png")
        == "in.png: is an input file, which would be overwritten"
    )
    for name in ("plot", "plot.xyz"):
        assert fails("cluster", "--plot", name).startswith("--plot: the name must end in one of .")
    np.save("huge.npy", rows * 1e150)
    assert (
        fails("cluster", "huge.npy", "-k", 2, "--plot", "x.png") == "--plot cannot draw values beyond 1e+100"
    )


@pytest.mark.usefixtures("idle")
def test_a_plot_needs_matplotlib(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "numbakmeans._cli.plot", raising=False)
    monkeypatch.delattr(numbakmeans._cli, "plot", raising=False)
    assert fails("cluster", "--plot", "x.png").startswith("for --plot, install the package matplotlib (")


def test_a_picture_needs_pillow(fails, monkeypatch):
    Path("a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert fails("cluster", "a.png", "-k", 2).startswith(
        "a.png: to read pictures, install the package pillow ("
    )


@pytest.mark.usefixtures("idle")
def test_a_missing_threading_layer_is_an_error(fails, monkeypatch):
    def threads():
        raise ValueError("No threading layer could be loaded.\nHINT:\nget one")

    monkeypatch.setattr(_runtime, "threads", threads)
    assert fails("cluster") == "No threading layer could be loaded. HINT: get one"


def test_a_full_disk_is_an_error(fails, monkeypatch):
    def write_centers(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_outputs, "write_centers", write_centers)
    message = "cannot write x.labels.npy, x.centroids.npy: No space left on device"
    assert fails("cluster", "--output", "x") == message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 9 EiB"), "not enough memory: Unable to allocate 9 EiB"),
        (MemoryError(), "not enough memory"),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "a.csv: Permission denied"),
        (OSError("strange"), "strange"),
    ],
)
def test_system_errors_are_told_on_one_line(fails, monkeypatch, error, message):
    def shipped(columns):
        raise error

    monkeypatch.setattr(_files, "shipped", shipped)
    assert fails("cluster") == message


def test_our_own_bugs_are_not_hidden(run, monkeypatch):
    monkeypatch.setattr(command, "_run", lambda *_arguments: {}["mistake"])
    with pytest.raises(KeyError, match="mistake"):
        run("cluster")


# --- Ctrl-C, terminals and pipes


def test_ctrl_c_while_writing_leaves_no_file(run, monkeypatch):
    def write_centers(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_outputs, "write_centers", write_centers)
    assert run("cluster", "--output", "x") == (130, "", "")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and SIGINT are POSIX")
def test_ctrl_c_during_the_passes_clears_the_line_and_leaves_no_file(tmp_path):
    np.save(tmp_path / "data.npy", np.random.default_rng(0).random((100_000, 8)))
    ours, theirs = os.openpty()
    options = ("-k", "200", "--iter", "1000000", "--output", "out", "--plot", "out.png")
    process = subprocess.Popen(
        [*COMMAND, "cluster", "data.npy", *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 100
    while not re.search(rb"pass \d+ of 1000000 \[-{20}\] \d+ rows moved", shown):
        assert time.monotonic() < deadline, shown
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    rest = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # on Linux, no process has the terminal open any more
            break
        if not piece:
            break
        rest += piece
    os.close(ours)
    assert b"\n" not in shown + rest
    assert re.search(rb"\r +\r$", shown + rest)
    assert list(tmp_path.iterdir()) == [tmp_path / "data.npy"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_that_is_cleared(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "PROGRESS_EVERY", 0)
    code, out, _ = run("cluster", "--seed", 1)
    assert code == 0
    shown = terminal.getvalue()
    assert "\n" not in shown
    states = shown.split("\r")
    assert states[0] == ""
    assert states[1] == "choosing 2 centers"
    n_passes = int(fields(out)["passes"].split(",")[0])
    passes = [
        re.fullmatch(r"pass (\d+) of 100 \[(#*)-*\] (\d+) rows moved *", state) for state in states[2:-2]
    ]
    assert [int(match[1]) for match in passes] == list(range(1, n_passes + 1))
    assert [len(match[2]) for match in passes] == [n // 5 for n in range(1, n_passes + 1)]
    assert passes[0][3] == "272"
    assert passes[-1][3] == "0"
    # Each state covers the previous one; the last is blank.
    widths = [len(state) for state in states[1:-1]]
    assert widths == sorted(widths)
    assert states[-2].strip() == states[-1] == ""


def test_progress_is_rate_limited(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "PROGRESS_EVERY", 1e9)
    assert run("cluster")[0] == 0
    assert terminal.getvalue().split("\r")[1:] == ["choosing 2 centers", " " * len("choosing 2 centers"), ""]


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path):
    (tmp_path / "in.csv").write_text("größe,大小\n1,2\n3,4\n", encoding="utf-8")
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*COMMAND, "cluster", "in.csv", "-k", "2"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"gr\xf6\xdfe" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("cluster",), ("--help",), ("--version",)])
def test_a_closed_pipe_gives_no_traceback(arguments, unbuffered):
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *arguments], env=environment, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_for_the_output_is_an_error():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "cluster"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"numbakmeans: error: No space left on device\n")


def test_it_runs_without_standard_streams(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["cluster", "--output", "x"]) == 0
    assert Path("x.labels.npy").exists()


def test_it_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [*COMMAND, "cluster", "--seed", "1"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("input     Old Faithful")
    assert list(tmp_path.iterdir()) == []
    done = subprocess.run(
        [*COMMAND, "cluster", "--iter", "0"], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numbakmeans: error: argument --iter: must be at least 1, got 0\n"


# --- info, version, help


def test_info_tells_about_caches_and_threads(run, tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "trouble", "OSError: something odd")
    (tmp_path / "full").mkdir()
    for name in ("one-1", "two-2", ".half"):
        (tmp_path / "full" / name).touch()
    (tmp_path / "plain").touch()
    folders = (tmp_path / "full", tmp_path / "none", tmp_path / "plain")
    canonical_ran = run("info")  # compiles before the folders are exchanged
    assert canonical_ran[0] == 0
    monkeypatch.setattr(_cache, "folders", lambda: folders)
    code, out, err = run("info")
    assert (code, err) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in out.splitlines()]
    found = dict(lines)
    assert found["numbakmeans"] == numbakmeans.__version__
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["numpy"] == np.__version__
    assert found["numba"] == numba.__version__
    assert found["llvmlite"] == llvmlite.__version__
    assert found["threading layer"] == numba.threading_layer()
    assert found["threads"] == str(numba.get_num_threads())
    assert found["processor"] == llvmlite.binding.get_host_cpu_name()
    assert [value for name, value in lines if name == "code cache"] == [
        f"{folders[0]}: 2 compiled functions, 0.0 MB",
        f"{folders[1]}: not there",
        f"{folders[2]}: unreadable ({os.strerror(errno.ENOTDIR)})",
    ]
    state = re.fullmatch(
        r"of this command's code: (\d+) loaded, (\d+) stored, (\d+) could not be kept", found["cache state"]
    )
    assert tuple(map(int, state.groups())) == (_cache.loaded, _cache.stored, _cache.lost)
    assert found["cache trouble"] == "OSError: something odd"


def test_info_runs_without_cache_and_threads(run, monkeypatch):
    def threads():
        raise ValueError("No threading layer could be loaded.\nHINT:\nget one")

    monkeypatch.setattr(_runtime, "threads", threads)
    monkeypatch.setattr(_cache, "folders", lambda: ())
    monkeypatch.setattr(_cache, "trouble", "")
    code, out, _ = run("info")
    assert code == 0
    assert "threading layer  none: No threading layer could be loaded. HINT: get one\n" in out
    assert "code cache       off\n" in out
    assert "cache state      compiled code is not kept\n" in out
    assert "cache trouble    none\n" in out


def test_version_is_printed(run):
    assert run("--version") == (0, f"numbakmeans {numbakmeans.__version__}\n", "")


def test_help_names_every_option(run):
    code, out, err = run("cluster", "--help")
    assert (code, err) == (0, "")
    for option in (
        *("-k", "--minit", "--iter", "--seed", "--restarts", "--standardize", "--dtype", "--array"),
        *("--columns", "--output", "--format", "--append", "--json", "--plot"),
    ):
        assert f"  {option}" in out
    code, out, _ = run("--help")
    assert code == 0
    assert "cluster the rows" in out
    assert "code cache" in out


def test_help_and_wrong_usage_import_neither_numpy_nor_numba():
    script = """
import sys
from numbakmeans._cli.main import main
for arguments in (["--help"], ["cluster", "--help"], ["--version"], ["cluster", "--iter", "0"], []):
    main(arguments)
print("imported:", {"numpy", "numba", "matplotlib", "PIL"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [["numbakmeans", " error"]] * 2
    assert done.stdout.splitlines()[-1] == "imported: set()"
