"""Remove guards, or plant a fault: the negative controls."""

import contextlib
import os


def without_kernel_lock():
    from numbakmeans._numba import runtime as _runtime

    _runtime.kernel_lock = contextlib.nullcontext


def without_bind_lock():
    from numbakmeans._numba import doors, drivers, entries

    for module in (doors, drivers, entries):
        module.bind_lock = contextlib.nullcontext()


def without_fork_handlers():
    os.register_at_fork = lambda **_: None


def without_steps():
    from numbakmeans._engine import thresholds as at

    at.MAX_CALL_STEPS = 10**18


def without_keeping():
    from numbakmeans._numba import runtime as _runtime

    _runtime.keeps_interrupts = lambda compile: compile


def with_a_wild_label():
    """Plant a fault: the label that a NaN would get without the rule for it."""
    from numbakmeans import _scipy

    nearest = _scipy.nearest

    def wild(samples, centers):
        labels, sq_dists = nearest(samples, centers)
        labels[-1] = len(centers)
        return labels, sq_dists

    _scipy.nearest = wild


GUARDS = {
    "bind lock": without_bind_lock,
    "sound labels": with_a_wild_label,
    "keeping": without_keeping,
    "kernel lock": without_kernel_lock,
    "fork handlers": without_fork_handlers,
    "steps": without_steps,
}
