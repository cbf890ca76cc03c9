"""Longer checks than `.ci/run`'s: ``nox`` for all of them, ``nox -s soak`` for one.

Interpreters that are not there are skipped.
"""

import re
from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.11", "3.12", "3.13"]
LAYERS = ["omp", "workqueue", "tbb"]
SIDE_BY_SIDE = ("-n", "auto", "--dist", "loadfile")
#: What does not need SciPy and scikit-learn.
CORE = (
    "tests/kernels",
    "tests/test_algorithms.py",
    "tests/test_fit.py",
    "tests/test_seeding.py",
    "tests/test_weights.py",
    "tests/test_relocation.py",
    "tests/test_constraints.py",
    "tests/test_sizes.py",
    "tests/test_entries.py",
    "tests/test_nopython.py",
    "tests/test_workspace.py",
)
CACHE = ("tests/test_cache.py", "tests/test_cache_keys.py", "tests/test_cache_folders.py")


def without(names):
    """Return what lets pytest leave out some files."""
    files = [f"tests/test_{name}.py" for name in names]
    assert all(Path(file).is_file() for file in files)  # pytest ignores what is not there
    return [f"--ignore={file}" for file in files]


@nox.session(python=PYTHONS)
def tests(session):
    """Run the whole suite."""
    session.install("-e", ".[test]")
    session.run("pytest", "--full", *SIDE_BY_SIDE, *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session):
    """Run the core of the suite with the lowest declared NumPy and Numba."""
    bounds = re.findall(r'^  "(numpy|numba)>=([0-9.]+)"', Path("pyproject.toml").read_text(), flags=re.M)
    assert len(bounds) == 2
    session.install("pytest", "hypothesis", *(f"{name}=={version}.*" for name, version in bounds))
    session.install("--no-deps", ".")
    session.run("pytest", "--full", *CORE, *CACHE)


@nox.session(python=PYTHONS)
@nox.parametrize("releases", ["final", "pre"])
def newest(session, releases):
    """Run what tells first that a new Numba, llvmlite or NumPy has changed something inside."""
    session.install("-e", ".[test]")
    more = ["--pre"] if releases == "pre" else []
    session.install("--upgrade", *more, "numba", "numpy")
    numbas = ("tests/test_numba_inside.py", "tests/test_overloads.py", "tests/test_hook.py")
    session.run("pytest", *numbas, *CORE, *CACHE)


@nox.session(python=PYTHONS[0])
@nox.parametrize("layer", LAYERS)
def layers(session, layer):
    """Run, under one threading layer, all tests that depend on it and do not choose it themselves."""
    session.install("-e", ".[test]")
    environment = {"NUMBA_THREADING_LAYER": layer}
    if layer == "tbb":
        environment["LD_LIBRARY_PATH"] = str(Path(session.virtualenv.location) / "lib")
    # Left out: what goes through the layers itself, uses one thread, or none.
    left_out = (
        "threads_and_forks",
        "doors",
        "settings",
        "planted_faults",
        "installs",
        "warmup",
        "fuzz",
        "guards",
    )
    ignored = [*without(left_out), "--ignore=tests/cli"]
    session.run("pytest", "--full", *SIDE_BY_SIDE, *ignored, *session.posargs, env=environment)


@nox.session(python=PYTHONS[0])
def bounds(session):
    """Run the suite with checked array bounds, from an empty cache."""
    session.install("-e", ".[test]")
    environment = {
        "NUMBA_BOUNDSCHECK": "1",
        # Absolute: some tests run the command elsewhere.
        "NUMBAKMEANS_CACHE_DIR": str(Path(session.create_tmp()).resolve() / "cache"),
    }
    # Left out: what runs in processes of its own, with settings of its own.
    left_out = (
        "threads_and_forks",
        "doors",
        "settings",
        "installs",
        "warmup",
        "soak",
        "fuzz",
        "jit",
        "cache",
        "cache_keys",
        "cache_folders",
        "plan",
    )
    session.run("pytest", "--full", *SIDE_BY_SIDE, *without(left_out), *session.posargs, env=environment)


@nox.session(python=PYTHONS[0])
def fuzz(session):
    """Throw 100,000 cases at everything public, guided by coverage."""
    session.install("-e", ".[test]", "atheris")
    session.run("python", "tests/fuzz.py", *(session.posargs or ("--cases", "100000")))


@nox.session(python=PYTHONS[0])
def soak(session):
    """Mix calls for half an hour."""
    session.install("-e", ".[test]")
    session.run("python", "tests/soak.py", *(session.posargs or ("--minutes", "30")))


@nox.session(python=PYTHONS[0])
def regressions(session):
    """Plant faults, and show which guards and quick benchmarks notice them."""
    session.install("-e", ".[bench]")
    session.run("python", "asv_benchmarks/regressions.py", *(session.posargs or ("--write", "docs")))


@nox.session(python=PYTHONS[0])
def tables(session):
    """Make the tables and pictures of README.md and docs/ that compare us with others, or with ourselves."""
    session.install("-e", ".[bench,image,dask]", "distributed")
    for name in ("compare", "drop_in"):
        session.run("python", f"asv_benchmarks/{name}.py", "--write", "README.md")
    for name in ("first_minute", "growth", "scaling", "large_data"):
        session.run("python", f"asv_benchmarks/{name}.py", "--write", "docs")


@nox.session(python=PYTHONS[0])
def docs(session):
    """Build the site into docs/_build, with all examples; warnings are errors."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build", *session.posargs)


@nox.session(python=PYTHONS[0])
def links(session):
    """Follow the links of the site that lead elsewhere, those into other projects' references included."""
    session.install("-e", ".[docs]")
    environment = {"NUMBAKMEANS_DOCS_ONLINE": "1"}
    session.run(
        "sphinx-build",
        "-W",
        "-b",
        "linkcheck",
        "-D",
        "plot_gallery=0",
        "docs",
        "docs/_build/links",
        env=environment,
    )
