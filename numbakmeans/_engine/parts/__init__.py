"""Rows in parts that different processes hold: what each part contributes to results, and how that is merged.

Contributions are integers, extremes, or belong to single rows. So the order of merging does not matter, and
the results have the bits that one array of all rows gives. A part is looked at by itself; what it must know
of the others is in `whole.Whole`.

A pass over a part depends on nothing but its rows and the centers: if a process is lost, another one can make
its part of the pass again.

whole      a part, as rows of a whole
survey     a first look: sizes, ranges, and what is wrong
passes     sums, labels and inertia; the most costly rows, for empty clusters
seeding    the rounds of k-means||
"""
