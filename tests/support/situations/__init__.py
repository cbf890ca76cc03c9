"""Situations in which programs that use Numba crash or hang; `__main__` runs one in its own process."""
