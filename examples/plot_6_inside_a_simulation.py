"""
Clusters inside a simulation
============================

Particles are drawn to the centers of their clusters, which move with them. The whole loop is one compiled
function; each step continues from the centers of the step before, and a workspace saves all allocations.
"""

import matplotlib.pyplot as plt
import numpy as np
from numba import njit

from numbakmeans import jit


@njit
def simulate(positions, velocities, n_steps, every, k, rng):
    work = jit.workspace(len(positions), positions.shape[1], k)
    centers = jit.plus_plus(positions, k, rng, work)
    frames = np.empty((n_steps // every, *positions.shape))
    labels = np.empty((n_steps // every, len(positions)), np.int32)
    for step in range(n_steps):
        result = jit.fit(positions, centers, 10, work)
        centers = result.centers
        for i in range(len(positions)):
            pull = centers[result.labels[i]] - positions[i]
            velocities[i] = 0.98 * velocities[i] + 0.004 * pull
            positions[i] += velocities[i]
        if step % every == 0:
            frames[step // every] = positions
            labels[step // every] = result.labels
    return frames, labels


rng = np.random.default_rng(1)
positions = rng.uniform(-1, 1, size=(1500, 2))
velocities = 0.02 * np.column_stack([-positions[:, 1], positions[:, 0]])
frames, labels = simulate(positions, velocities, 250, 50, 6, rng)

figure, axes = plt.subplots(1, 5, figsize=(12, 2.7), sharex=True, sharey=True, layout="constrained")
for t, ax in enumerate(axes):
    ax.scatter(*frames[t].T, c=plt.colormaps["tab10"](labels[t]), s=3, linewidths=0)
    ax.set_title(f"step {50 * t}")
    ax.set_aspect("equal")
    ax.set(xticks=[], yticks=[])
