"""The command line, as ``python -m numbakmeans``."""

import sys

from numbakmeans._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
