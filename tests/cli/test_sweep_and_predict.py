"""``numbakmeans sweep`` and ``numbakmeans predict``."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.command_line import listed

from numbakmeans import choose_k


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
