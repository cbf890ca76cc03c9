"""What names an entry of the code cache: the sources, constants and settings that its code depends on."""

import ast
import os
import time

import numba
import pytest
from support.caching import PACKAGE, SMALL_CALL, compiled, key, result
from support.package_copies import copy_package

from numbakmeans._numba import cache as _cache
from numbakmeans._numba.compiler import kernel
from numbakmeans._numba.entries import Code

# --- Sources and constants


def imported(path):
    """Return the modules and names of the package that a file imports anywhere, by Python's own parser."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("numbakmeans.")}


def path_of(module):
    place = PACKAGE.parent / module.replace(".", "/")
    return next((p for p in (place / "__init__.py", place.with_suffix(".py")) if p.is_file()), None)


KERNELS = sorted(path.stem for path in (PACKAGE / "_engine" / "kernels").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", KERNELS)
def test_all_sources_of_a_kernel_are_found(name):
    module = f"numbakmeans._engine.kernels.{name}"
    found, wanted = set(), {module, *_cache.COMPILING}
    while wanted:
        each = wanted.pop()
        if each not in found and path_of(each):
            found.add(each)
            wanted |= imported(path_of(each))
    assert _cache.sources_of(module) == found
    assert "numbakmeans._numba.tables" in found
    assert not {part for part in found if part.startswith(("numbakmeans._cli", "numbakmeans._scipy"))}


@pytest.fixture
def copied(tmp_path):
    """Return a copy of the package that tests may edit."""
    copy_package(tmp_path)
    return tmp_path / "numbakmeans"


def test_code_stays_valid_after_edits_elsewhere(copied, tmp_path):
    def again():
        return result(tmp_path / "cache", root=tmp_path)

    def edit(*place):
        with copied.joinpath(*place).open("a") as file:
            file.write("\n# Something else.\n")

    loaded, n_kernels, lost, _ = again()
    assert (loaded, lost) == (0, 0)
    assert n_kernels >= 2
    for place in (
        ("_cli", "plot.py"),
        ("_scipy.py",),
        ("_engine", "kernels", "yinyang.py"),
        ("__init__.py",),
    ):
        edit(*place)
        assert again()[:2] == [n_kernels, 0], place
    edit("_engine", "kernels", "reference.py")  # one kernel depends on it, and one does not
    loaded, stored, _, _ = again()
    assert 0 < loaded < n_kernels
    assert loaded + stored == n_kernels
    edit("_numba", "tables.py")
    assert again()[:2] == [0, n_kernels]


def test_code_of_sources_edited_meanwhile_is_not_kept(copied, tmp_path):
    """A module that was imported before an edit does not match its file any more."""
    here = {"root": tmp_path}
    loaded, stored, lost, trouble = result(tmp_path / "cache", SMALL_CALL, "change", **here)
    assert loaded == 0
    assert stored > 0  # code that does not depend on it
    assert lost > 0
    assert "reference has changed since this process began" in trouble
    assert result(tmp_path / "cache", **here) == [stored, lost, 0, ""]


def test_source_times_are_compared_with_the_process_start(cache_folder, monkeypatch):
    monkeypatch.setattr(_cache, "BEGAN", time.time() + 60)
    assert compiled() == (0, 1)
    assert compiled() == (1, 0)
    monkeypatch.setattr(_cache, "BEGAN", 0.0)
    assert compiled(1) == (0, 1)
    assert compiled(1) == (0, 1)


CONSTANT = """
from numbakmeans._numba.compiler import kernel
STEP = {}
@kernel
def step(x):
    return x + STEP
