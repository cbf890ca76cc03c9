"""Starting centers: SciPy's three methods, on SciPy's random streams.

Every method works in two steps. It *draws* all its random numbers first, and then *places* the centers, a
function of the data and the draws alone. Adding one is a file here, and a row in `SEEDINGS`:

draw(rng, n_samples, n_clusters, n_features) -> (integers, reals)
    leaves the generator or RandomState as SciPy would. NumPy's own methods draw: they serve both, and cost
    less than handing a generator over to compiled code (`kernels.sampling` is for callers that are compiled).
place(samples, n_clusters, integers, reals) -> centers (n_clusters, n_features), float64
    the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import gaussian, plus_plus, points


class Seeding(NamedTuple):
    """A row of `SEEDINGS`; the module's docstring says what its functions must do."""

    draw: Callable[..., tuple[np.ndarray, np.ndarray]]
    place: Callable[[Samples, int, np.ndarray, np.ndarray], np.ndarray]


SEEDINGS: dict[str, Seeding] = {
    "random": Seeding(gaussian.draw, gaussian.place),
    "points": Seeding(points.draw, points.place),
    "++": Seeding(plus_plus.draw, plus_plus.place),
}
