"""Data structures that Python and kernels exchange: named tuples of arrays and numbers, and layout constants.

passes    a pass with scores and bounds
sums      exact sums, and the column ranges they depend on
problems  small problems
cells     spatial blocks
seeds     the picks of '++'

Kernels see the arrays as tables. Nothing here imports Numba, so that Python can build these without it.
"""
