"""Run one situation: ``python -m support.situations NAME [GUARD ...]``.

The exit code is 0 if every answer was right. The named guards are removed first: these are the negative
controls, which must end differently.
"""

import ctypes
import signal
import sys

from support.situations import forks, inputs, interrupts, threads
from support.situations.guards import GUARDS

MODULES = (threads, forks, interrupts, inputs)


def main(name, *guards):
    # Kill this process when its parent dies, whatever the reason.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    for guard in guards:
        GUARDS[guard]()
    situation = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    return 0 if situation() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
