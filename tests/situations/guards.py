"""Guards, to be taken away: the negative controls."""

import contextlib
import os


def without_kernel_lock():
    from numbakmeans import _runtime

    _runtime.KERNEL_LOCK = contextlib.nullcontext()


def without_fork_handlers():
    os.register_at_fork = lambda **_: None


def without_steps():
    from numbakmeans import _plan

    _plan.STEPS_PER_CALL = 10**18


def without_keeping():
    from numbakmeans import _runtime

    _runtime.keeps_interrupts = lambda compile: compile


def with_a_wild_label():
    """Not a guard, but a fault: the label that a NaN would get without its rule."""
    from numbakmeans import _scipy

    nearest = _scipy.nearest

    def wild(samples, centers):
        labels, sq_dists = nearest(samples, centers)
        labels[-1] = len(centers)
        return labels, sq_dists

    _scipy.nearest = wild


def with_a_wrong_stand_in():
    """Not a guard, but a fault: NumPy rounds means once more than kernels do."""
    from numbakmeans import _interpreted

    exact = _interpreted.quotient
    _interpreted.quotient = lambda *arguments: round(exact(*arguments), 9)


GUARDS = {
    "right stand-ins": with_a_wrong_stand_in,
    "sound labels": with_a_wild_label,
    "keeping": without_keeping,
    "kernel lock": without_kernel_lock,
    "fork handlers": without_fork_handlers,
    "steps": without_steps,
}
