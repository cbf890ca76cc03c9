"""The sweeps that set the constants in `numbakmeans._engine.thresholds`: ``python -m tuning [NAME ...]``.

Run it from the root of the repository, on an otherwise idle machine.

sweeps      the table: which values are tried, on which workloads
workloads   the data, and the calls that are timed
runner      interleaved timing, and what the times say about a threshold
isolated    values that are compiled into kernels, each in a process of its own
"""
