"""What became of a call from nopython code, as a number."""

#: All is well; no rows, centers or features, or not as many features; NaN or infinities; fewer than one
#: pass; a label that no center has; this package could not be loaded, or ran out of memory, or was
#: interrupted.
OK, BAD_SHAPE, NOT_FINITE, BAD_COUNT, BAD_LABEL, UNAVAILABLE = 0, 1, 2, 3, 4, 5
#: A kernel leaves the call to Python; it does so after it has drawn the starting centers, and left them
#: where the results go.
DECLINED, DRAWN = -1, -2
#: How `kmeans2` starts, where a kernel answers it: from centers that are given, 'points', '++'.
GIVEN, POINTS, PLUS_PLUS = 0, 1, 2
