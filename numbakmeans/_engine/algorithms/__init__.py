"""Ways to run passes: assign every row to its nearest center, and sum the rows by cluster.

A new algorithm is a file here with a subclass of `Algorithm`, and a row in `ALGORITHMS`. `Lloyd` defines the
result: every other algorithm must give the same labels and the same sums after every pass. `plan.algorithm`
chooses; for data without a transform (`transforms.scale_for`), only the reference runs. The tests and the
benchmarks iterate over the table.

base         the interface, and the loop over passes
lloyd        reference distances only
small        few rows: many passes per call
certified    approximate scores with certificates
yinyang      certified scores and bounds; coarse: rows of one byte a value, which rule out most centers;
             projections: lower bounds for many features
filtering    few features: candidate centers of spatial blocks
panels       packing of centers for the register tile
"""

from numbakmeans._engine.algorithms.base import Algorithm
from numbakmeans._engine.algorithms.certified import Certified
from numbakmeans._engine.algorithms.filtering import Filtering
from numbakmeans._engine.algorithms.lloyd import Lloyd
from numbakmeans._engine.algorithms.small import Small
from numbakmeans._engine.algorithms.yinyang import Yinyang

#: The algorithm that works for any data.
REFERENCE = "lloyd"
ALGORITHMS: dict[str, type[Algorithm]] = {
    "lloyd": Lloyd,
    "small": Small,
    "certified": Certified,
    "yinyang": Yinyang,
    "filtering": Filtering,
}
