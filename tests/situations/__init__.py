"""Situations in which programs that use Numba die: a program that other processes run (`__main__`)."""
