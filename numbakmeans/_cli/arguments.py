"""The arguments of all commands; each is run by the module of its name. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from numbakmeans import __version__
from numbakmeans._cli.console import UsageError, say

#: The largest label is an int32.
MAX_CLUSTERS = 2**31 - 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def _print_message(self, message: str, _file: Any = None) -> None:
        say(message)  # argparse would hide an error of the output


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = _Parser(prog="numbakmeans", description="Exact k-means on all cores.", allow_abbrev=False)
    whole.add_argument("--version", action="version", version=f"numbakmeans {__version__}")
    names = [name for name, _, _, _ in COMMANDS]
    commands = whole.add_subparsers(dest="command", metavar=f"{{{','.join(names)}}}", required=True)
    for name, summary, description, add in COMMANDS:
        add(commands.add_parser(name, allow_abbrev=False, help=summary, description=description))
    return whole


# --- Values


def _whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"not a whole number: {text!r}") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        if high is not None and value > high:
            raise argparse.ArgumentTypeError(f"must be at most {high}, got {value}")
        return value

    return convert


def _numbers_of_clusters(text: str) -> range:
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if match is None or not 1 <= int(match[1]) < int(match[2]) <= MAX_CLUSTERS:
        raise argparse.ArgumentTypeError(f"not a range such as 2:12, from at least 1 upwards: {text!r}")
    return range(int(match[1]), int(match[2]) + 1)


def _separator(text: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "blanks": " "}.get(text, text)
    if len(named) != 1 or named in '\r\n"':
        raise argparse.ArgumentTypeError(f"not one character, 'tab' or 'blanks': {text!r}")
    return named


# --- What several commands take


def _add_files(command: argparse.ArgumentParser, nargs: str = "*") -> None:
    add = command.add_argument
    add(
        "files",
        nargs=nargs,
        type=Path,
        metavar="FILE",
        help="a table as text (.csv, .tsv, .txt, .data, ..., also .gz; - for standard input), .npy, .npz, "
        ".parquet, .feather, .jsonl or .xlsx (these need pandas), or a picture (needs Pillow; its pixels as "
        "red, green, blue, weighted by their opacity). Of several files, which must have the same columns, "
        "the rows are taken one file after the other. An .npy, and a large .parquet, may be larger than "
        "memory",
    )
    add("--dtype", choices=("float32", "float64"), help="work on the data as this; default: as they are")
    add("--array", metavar="NAME", help="the array to take from an .npz that holds several")
    add(
        "--columns",
        metavar="LIST",
        help="columns to use, comma separated: numbers from 0, ranges like 0-3, names if there is a header; "
        "default: those that hold numbers",
    )
    text = command.add_argument_group("text files", "What is not stated is found out from the first lines.")
    add_text = text.add_argument
    add_text(
        "--sep",
        type=_separator,
        metavar="CHAR",
        help="what separates columns: a character, 'tab', or 'blanks' for runs of blanks",
    )
    add_text("--header", choices=("yes", "no"), help="whether the first line holds the names of the columns")
    add_text("--decimal", choices=(".", ","), help="the decimal mark")
    add_text("--encoding", metavar="NAME", help="such as utf-8, latin-1, utf-16")
    add_text(
        "--na",
        choices=("error", "drop"),
        default="error",
        help="a row with a missing value (empty, NA, nan, null, ?, -) is an error (default), or left out: "
        "its label is -1",
    )


def _add_starts(command: argparse.ArgumentParser, restarts: int, seed: str) -> None:
    add = command.add_argument
    add("--seed", type=_whole_number(0), metavar="INT", help=seed)
    add(
        "--restarts",
        type=_whole_number(1),
        default=restarts,
        metavar="N",
        help=f"how many starts to make; the smallest inertia counts (default {restarts})",
    )
    add(
        "--standardize",
        action="store_true",
        help="divide each column by its standard deviation first; centroids are in the units of the data",
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--format", choices=("npy", "csv"), default="npy", help="of the output (default npy)")


# --- Commands


def _cluster(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_files(command)
    count = _whole_number(1, MAX_CLUSTERS)
    add("-k", type=count, metavar="K", help="number of clusters; 2 if there is no FILE, else required")
    add(
        "--minit",
        choices=("random", "points", "++"),
        default="++",
        help="how to start: draws from a Gaussian like the data, rows at random, or k-means++ (default)",
    )
    add(
        "--iter",
        type=_whole_number(1),
        default=100,
        metavar="N",
        help="passes at most (default 100); fewer are made if nothing moves any more",
    )
    _add_starts(
        command,
        1,
        "the start is drawn from numpy.random.default_rng(INT), several from its children (spawn); without "
        "it from fresh entropy, which is printed, to be given here",
    )
    add(
        "--output",
        metavar="PREFIX",
        help="write PREFIX.labels.npy and PREFIX.centroids.npy; files of that name are replaced",
    )
    _add_format(command)
    add(
        "--append",
        action="store_true",
        help="also write PREFIX.table.csv: the table as it is, with a column of labels more",
    )
    add("--json", action="store_true", help="print the summary as JSON")
    add(
        "--plot",
        type=Path,
        metavar="IMAGE",
        help="draw two columns, more of them along their two principal components, a histogram of a single "
        "one, or the picture in K colors; needs Matplotlib",
    )


def _sweep(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_files(command)
    add(
        "-k",
        type=_numbers_of_clusters,
        default=range(2, 13),
        metavar="FROM:TO",
        help="the numbers of clusters to try (default 2:12)",
    )
    _add_starts(command, 3, "what starts are drawn from; without it fresh entropy, which is printed")
    add("--json", action="store_true", help="print the measures as JSON")
    add("--plot", type=Path, metavar="IMAGE", help="draw the measures; needs Matplotlib")


def _predict(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "centroids",
        type=Path,
        metavar="CENTROIDS",
        help="a file that cluster has written: PREFIX.centroids.npy or .csv. Columns that have names in both "
        "are matched by them",
    )
    _add_files(command, "+")
    add("--output", metavar="PREFIX", required=True, help="write PREFIX.labels.npy")
    _add_format(command)


def _warmup(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--jobs",
        type=_whole_number(1),
        metavar="N",
        help="processes that compile, half a gigabyte each; default: one for each core, 8 at most",
    )


def _info(_command: argparse.ArgumentParser) -> None:
    pass


#: Name, summary, description, and the function that adds the arguments.
COMMANDS: tuple[tuple[str, str, str, Callable[[argparse.ArgumentParser], None]], ...] = (
    (
        "cluster",
        "cluster the rows of tables, or the pixels of pictures",
        "Cluster the rows of tables, or the pixels of pictures. Without FILE: 272 eruptions of the geyser "
        "Old Faithful. The first run compiles, which takes some seconds.",
        _cluster,
    ),
    (
        "sweep",
        "find out how many clusters to ask for",
        "Cluster with several numbers of clusters, and print how well each describes the rows: the inertia, "
        "whose curve bends at the elbow, the mean simplified silhouette (more is better) and the index of "
        "Davies and Bouldin (less is better). No measure knows what the clusters are for.",
        _sweep,
    ),
    (
        "predict",
        "find the nearest of saved centroids for each row",
        "Find the nearest of saved centroids for each row of tables, or pixel of pictures.",
        _predict,
    ),
    (
        "warmup",
        "compile everything now, so that no first call has to",
        "Compile everything the package can need and keep it in the code cache, as a step of building a "
        "container image, say. The code is for processors like this one.",
        _warmup,
    ),
    (
        "info",
        "print versions, threads, processor and code cache",
        "Print what a bug report needs: versions, threading layer, processor and code cache.",
        _info,
    ),
)
