"""Nopython building blocks. No validation, no exceptions: the callers have checked everything.

canonical   distances and nearest centers by their definition
certify     nearest centers from approximate scores, where they prove enough
pack        rows and centers as the register tile wants them
cells       rows in spatial order, in blocks
bounds      what is kept of distances from pass to pass, for rows and groups of centers
heads       a few numbers for each row and center that bound their distances
pairs       what heads leave open, row by row and center by center
sketch      a byte for each value, which tells rows that a pick of '++' cannot change
ranges      what each column of data spans, and whether all of it is finite
sums        sums that lose nothing, for any order of the rows
means       their means, rounded once
sampling    draws from a Generator, as NumPy and SciPy make them
pairwise    NumPy's pairwise sum, in pieces
room        arrays from a workspace

Levels: ``*_tile`` (serial leaf), ``*_chunk`` (serial worker on some rows), ``*_slot`` (every n-th chunk), and
the bare verb (a driver, which shares the slots out: `_slots`). Which slot works on which chunk changes no bit
of any result: integers are summed, and maxima taken.
"""
