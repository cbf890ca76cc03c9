"""``numbakmeans cluster``: what it prints and writes."""

import json
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image
from support.command_line import fields, listed

from numbakmeans import Blocks, fit, kmeans2, whiten
from numbakmeans._cli import inputs as _inputs
from numbakmeans._engine import thresholds as at
from numbakmeans._engine.samples import Samples
from numbakmeans._numba import runtime as _runtime


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
