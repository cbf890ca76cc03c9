"""The ways to run passes: assign every row to its nearest center, and sum the rows by cluster.

Adding one is a file here with a subclass of `Algorithm`, and a row in `ALGORITHMS`. `Lloyd` defines the
result: any other must leave the same labels and the same sums after every pass. `plan.algorithm` chooses;
where the data has no frame (`samples.scale_for`), only the reference runs. The tests and the benchmarks
iterate the table.
"""

from numbakmeans._engine.algorithms.base import Algorithm
from numbakmeans._engine.algorithms.certified import Certified
from numbakmeans._engine.algorithms.filtering import Filtering
from numbakmeans._engine.algorithms.lloyd import Lloyd
from numbakmeans._engine.algorithms.small import Small
from numbakmeans._engine.algorithms.yinyang import Yinyang

#: The one that needs nothing of the data.
REFERENCE = "lloyd"
ALGORITHMS: dict[str, type[Algorithm]] = {
    "lloyd": Lloyd,
    "small": Small,
    "certified": Certified,
    "yinyang": Yinyang,
    "filtering": Filtering,
}
