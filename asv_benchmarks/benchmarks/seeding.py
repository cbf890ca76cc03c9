"""Placing starting centers, without the passes that follow."""

import numpy as np

from numbakmeans._engine.samples import Samples
from numbakmeans._engine.seeding import SEEDINGS

from .data import REAL_SIZES


class PlusPlus:
    """Data of real sizes, by '++'."""

    method = "++"
    params = (list(REAL_SIZES), ["float32", "float64"])
    param_names = ("data", "dtype")
    timeout = 120
    rounds = 4
    repeat = (3, 8, 1.0)

    def setup(self, data, dtype):
        X, start = REAL_SIZES[data](dtype)
        self.samples, self.n_clusters = Samples(X), len(start)
        self.draws = SEEDINGS[self.method].draw(np.random.default_rng(0), len(X), len(start), X.shape[1])
        self.time_place(data, dtype)

    def time_place(self, data, dtype):
        SEEDINGS[self.method].place(self.samples, self.n_clusters, *self.draws)


class GreedyPlusPlus(PlusPlus):
    """Several candidates for each pick."""

    method = "greedy ++"


class ParallelPlusPlus(PlusPlus):
    """Many candidates in a few rounds."""

    method = "parallel ++"
