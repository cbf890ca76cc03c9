"""The pictures of the command line. Imported only when one is asked for: Matplotlib is optional."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from numbakmeans._choosing import Choice
from numbakmeans._engine.fit import FitResult

#: Rows drawn at most: more make a larger file, and no other picture.
MAX_DRAWN = 50_000
#: Clusters that get a name beside the picture.
MAX_NAMED = 12
#: Values beyond this overflow in Matplotlib's own arithmetic.
LARGEST = 1e100
#: Rows that the directions of most variance are found from, at most.
MAX_DIRECTED = 5000
#: Colors that are told apart in any kind of color vision (Okabe and Ito 2008), on light and dark grounds.
FEW = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
#: How light red, green and blue look.
LUMINANCE = np.array([0.299, 0.587, 0.114])
#: A dark line, and what is marked on it: told apart in any kind of color vision.
_DARK, _MARK = "#24507a", "#d55e00"


def formats() -> list[str]:
    """Return the endings that a plot can have, with their dots."""
    return [f".{name}" for name in FigureCanvasAgg.filetypes]


def draw(
    values: np.ndarray,
    result: FitResult,
    headings: Sequence[str],
    picture: tuple[int, int] | None = None,
) -> Figure:
    """Return a picture of a clustering.

    A scatter of two columns with the centers, or of more along the two directions in which they vary most; a
    histogram of a single column; of a picture (height, width), the same in the colors of the centers, and
    these. headings : what to call the columns
    """
    if picture is not None:
        return _colors(values, result, picture)
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if values.shape[1] == 1:
        _histogram(axes, values[:, 0], result)
        axes.set_ylabel("rows")
    else:
        headings = _scatter(axes, values, result, headings)
        axes.set_ylabel(headings[1], parse_math=False)
    axes.set_xlabel(headings[0], parse_math=False)
    counts = ((len(result.centers), "cluster"), (len(values), "row"))
    axes.set_title(" of ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts))
    sizes = np.bincount(result.labels, minlength=len(result.centers))
    if len(result.centers) <= MAX_NAMED:
        mark: dict[str, Any] = {
            "marker": "X",
            "markersize": 11,
            "markeredgecolor": "black",
            "linestyle": "none",
        }
        for j, color in enumerate(_palette(len(result.centers))):
            axes.plot([], [], color=color, label=f"center {j}: {sizes[j]:,}", **mark)
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def draw_sweep(choice: Choice) -> Figure:
    """Return curves of the inertia, with its elbow, and of the silhouette, over the number of clusters."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    sides = (
        ("inertia", choice.inertia, choice.elbow, "elbow"),
        ("simplified silhouette", choice.silhouette, choice.best, "largest"),
    )
    for axes, (title, values, marked, word) in zip(figure.subplots(1, 2), sides, strict=True):
        axes.plot(choice.k, values, color=_DARK, marker="o", markersize=5)
        at = int(np.flatnonzero(choice.k == marked)[0])
        if np.isfinite(values[at]):
            axes.plot(marked, values[at], "o", markersize=14, markerfacecolor="none", color=_MARK)
            axes.annotate(f"{word}: {marked}", (marked, values[at]), (12, 10), textcoords="offset points")
        axes.set_title(title)
        axes.set_xlabel("clusters")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.margins(0.08, 0.15)
    return figure


def save(figure: Figure, file: BinaryIO, ending: str) -> None:
    """Write a picture; ending is one of `formats`."""
    with warnings.catch_warnings():
        # A column's name may have letters that the font has not: they come out as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(file, format=ending.lower().removeprefix("."), dpi=150)


def _palette(count: int) -> Any:
    """Return a color (RGBA) for each cluster; people who see fewer colors can tell few of them apart, too."""
    if count <= len(FEW):
        return matplotlib.colors.to_rgba_array(FEW[:count])
    if count <= 20:
        return matplotlib.colormaps["tab20"](np.arange(count))
    return matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, count))