"""


def test_constants_are_not_confused(tmp_path):
    """Two modules of the same name, with the same function, differ in a constant."""
    program = "import json, constant; from numbakmeans._numba import cache\n"
    program += "print(json.dumps([constant.step(1), cache.loaded, cache.stored]))"
    found = []
    for step in (1, 10, 1, 10):
        site = tmp_path / str(step)
        if not site.exists():
            site.mkdir()
            (site / "constant.py").write_text(CONSTANT.format(step))
        root = os.pathsep.join([str(site), str(PACKAGE.parent)])
        found.append(result(tmp_path / "cache", program, root=root))
    assert found == [[2, 0, 1], [11, 0, 1], [2, 1, 0], [11, 1, 0]]


def test_kernels_defined_in_functions_are_neither_confused_nor_kept(cache_folder):
    def make(step):
        @kernel
        def add(x):
            return x + step

        return add

    one, ten = make(1), make(10)
    assert [one(1), ten(1), one(1.0), ten(1.0), make(100)(1)] == [2, 11, 2.0, 11.0, 101]
    assert kernel(lambda x: x - 1)(1) == 0
    assert list(cache_folder.iterdir()) == []
    # The control: a kernel of a module is kept.
    compiled()
    assert len(list(cache_folder.iterdir())) == 1


def test_a_substituted_kernel_is_not_kept(cache_folder, monkeypatch):
    @kernel
    def another(x):
        return 1 + x

    assert compiled(function=another) == (0, 1)
    assert list(cache_folder.iterdir()) == []


# --- Settings, processors and versions


SETTINGS = [
    ("OPT", "0", 0),
    ("BOUNDSCHECK", "1", 1),
    ("CPU_NAME", "haswell", "haswell"),
    ("CPU_FEATURES", "+sse2", "+sse2"),
    ("ENABLE_AVX", "0", 0),
]


@pytest.mark.parametrize(("name", "text", "value"), SETTINGS)
def test_settings_of_numba_are_part_of_the_name(cache_folder, name, text, value, monkeypatch):
    """Settings made by a program, and by the environment if Numba is not imported, give the same name."""
    for each, _, _ in SETTINGS:
        monkeypatch.delenv(f"NUMBA_{each}", raising=False)
    for each, unless in (("OPT", 3), ("BOUNDSCHECK", None)):
        monkeypatch.setattr(numba.config, each, unless)
    plain = key()
    monkeypatch.setattr(numba.config, name, value)
    set_by_program = key()
    monkeypatch.setattr(_cache, "_config", lambda: None)
    assert key() == plain
    monkeypatch.setenv(f"NUMBA_{name}", text)
    assert key() == set_by_program != plain


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_CPU_NAME": ""},
    ],
)
def test_settings_from_the_environment_are_read_as_numba_reads_them(tmp_path, settings):
    program = """
import json, sys
from numbakmeans._numba import cache
found = [cache.key_of('numbakmeans._engine.kernels.small', 'solve', ()), 'numba' in sys.modules]
import numba
print(json.dumps([*found, cache.key_of('numbakmeans._engine.kernels.small', 'solve', ())]))
"""
    before, imported, after = result(tmp_path / "cache", program, **settings)
    assert not imported
    assert before == after


def test_numbas_settings_file_is_part_of_the_name(tmp_path):
    pytest.importorskip("yaml")
    program = """
import json, sys
from numbakmeans._numba import cache
print(json.dumps([cache.key_of('numbakmeans._engine.kernels.small', 'solve', ()), 'numba' in sys.modules]))
"""
    plain = result(tmp_path / "cache", program, cwd=tmp_path)
    (tmp_path / ".numba_config.yaml").write_text('opt: "0"\n')
    changed = result(tmp_path / "cache", program, cwd=tmp_path)
    assert (plain[1], changed[1]) == (False, True)
    assert plain[0] != changed[0]


def test_code_for_a_stated_processor_is_the_same_on_every_machine(cache_folder, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_NAME", "haswell")
    only_name = key()
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "")
    stated = key()
    monkeypatch.setattr(_cache, "_processor", lambda: ("another", "processor"))
    assert key() == stated
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    assert key() not in (only_name, stated)


def test_code_is_not_kept_if_settings_change_while_it_is_compiled(cache_folder, monkeypatch):
    asked = key()
    monkeypatch.setattr(numba.config, "OPT", 1)
    _cache.store(asked, Code(b"", "", ""))
    assert "settings have changed" in _cache.trouble
    assert list(cache_folder.iterdir()) == []


def test_processors_and_versions_are_part_of_the_name(cache_folder, monkeypatch):
    plain = key()
    assert key(("q",)) != plain == key()
    with monkeypatch.context() as patched:
        patched.setattr(_cache, "_processor", lambda: ("another", "processor"))
        assert key() != plain
    monkeypatch.setattr(_cache, "_machine", lambda: ("another processor",))
    assert key() != plain
