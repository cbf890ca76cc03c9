"""What the package that is measured has: benchmarks of what it lacks are skipped, as asv wants it."""

import inspect
from importlib import import_module

import numbakmeans


def needs(*names):
    """Skip the benchmark unless the package has these names, which may be dotted: 'KMeans', 'jit.fit'."""
    for name in names:
        found, *parts = numbakmeans, *name.split(".")
        for part in parts:
            if not hasattr(found, part):
                try:
                    import_module(f"{found.__name__}.{part}")
                except ImportError:
                    raise NotImplementedError(f"numbakmeans has no {name}") from None
            found = getattr(found, part)


def needs_parameters(function, *names):
    """Skip the benchmark unless a function of the package takes these parameters."""
    for name in names:
        if name not in inspect.signature(function).parameters:
            raise NotImplementedError(f"{function.__name__} does not take {name}")
