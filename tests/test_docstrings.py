"""Public docstrings, checked by numpydoc as scikit-learn checks its own."""

import inspect

import pytest
from numpydoc import validate

import numbakmeans
import numbakmeans.dask
from numbakmeans import jit

#: What scikit-learn does not ask for: matters of layout, and a name for a single return value; in methods, an
#: extended summary, a see-also and an example.
LEFT_OUT = {"GL01", "GL02", "RT02"}
LEFT_OUT_IN_METHODS = {"ES01", "SA01", "EX01"}
#: Attributes of named tuples, which are documented as such; the arguments of an exception; the two methods
#: that the engine calls.
PER_OBJECT = {
    "numbakmeans.ClusterError": {"PR01"},
    "numbakmeans.FitResult": {"PR01"},
    "numbakmeans.Choice": {"PR01"},
    "numbakmeans.Blocks.write": {"PR01"},
    "numbakmeans.Blocks.in_place": {"PR01", "RT01"},
}


def public_names():
    """Return the names of all public functions, classes and methods."""
    found = [f"numbakmeans.{name}" for name in numbakmeans.__all__ if name != "__version__"]
    found.append("numbakmeans.dask.KMeans")
    found += [f"numbakmeans.jit.{name}" for name in jit.__all__ if name[0].islower()]
    for name in ("KMeans", "MiniBatchKMeans", "Blocks", "dask.KMeans"):
        home = numbakmeans.dask if "." in name else numbakmeans
        kind = getattr(home, name.rpartition(".")[2])
        methods = inspect.getmembers(kind, inspect.isfunction)
        own = (value for value in dict(methods).values() if value.__module__.startswith("numbakmeans"))
        found += [f"numbakmeans.{name}.{each.__name__}" for each in own if not each.__name__.startswith("_")]
    return found


def errors(name):
    """Return what numpydoc finds in a docstring, but for what is not asked for."""
    left_out = LEFT_OUT | PER_OBJECT.get(name, set())
    if inspect.isclass(validate.Validator._load_obj(name.rpartition(".")[0])):
        left_out |= LEFT_OUT_IN_METHODS
    return [(code, text) for code, text in validate.validate(name)["errors"] if code not in left_out]


@pytest.mark.parametrize("name", public_names())
def test_a_public_docstring_is_complete(name):
    assert errors(name) == []


def test_what_is_missing_is_noticed(monkeypatch):
    """The negative control."""
    assert len(public_names()) > 40
    text = numbakmeans.choose_k.__doc__
    faults = {
        "    n_init : int\n": "    n_start : int\n",
        "        The rows.\n": "",
        "    Returns\n    -------\n": "",
        "    See Also\n    --------\n": "",
        "    Examples\n    --------\n": "",
    }
    for old, new in faults.items():
        assert old in text
        monkeypatch.setattr(numbakmeans.choose_k, "__doc__", text.replace(old, new))
        assert errors("numbakmeans.choose_k")
