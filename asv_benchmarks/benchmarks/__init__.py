"""Benchmarks of numbakmeans.

face        the public functions on SciPy's own parameters and on real sizes, ours beside SciPy's
nopython    the same and `numbakmeans.jit`, called by compiled code
kernels     passes by each algorithm, and the parts of a pass
seeding     placing the starting centers of '++'
limits      how near passes come to what the machine can do, measured beside them by machine.py
startup     import, first calls and what is compiled for them, in processes of their own

Every benchmark warms up in `setup`, so that no compilation is timed; `startup` alone times compilation.
"""
