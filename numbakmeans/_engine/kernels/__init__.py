"""Nopython building blocks, called by address (`_numba.entries`). They validate nothing: their callers do.

One pass over the rows
  reference     reference distances, and nearest centers by them; lloyd: a pass of them
  distances     distances from every row to every center
  certify       nearest centers from approximate scores, where these prove enough; certified: a pass of them
  pack          rows and centers in the layout of the register tile
  yinyang       a pass with bounds, made of bounds, fast_centers, and what leaves single pairs open: coarse
                and coarse_pairs (one byte a value), or projections; pairs decides these;
                coarse_labels: labels alone
  filtering     a pass over spatial blocks, which cells builds
Whole problems
  small         few rows: all passes of one problem, or of thousands, in one call
  callers       entry points for nopython callers that do not go through Python
Starting centers
  plus_plus     k-means++; quantization: int8 rows, which prove that a pick cannot change a row;
                pairwise: NumPy's pairwise sum, in pieces
  greedy        greedy k-means++; oversampling: the samples of k-means||
  gaussian      a Gaussian with the mean and covariance of the data
  sampling      draws from a generator, exactly as NumPy makes them
Spherical k-means
  unit_rows     rows divided by their lengths, rounded once
Exact sums
  ranges        the range of each column, and whether all values are finite
  sums          exact sums, independent of the order of the rows
  means         their means, rounded once; double_double: arithmetic with the rounding errors
  fingerprints  bits that tell labels from others, for rows in parts
  columns       sums, means and variances of whole columns, in vectors

Levels: ``*_tile`` (serial leaf), ``*_chunk`` (serial worker on some rows), ``*_task`` (every n-th chunk), and
the bare verb (a driver, which runs the tasks in parallel: `_numba.parallel`). No bit of any result depends on
which task works on which chunk: only integer sums and maxima are combined across tasks.
"""
