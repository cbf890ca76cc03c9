"""Compare one algorithm with the oracle on ugly data; exit code 1 and the name of the first that differs."""

import sys

import numpy as np
import test_algorithms
import ugly
import ways


def main(algorithm, dtype):
    ways.ask_all()
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
