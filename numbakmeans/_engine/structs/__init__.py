"""What Python and kernels hand each other in groups: named tuples of arrays and numbers, and the figures of
layouts.

passes    a pass with scores and bounds
sums      exact sums, and what they need to know of the data
problems  small problems
cells     spatial blocks
seeds     the picks of '++'

Kernels see the arrays as tables. Nothing here imports Numba, as Python has to be able to make them without.
"""
