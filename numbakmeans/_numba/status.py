"""Status codes of calls from nopython code."""

#: Success; no rows, centers or features, or sizes that do not match; NaN or infinities; fewer than one pass,
#: or an impossible number of clusters; a label without a center; this package could not be loaded, ran out of
#: memory or was interrupted; a weight that is negative or not finite, or no weight above zero.
OK, BAD_SHAPE, NOT_FINITE, BAD_COUNT, BAD_LABEL, UNAVAILABLE, BAD_WEIGHT = 0, 1, 2, 3, 4, 5, 6
#: The kernel leaves the call to Python; the same, but it has already drawn the starting centers and written
#: them to the result.
DECLINED, DRAWN = -1, -2
#: How `kmeans2` starts where a kernel answers it: from given centers, 'points', or '++'.
GIVEN, POINTS, PLUS_PLUS = 0, 1, 2
