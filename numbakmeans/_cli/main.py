"""The command line: ``numbakmeans cluster``, ``numbakmeans warmup`` and ``numbakmeans info``.

Exit codes: 0, 2 after an error (one line), 130 after Ctrl-C, 141 where nobody reads the output any more.
NumPy and Numba are imported only once a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from numbakmeans import __version__
from numbakmeans._cli.cluster import run_cluster
from numbakmeans._cli.console import UsageError, say
from numbakmeans._cli.info import run_info, run_warmup


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def _print_message(self, message: str, _file: Any = None) -> None:
        say(message)  # argparse would hide an error of the output


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; argv: the arguments, those of the process unless given."""
    try:
        try:
            arguments = _parser().parse_args(argv)
        except SystemExit:  # after --help and --version; errors raise UsageError
            return 0
        arguments.run(arguments)
    except UsageError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return 141
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{where}{error.strerror or error}")
    except MemoryError as error:
        return _fail(f"not enough memory: {error}".removesuffix(": "))
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(message: str) -> int:
    print("numbakmeans: error:", " ".join(message.splitlines()), file=sys.stderr)
    return 2


# --- Arguments


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


def _separator(text: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "blanks": " "}.get(text, text)
    if len(named) != 1 or named in '\r\n"':
        raise argparse.ArgumentTypeError(f"not one character, 'tab' or 'blanks': {text!r}")
    return named


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="numbakmeans",
        description="Exact k-means on all cores.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"numbakmeans {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="{cluster,warmup,info}", required=True)

    cluster = commands.add_parser(
        "cluster",
        allow_abbrev=False,
        help="cluster the rows of a table, or the pixels of a picture",
        description="Cluster the rows of a table, or the pixels of a picture. Without FILE: 272 eruptions of "
        "the geyser Old Faithful. The first run compiles, which takes some seconds.",
    )
    cluster.set_defaults(run=run_cluster)
    add = cluster.add_argument
    add(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a table as text (.csv, .tsv, .txt, .data, ..., also .gz; - for standard input), .npy, .npz, "
        ".parquet, .feather, .jsonl or .xlsx (these need pandas), or a picture (needs Pillow; its pixels as "
        "red, green, blue, weighted by their opacity). Of several files, which must have the same columns, "
        "the rows are taken one file after the other. An .npy, and a large .parquet, may be larger than "
        "memory",
    )
    # The largest label is an int32.
    count = _whole_number(1, 2**31 - 1)
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
    add(
        "--seed",
        type=_whole_number(0),
        metavar="INT",
        help="the start is drawn from numpy.random.default_rng(INT); without it from fresh entropy, which is "
        "printed, to be given here",
    )
    add("--dtype", choices=("float32", "float64"), help="work on the data as this; default: as they are")
    add("--array", metavar="NAME", help="the array to take from an .npz that holds several")
    add(
        "--columns",
        metavar="LIST",
        help="columns to use, comma separated: numbers from 0, ranges like 0-3, names if there is a header; "
        "default: those that hold numbers",
    )
    text = cluster.add_argument_group("text files", "What is not stated is found out from the first lines.")
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
    add(
        "--output",
        metavar="PREFIX",
        help="write PREFIX.labels.npy and PREFIX.centroids.npy; files of that name are replaced",
    )
    add("--format", choices=("npy", "csv"), default="npy", help="of the output (default npy)")
    add(
        "--plot",
        type=Path,
        metavar="IMAGE",
        help="draw the first two columns, a histogram of a single one, or the picture in K colors; needs "
        "Matplotlib",
    )

    warmup = commands.add_parser(
        "warmup",
        allow_abbrev=False,
        help="compile everything now, so that no first call has to",
        description="Compile everything the package can need and keep it in the code cache, as a step of "
        "building a container image, say. The code is for processors like this one.",
    )
    warmup.add_argument(
        "--jobs",
        type=_whole_number(1),
        metavar="N",
        help="processes that compile, half a gigabyte each; default: one for each core, 8 at most",
    )
    warmup.set_defaults(run=run_warmup)

    info = commands.add_parser(
        "info",
        allow_abbrev=False,
        help="print versions, threads, processor and code cache",
        description="Print what a bug report needs: versions, threading layer, processor and code cache.",
    )
    info.set_defaults(run=run_info)
    return parser


if __name__ == "__main__":
    sys.exit(main())
