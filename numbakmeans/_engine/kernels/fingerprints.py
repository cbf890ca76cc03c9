"""Fingerprints: 128 bits that tell the labels of rows from others, in any order of the rows."""

from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.draws import mixed


@kernel
def add_labels(labels, first, bits):
    """Add the labels of consecutive rows to a fingerprint.

    labels : (n_samples,), int32; first : the number of the first row among all rows
    bits : INOUT (2,), int64: the exclusive or of two mixes of each row's number and label
    """
    one, other = bits[0], bits[1]
    for i in range(len(labels)):
        number = mixed(0, first + i)
        one ^= mixed(number, labels[i])
        other ^= mixed(~number, labels[i])
    bits[0], bits[1] = one, other
