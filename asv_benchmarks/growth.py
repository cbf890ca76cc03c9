"""How the cost of ten passes grows with rows, features, clusters and disorder: a table and a picture.

    python asv_benchmarks/growth.py                 # prints the table
    python asv_benchmarks/growth.py --write docs    # docs/growth.png, and the table in docs/growth.md

Of each problem the best of several runs, by the algorithm that the plan chooses and by plain Lloyd
(certified scores of all pairs, or the definition, whichever is faster). The slope is that of a line through
the logarithms: 1 where twice the size takes twice the time. Needs matplotlib for the picture.
"""

import time

import numpy as np
from pages import command_line, replace_between

from numbakmeans._engine import fit as _fit
from numbakmeans._engine.samples import Samples

BASE = {"rows": 50_000, "features": 32, "clusters": 128, "spread": 0.3}
SWEEPS = {
    "rows": [6_250, 12_500, 25_000, 50_000, 100_000, 200_000, 400_000],
    "features": [2, 4, 8, 16, 32, 64, 128, 256],
    "clusters": [8, 16, 32, 64, 128, 256, 512, 1024],
    "spread": [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2],
}
LABELS = {"spread": "spread of a cluster / distance between clusters"}
LINES = {"chosen by the plan": [None], "without pruning": ["certified", "lloyd"]}


def problem(rows, features, clusters, spread):
    """Return float32 rows around as many means as clusters, and starting centers among the rows."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(clusters, features))
    X = means[rng.integers(clusters, size=rows)] + spread * rng.normal(size=(rows, features))
    X = X.astype(np.float32)
    return X, X[rng.choice(rows, clusters, replace=False)].astype(np.float64)


def seconds(X, start, rounds=5):
    """Return the best time of ten passes for each line: its algorithms take turns with the others'."""
    best = dict.fromkeys(LINES, np.inf)
    for _ in range(rounds + 1):
        for line, algorithms in LINES.items():
            for algorithm in algorithms:
                before = time.perf_counter()
                _fit.iterate(Samples(X), start, 10, algorithm=algorithm)
                best[line] = min(best[line], time.perf_counter() - before)
    return best


def measure(key, values):
    """Return the times of each line of one sweep."""
    found = {line: [] for line in LINES}
    for value in values:
        for line, best in seconds(*problem(**{**BASE, key: value})).items():
            found[line].append(best)
    return found


def slope(sizes, times):
    """Return the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def table(results):
    lines = [f"| grows | from | to | {' | '.join(f'{line}: slope' for line in LINES)} | pruning saves |"]
    lines.append("|---|---|---|---|---|---|")
    for key, values in SWEEPS.items():
        chosen, plain = results[key].values()
        slopes = " | ".join(f"{slope(values, times):.2f}" for times in (chosen, plain))
        ratios = np.divide(plain, chosen)
        saved = f"{ratios.min():.2g}x to {ratios.max():.2g}x"
        lines.append(f"| {key} | {values[0]:,} | {values[-1]:,} | {slopes} | {saved} |")
    return lines


def draw(results, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, (key, values) in zip(figure.subplots(2, 2).flat, SWEEPS.items(), strict=True):
        for (line, times), color in zip(results[key].items(), ("#1b6ca8", "#c2571a"), strict=True):
            label = f"{line}: slope {slope(values, times):.2f}"
            axes.loglog(values, np.multiply(times, 1e3), "o-", color=color, label=label)
        axes.set_xlabel(LABELS.get(key, key))
        axes.set_ylabel("ten passes, ms")
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main():
    parser = command_line(__doc__, "the folder of growth.md, for the table and the picture")
    folder = parser.parse_args().write
    results = {key: measure(key, values) for key, values in SWEEPS.items()}
    lines = table(results)
    print("\n".join(lines))
    if folder is not None:
        replace_between(folder / "growth.md", "growth", "\n".join(lines))
        draw(results, folder / "growth.png")


if __name__ == "__main__":
    main()
