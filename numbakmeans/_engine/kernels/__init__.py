"""Nopython building blocks, called by address (`_numba.entries`). No validation: the callers have checked
everything.

One pass over the rows
  canonical   distances and nearest centers by their definition; lloyd: a pass of them
  certify     nearest centers from approximate scores, where they prove enough; certified: a pass of them
  pack        rows and centers as the register tile wants them
  yinyang     a pass with bounds: bounds, heads, pairs and movers are its parts
  filtering   a pass over spatial blocks, which cells makes
Whole problems
  small       few rows: all passes of one, or of thousands, in one call
  callers     what nopython callers reach without Python
Starting centers
  plus_plus   the picks of '++'; sketch: a byte for each value, which tells rows that a pick cannot change;
              pairwise: NumPy's pairwise sum, in pieces
  gaussian    a Gaussian with the data's mean and covariance
  sampling    draws from a generator, as NumPy makes them
Exact sums
  ranges      what each column of data spans, and whether all of it is finite
  sums        sums that lose nothing, for any order of the rows
  means       their means, rounded once

Levels: ``*_tile`` (serial leaf), ``*_chunk`` (serial worker on some rows), ``*_slot`` (every n-th chunk), and
the bare verb (a driver, which shares the slots out: `_numba.parallel`). Which slot works on which chunk changes
no bit of any result: integers are summed, and maxima taken.
"""
