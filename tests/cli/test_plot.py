"""What the plots show."""

import io

import numpy as np
import pytest
from matplotlib import colors
from PIL import Image
from sklearn.decomposition import PCA

from numbakmeans import FitResult, choose_k, fit
from numbakmeans._cli import plot as _plot


def clustered(values, k):
    return fit(values, values[:k])


def png(figure):
    file = io.BytesIO()
    _plot.save(figure, file, ".PNG")
    file.seek(0)
    return np.asarray(Image.open(file).convert("RGB"))


def has_color(pixels, color):
    """Return whether some pixels have about this color."""
    return (abs(pixels.astype(int) - np.rint(255 * np.asarray(colors.to_rgb(color)))).max(2) <= 2).sum() > 20


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(100, 3)), rng.normal(size=(50, 3)) + 8])[rng.permutation(150)]


def test_scatter_shows_rows_and_centers(rows):
    rows = rows[:, :2]
    result = clustered(rows, 2)
    figure = _plot.draw(rows, result, ["width", "height"])
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width", "height")
    assert axes.get_title() == "2 clusters of 150 rows"
    points, centers = axes.collections
    np.testing.assert_array_equal(points.get_offsets(), rows)
    np.testing.assert_array_equal(centers.get_offsets(), result.centers)
    own = centers.get_facecolor()[:, :3]
    assert len(np.unique(own, axis=0)) == 2
    np.testing.assert_array_equal(points.get_facecolor()[:, :3], own[result.labels])
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == [f"center {j}: {np.count_nonzero(result.labels == j)}" for j in range(2)]
    pixels = png(figure)
    assert all(has_color(pixels, color) for color in own)


def test_scatter_of_many_rows_draws_some_of_them(monkeypatch, rows):
    monkeypatch.setattr(_plot, "MAX_DRAWN", 40)
    figure = _plot.draw(rows[:, :2], clustered(rows[:, :2], 2), ["x", "y"])
    np.testing.assert_array_equal(figure.axes[0].collections[0].get_offsets(), rows[::4, :2])


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e99])
def test_more_than_two_columns_are_drawn_along_their_principal_components(rows, scale):
    values = np.column_stack([rows, rows[:, 0] - rows[:, 1], np.zeros(len(rows))]) * scale
    result = clustered(values, 2)
    figure = _plot.draw(values, result, list("abcde"))
    (axes,) = figure.axes
    right = PCA(2).fit(values / scale)
    points, centers = (collection.get_offsets() for collection in axes.collections)
    for found, given in ((points, values), (centers, result.centers)):
        theirs = right.transform(given / scale)
        np.testing.assert_allclose(np.abs(found / scale), np.abs(theirs), rtol=1e-6, atol=1e-9)
    names = [
        f"principal component {c + 1} ({100 * share:.0f}% of the variance)"
        for c, share in enumerate(right.explained_variance_ratio_)
    ]
    assert [axes.get_xlabel(), axes.get_ylabel()] == names


@pytest.mark.parametrize("rows", [np.ones((3, 4)), np.arange(4.0).reshape(1, 4), np.eye(2, 3)])
def test_rows_that_span_no_plane_are_drawn(rows):
    assert png(_plot.draw(rows, clustered(rows, 1), list("abcd"))).size


def test_a_sweep_shows_its_curves_and_marks(rows):
    choice = choose_k(rows, range(1, 6), rng=0)
    figure = _plot.draw_sweep(choice)
    for axes, values, marked in zip(
        figure.axes, (choice.inertia, choice.silhouette), (choice.elbow, choice.best), strict=True
    ):
        curve, mark = axes.lines
        np.testing.assert_array_equal(curve.get_xydata(), np.column_stack([choice.k, values]))
        assert mark.get_xdata()[0] == marked == 2
        assert axes.texts[0].get_text().endswith(": 2")
    assert has_color(png(figure), _plot._MARK)


