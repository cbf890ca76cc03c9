"""Tables in README and the documentation: what the commands beside this file share to write them."""

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path


def figure(x: float, digits: int) -> str:
    """Return a number with some digits, and without an exponent."""
    return f"{float(f'{x:.{digits}g}'):g}"


def machine(*packages: str) -> str:
    """Return a sentence about this machine, and the versions of packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}."


def command_line(description: str | None, target: str) -> argparse.ArgumentParser:
    """Return the parser of a command that prints a page's part, or writes it to ``--write``.

    target : what to give for ``--write``
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, help=target)
    return parser


def replace_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a name, ``<!-- name -->`` and ``<!-- end of name -->``."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    head, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_too, tail = rest.partition(end)
    if not (found and found_too):
        sys.exit(f"{page} has no place for the table: {begin.strip()} and {end.strip()}")
    page.write_text(f"{head}{begin}{text}{end}{tail}", encoding="utf-8")
