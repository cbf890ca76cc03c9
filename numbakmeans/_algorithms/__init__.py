"""The ways to run one pass: assign every row to its nearest center, and sum the rows by cluster.

Adding one is a file here and a row in `ALGORITHMS`. Each value is a `Driver` with the arguments of
`lloyd.lloyd_pass`, which defines the result: any other must leave the same labels and the same sums.
`_plan.algorithm` chooses; where the data has no frame (`_kernels.pack.scale_for`), only the reference runs.
The tests and the benchmarks iterate the table.
"""

from numbakmeans._algorithms.certified import certified_pass
from numbakmeans._algorithms.lloyd import lloyd_pass
from numbakmeans._jit import Driver

#: The one that needs nothing of the data.
REFERENCE = "lloyd"
ALGORITHMS: dict[str, Driver] = {"lloyd": lloyd_pass, "certified": certified_pass}
