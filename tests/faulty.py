"""Compare one algorithm with the oracle on ugly data; exit code 1 and the name of the first that differs."""

import sys

import numpy as np
import test_algorithms
import ugly

from numbakmeans import _plan


def main(algorithm, dtype):
    # Also where there is little to gain.
    _plan.worth, _plan.head_cost = lambda *_: _plan.Worth(0.0, 0.0, 1.0, 0.0, 0.0), lambda *_: 0.0
    wrong = []
    for name, (X, centers) in ugly.cases(dtype).items():
        expected = test_algorithms.expected_passes(X, centers)
        if test_algorithms.differences(X, centers, expected, algorithm):
            wrong.append(name)
            break
    print(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], np.dtype(sys.argv[2]).type))
