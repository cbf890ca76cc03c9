"""Nopython building blocks. No validation, no exceptions: the callers have checked everything.

canonical   distances and nearest centers by their definition
certify     nearest centers from approximate scores, where they prove enough
pack        rows and centers as the register tile wants them
cells       rows in spatial order, in blocks
heads       a few numbers for each row and center that bound their distances
sketch      a byte for each value, which tells rows that a pick of '++' cannot change
exact       sums and means that lose nothing, for any order of the rows
sampling    draws from a Generator, as NumPy and SciPy make them
pairwise    NumPy's pairwise sum, in pieces

Three levels: ``*_tile`` (serial leaf), ``*_chunk`` (serial worker on rows [start, stop)), and the bare
verb (a driver: a thin prange over slots, each slot taking every n-th chunk). Which slot works on which
chunk changes no bit of any result: integers are summed, and maxima taken.
"""
