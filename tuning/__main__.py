"""Run sweeps, all of them by default: ``python -m tuning [--list] [--quick] [NAME ...]``."""

import argparse
import os
import warnings

from tuning.runner import measure, thin
from tuning.sweeps import SWEEPS


def main(arguments: list[str] | None = None) -> None:
    """Print the findings of each sweep, and which thresholds look wrong on this machine."""
    parser = argparse.ArgumentParser("python -m tuning", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a sweep (default: all)")
    parser.add_argument("--list", action="store_true", help="list the sweeps and their thresholds")
    parser.add_argument("--quick", action="store_true", help="few workloads and rounds, no recompilation")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SWEEPS))
    if unknown:
        parser.error(f"no such sweep: {', '.join(unknown)}; see --list")
    names = options.names or list(SWEEPS)
    if options.list:
        for name in names:
            print(f"{name:22}{', '.join(SWEEPS[name].thresholds)}")
        return
    warnings.simplefilter("ignore")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"the machine is not idle (load {load:.1f}): times are not reliable")
    wrong: list[str] = []
    for name in names:
        sweep = SWEEPS[name]
        if options.quick and sweep.isolated:
            print(f"\n{name}: left out, as it compiles kernels for each value")
            continue
        if options.quick:
            sweep = thin(sweep, 3)
        for finding in sweep.findings(lambda runs: measure(runs, rounds=1 if options.quick else 7)):
            print(f"\n{name}: {', '.join(finding.thresholds)}", *finding.lines, sep="\n  ", flush=True)
            wrong += finding.thresholds if finding.wrong else ()
    print("\nlook wrong on this machine:", ", ".join(dict.fromkeys(wrong)) or "none")


if __name__ == "__main__":
    main()
