"""The ways to run passes: assign every row to its nearest center, and sum the rows by cluster.

Adding one is a file here with a subclass of `Algorithm`, and a row in `ALGORITHMS`. `Lloyd` defines the
result: any other must leave the same labels and the same sums after every pass. `_plan.algorithm` chooses;
where the data has no frame (`_kernels.pack.scale_for`), only the reference runs. The tests and the benchmarks
iterate the table.
"""

from numbakmeans._algorithms.base import Algorithm
from numbakmeans._algorithms.certified import Certified
from numbakmeans._algorithms.filtering import Filtering
from numbakmeans._algorithms.interpreted import Interpreted
from numbakmeans._algorithms.lloyd import Lloyd
from numbakmeans._algorithms.resident import Resident
from numbakmeans._algorithms.yinyang import Yinyang

#: The one that needs nothing of the data.
REFERENCE = "lloyd"
#: The one that needs no compiler.
INTERPRETED = "interpreted"
ALGORITHMS: dict[str, type[Algorithm]] = {
    "lloyd": Lloyd,
    "resident": Resident,
    "certified": Certified,
    "yinyang": Yinyang,
    "filtering": Filtering,
    "interpreted": Interpreted,
}
