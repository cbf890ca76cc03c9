"""The command line: what every command has in common.

Exit codes: 0, 2 after an error (one line), 130 after Ctrl-C, 141 where nobody reads the output any more.
NumPy and Numba are imported only once a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from numbakmeans._cli.arguments import parser
from numbakmeans._cli.console import UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code; argv: the arguments, those of the process unless given."""
    try:
        try:
            arguments = parser().parse_args(argv)
        except SystemExit:  # after --help and --version; errors raise UsageError
            return 0
        import_module(f"numbakmeans._cli.{arguments.command}").run(arguments)
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


if __name__ == "__main__":
    sys.exit(main())
