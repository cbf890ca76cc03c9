"""Starting centers: SciPy's methods, with SciPy's streams of random numbers, and relatives of k-means++.

Every method has two steps: it *draws* all its random numbers first, and then *places* the centers, as a
function of the data and the draws alone. A new method is a file here and a row in `SEEDINGS`, with functions

draw(rng, n_samples, n_clusters, n_features, weights=None) -> (integers, reals)
    Leave the Generator or RandomState in the state that SciPy would, if SciPy has the method. NumPy's own
    methods draw: they work for both, and cost less than passing a generator to compiled code
    (`kernels.sampling`, for nopython callers).
place(samples, n_clusters, integers, reals) -> centers (n_clusters, n_features), float64
    Return the same bits for any number of threads.

Both read the weights of the rows, if there are any: (n_samples,), float64, finite, at least 0, some above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import gaussian, greedy, oversampling, plus_plus, points


class Seeding(NamedTuple):
    """A row of `SEEDINGS`; the module's docstring specifies its functions."""

    draw: Callable[..., tuple[np.ndarray, np.ndarray]]
    place: Callable[[Samples, int, np.ndarray, np.ndarray], np.ndarray]


SEEDINGS: dict[str, Seeding] = {
    "random": Seeding(gaussian.draw, gaussian.place),
    "points": Seeding(points.draw, points.place),
    "++": Seeding(plus_plus.draw, plus_plus.place),
    "greedy ++": Seeding(greedy.draw, greedy.place),
    "parallel ++": Seeding(oversampling.draw, oversampling.place),
}
