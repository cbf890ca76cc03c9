"""Benchmarks of numbakmeans, of its public face only, so that any two commits can be compared.

quick       for each change: ratios to a reference commit, in processes that take turns
face        the public functions on SciPy's own parameters and on real sizes, ours beside SciPy's
estimator   KMeans, ours beside scikit-learn's
nopython    `numbakmeans.jit` and SciPy's functions, called by compiled code
limits      how near passes come to what the machine can do, measured beside them by machine.py
startup     import, first calls and what is compiled for them, in processes of their own
memory      what calls take on top of their arguments, in processes of their own

data.py makes the rows; available.py skips what the package of an older commit lacks. Every benchmark warms up
in `setup`, so that no compilation is timed; `startup` alone times compilation.
"""
