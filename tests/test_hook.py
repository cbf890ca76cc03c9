"""The hook that Numba calls: SciPy's own names, and names that are loaded lazily, in nopython code."""

import os
import subprocess
import sys

import pytest

SCIPY = """
import sys
import numpy as np
from numba import njit
{before}
@njit
def unrelated(x):
    return x + 1
assert unrelated(1) == 2
assert "numbakmeans._numba.overloads" not in sys.modules and "numbakmeans._scipy" not in sys.modules
{after}
from scipy.cluster import vq
@njit
def clusters(X, start):
    return vq.kmeans2(X, start, 4)[0], vq.vq(X, start)[0]
X = np.random.default_rng(0).normal(size=(50, 2))
centers, codes = clusters(X, X[:3])
import numbakmeans
assert (centers == numbakmeans.kmeans2(X, X[:3], 4)[0]).all()
assert (codes == numbakmeans.vq(X, X[:3])[0]).all()
print(vq.__spec__.loader is vq.__loader__, type(vq.__loader__).__name__)
"""


def run(code, **more):
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, **more}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


LIGHT = """
import sys
import numba
before = set(sys.modules)
from numbakmeans._numba import hook as _hook
_hook.init()
{planted}
print(*sorted(set(sys.modules) - before - {{"__future__"}}))
"""


def test_the_hook_that_every_program_loads_is_light():
    light = "numbakmeans numbakmeans._numba numbakmeans._numba.hook\n"
    result = run(LIGHT.format(planted=""))
    assert (result.returncode, result.stdout) == (0, light), result.stderr
    # The negative control: with one more import.
    result = run(LIGHT.format(planted="import numbakmeans._numba.compiler"))
    assert result.returncode == 0, result.stderr
    assert result.stdout != light


@pytest.mark.parametrize(
    ("before", "after"),
    [("import scipy.cluster.vq", ""), ("", "assert 'scipy.cluster' not in sys.modules")],
    ids=["loaded first", "loaded later"],
)
def test_scipys_own_names_mean_ours_in_nopython_code(before, after):
    result = run(SCIPY.format(before=before, after=after))
    assert (result.returncode, result.stdout) == (0, "True SourceFileLoader\n"), result.stderr


EMPTY = """
import numpy as np
from numba import njit
from scipy.cluster import vq
import numbakmeans

@njit(cache=True)
def scipys(X, start):
    return vq.kmeans2(X, start, 1, missing="raise")

@njit(cache=True)
def ours(X, start):
    return numbakmeans.kmeans2(X, start, 1, missing="raise")

X, start = np.ones((9, 2)), np.array([[0.0, 0.0], [9e9, 9e9]])
for call in (scipys, ours):
    try:
        call(X, start)
    except (vq.ClusterError, numbakmeans.ClusterError) as error:
        print(type(error).__module__.partition(".")[0], error)
"""


def test_an_empty_cluster_raises_the_error_of_the_module_that_was_called(tmp_path):
    (tmp_path / "users.py").write_text(EMPTY)
    command = [sys.executable, tmp_path / "users.py"]
    # The second time, the code comes from Numba's cache.
    for _ in range(2):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        words = "One of the clusters is empty. Re-run kmeans with a different initialization."
        words += " In the last pass: 1 of 2."
        assert result.stdout == f"scipy {words}\nnumbakmeans {words}\n"


def test_scipys_own_names_need_the_hook():
    """The negative control: with Numba's extensions off, SciPy's function is unknown to Numba."""
    off = "import numba.core.entrypoints as e; e._already_initialized = True"
    result = run(SCIPY.format(before=off, after=""))
    assert result.returncode == 1
    assert "kmeans2" in result.stderr
    # Importing the building blocks registers the names, too, for when no entry point is installed.
    result = run(SCIPY.format(before=off, after="import numbakmeans.jit"))
    assert result.returncode == 0, result.stderr


LAZY = """
import numpy as np
from numba import njit
import numbakmeans

@njit
def users(X):
    return numbakmeans.vq(X, X[:2])

X = np.arange(8.0).reshape(4, 2)
print(users(X)[0].tolist())
"""

DEAF = """
import sys
from numba.core.registry import cpu_target

context = cpu_target.typing_context
look = context.refresh
HOOK = "numbakmeans._numba.hook"
context.refresh = lambda: None if sys._getframe(1).f_globals["__name__"] == HOOK else look()
"""


def test_a_lazily_loaded_name_is_found():
    result = run(LAZY)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "[0, 1, 1, 1]\n"
    # The control: Numba must look twice, as its first look only makes us load the name.
    result = run(DEAF + LAZY)
    assert result.returncode != 0
    assert "Unknown attribute 'vq'" in result.stderr