@pytest.mark.parametrize("whole_numbers", [False, True])
def test_histogram_counts_every_row_once(rows, whole_numbers):
    values = rows[:, :1]
    if whole_numbers:  # on the edges of the bins
        values = np.arange(100.0).reshape(-1, 1) % 11
    result = clustered(values, 3)
    figure = _plot.draw(values, result, ["minutes"])
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("minutes", "rows")
    steps = [patch.get_data() for patch in axes.patches]
    heights = np.array([step.values - step.baseline for step in steps])
    np.testing.assert_array_equal(heights.sum(1), np.bincount(result.labels))
    for j, step in enumerate(steps):
        expected, _ = np.histogram(values[result.labels == j], step.edges)
        np.testing.assert_array_equal(heights[j], expected)
    np.testing.assert_array_equal(steps[1].baseline, steps[0].values)
    low, high = axes.get_ylim()
    assert low == 0
    assert high == pytest.approx(1.05 * heights.sum(0).max())
    border, lines = axes.collections
    for drawn in (border, lines):
        np.testing.assert_array_equal([path[0, 0] for path in drawn.get_segments()], result.centers[:, 0])
    pixels = png(figure)
    assert all(has_color(pixels, color[:3]) for color in lines.get_color())


@pytest.mark.parametrize("shape", [(4, 6), (1, 50), (50, 1)])
def test_a_picture_is_drawn_next_to_itself_in_few_colors(shape):
    pixels = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rows = pixels.reshape(-1, 3).astype(np.float64)
    result = clustered(rows, 3)
    figure = _plot.draw(rows, result, ["red", "green", "blue"], shape)
    left, right, strip = figure.axes
    widths = [patch.get_width() for patch in strip.patches]
    assert sorted(widths) == sorted(np.bincount(result.labels))
    np.testing.assert_array_equal(left.images[0].get_array(), pixels)
    shown = right.images[0].get_array()
    np.testing.assert_array_equal(shown, np.rint(result.centers)[result.labels].reshape(pixels.shape))
    assert (left.get_title(), right.get_title()) == ("original", "3 colors")
    assert png(figure).size


def test_colors_out_of_range_are_clipped():
    result = FitResult(np.array([[0.4, 0.6, 300.0], [-5.0, 0, 0]]), np.zeros(1, np.int32), 0.0, 1, True, 1)
    figure = _plot.draw(np.zeros((1, 3)), result, ["red", "green", "blue"], (1, 1))
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), [[[0, 1, 255]]])


@pytest.mark.parametrize("k", [1, 8, 9, 20, 21, 150])
def test_each_cluster_has_a_color_of_its_own(rows, k):
    figure = _plot.draw(rows, clustered(rows, k), ["x", "y", "z"])
    own = figure.axes[0].collections[1].get_facecolor()
    assert len(np.unique(own, axis=0)) == k
    assert len(figure.legends) == (k <= _plot.MAX_NAMED)


def test_names_are_not_formulas_and_may_have_any_letter(rows):
    headings, rows = [r"$\frac$", "\u5927\u5c0f"], rows[:, :2]
    figure = _plot.draw(rows, clustered(rows, 2), headings)
    assert png(figure).size
    assert figure.axes[0].get_xlabel() == headings[0]


@pytest.mark.parametrize("scale", [0.0, 5e-324, 1e-300, 1e99])
@pytest.mark.parametrize("n_columns", [1, 2])
def test_values_of_any_size_are_drawn(rows, scale, n_columns):
    values = rows[:, :n_columns] * scale
    assert png(_plot.draw(values, clustered(values, 2), ["x", "y"])).size


def test_one_row_is_drawn():
    values = np.array([[1.0, 2.0]])
    figure = _plot.draw(values, clustered(values, 1), ["x", "y"])
    assert figure.axes[0].get_title() == "1 cluster of 1 row"
    assert png(figure).size


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml"), (".JPG", b"\xff\xd8")]
)
def test_a_plot_has_the_format_of_its_ending(rows, ending, start):
    assert ending.lower() in _plot.formats()
    file = io.BytesIO()
    _plot.save(_plot.draw(rows, clustered(rows, 2), ["x", "y", "z"]), file, ending)
    assert file.getvalue().startswith(start)