def _scatter(axes: Any, values: Any, result: FitResult, headings: Sequence[str]) -> Sequence[str]:
    """Draw rows and centers in a plane; return what to call its axes."""
    drawn = np.arange(0, len(values), -(-len(values) // MAX_DRAWN))
    rows, centers = np.asarray(values[drawn], np.float64), result.centers.astype(np.float64)
    if rows.shape[1] > 2:
        rows, centers, headings = _in_a_plane(rows, centers)
    palette = _palette(len(result.centers))
    labels = result.labels[drawn]
    # One call for all rows: cluster by cluster, the last would lie on top of the others.
    axes.scatter(rows[:, 0], rows[:, 1], c=palette[labels], s=14, alpha=0.7, linewidths=0)
    axes.scatter(centers[:, 0], centers[:, 1], c=palette, s=130, marker="X", edgecolors="black")
    return headings


def _in_a_plane(rows: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return rows and centers along the two principal components of the rows, and what these are called."""
    # A scale at which squares neither overflow nor vanish.
    scale = np.abs(rows).max() or 1.0
    mean = (rows / scale).mean(0)
    some = rows[:: -(-len(rows) // MAX_DIRECTED)] / scale - mean
    _, lengths, directions = np.linalg.svd(some, full_matrices=False)
    directions = np.vstack([directions, np.eye(2, rows.shape[1])])[:2]
    lengths = np.append(lengths, [0.0, 0.0])
    # The largest part of each points upwards, whatever the decomposition chose.
    largest = np.abs(directions).argmax(1)
    directions *= np.where(directions[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    shares = 100 * lengths[:2] ** 2 / max((lengths**2).sum(), np.finfo(float).tiny)
    names = [f"principal component {c + 1} ({share:.0f}% of the variance)" for c, share in enumerate(shares)]
    flat = [scale * ((points / scale - mean) @ directions.T) for points in (rows, centers)]
    return flat[0], flat[1], names


def _histogram(axes: Any, values: np.ndarray, result: FitResult) -> None:
    n_clusters, n_bins = len(result.centers), min(100, max(10, round(len(values) ** 0.5)))
    palette = _palette(n_clusters)
    edges = np.histogram_bin_edges(values, bins=n_bins)
    bins = np.searchsorted(edges[1:-1], values, side="right")
    counts = np.bincount(result.labels.astype(np.int64) * n_bins + bins, minlength=n_clusters * n_bins)
    # Cluster upon cluster: two can share a bin.
    tops = counts.reshape(n_clusters, n_bins).cumsum(0)
    for j, top in enumerate(tops):
        below = tops[j - 1] if j else np.zeros(n_bins)
        axes.stairs(top, edges, baseline=below, fill=True, color=palette[j], alpha=0.6)
    highest = 1.05 * tops[-1].max()
    for width, colors in ((3.5, "black"), (2, palette)):
        axes.vlines(result.centers[:, 0], 0, highest, colors=colors, linewidth=width)
    axes.set_ylim(0, highest)


def _colors(values: np.ndarray, result: FitResult, picture: tuple[int, int]) -> Figure:
    height, width = picture
    side = min(max(5 * height / width, 1), 20)
    figure = Figure(figsize=(10, side + 1), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplot_mosaic([["left", "right"], ["strip", "strip"]], height_ratios=[side, 0.4])
    colors = np.clip(np.rint(result.centers), 0, 255).astype(np.uint8)
    sides = (("original", values.astype(np.uint8)), (f"{len(colors)} colors", colors[result.labels]))
    for axes, (title, pixels) in zip((places["left"], places["right"]), sides, strict=True):
        axes.imshow(pixels.reshape(height, width, 3))
        axes.set_title(title)
        axes.set_axis_off()
    # The palette, from dark to light, each color as wide as it is frequent.
    sizes = np.bincount(result.labels, minlength=len(colors))
    order = np.argsort(colors @ LUMINANCE, kind="stable")
    ends = np.cumsum(sizes[order])
    strip = places["strip"]
    strip.barh(0, sizes[order], left=ends - sizes[order], height=1, color=colors[order] / 255)
    strip.set(xlim=(0, ends[-1]), ylim=(-0.5, 0.5))
    strip.set_axis_off()
    return figure
