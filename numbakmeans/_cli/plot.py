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

    A scatter of the first two columns with the centers; a histogram of a single column; of a picture
    (height, width), the same in the colors of the centers. headings : what to call the columns
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
        _scatter(axes, values, result)
        axes.set_ylabel(headings[1], parse_math=False)
    axes.set_xlabel(headings[0], parse_math=False)
    counts = ((len(result.centers), "cluster"), (len(values), "row"))
    axes.set_title(" of ".join(f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts))
    if len(result.centers) <= MAX_NAMED:
        mark: dict[str, Any] = {
            "marker": "X",
            "markersize": 11,
            "markeredgecolor": "black",
            "linestyle": "none",
        }
        for j, color in enumerate(_palette(len(result.centers))):
            axes.plot([], [], color=color, label=f"center {j}", **mark)
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
    """Return a color (RGBA) for each cluster."""
    if count <= 20:
        return matplotlib.colormaps["tab10" if count <= 10 else "tab20"](np.arange(count))
    return matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, count))


def _scatter(axes: Any, values: np.ndarray, result: FitResult) -> None:
    drawn = np.arange(0, len(values), -(-len(values) // MAX_DRAWN))
    palette = _palette(len(result.centers))
    labels = result.labels[drawn]
    # One call for all rows: cluster by cluster, the last would lie on top of the others.
    axes.scatter(values[drawn, 0], values[drawn, 1], c=palette[labels], s=14, alpha=0.7, linewidths=0)
    x, y = result.centers[:, :2].T
    axes.scatter(x, y, c=palette, s=130, marker="X", edgecolors="black")


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
    figure = Figure(figsize=(10, min(max(5 * height / width, 1), 20) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    colors = np.clip(np.rint(result.centers), 0, 255).astype(np.uint8)
    sides = (("original", values.astype(np.uint8)), (f"{len(colors)} colors", colors[result.labels]))
    for axes, (title, pixels) in zip(figure.subplots(1, 2), sides, strict=True):
        axes.imshow(pixels.reshape(height, width, 3))
        axes.set_title(title)
        axes.set_axis_off()
    return figure
