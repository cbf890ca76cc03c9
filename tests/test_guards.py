"""The guards of `asv_benchmarks/guards.py`: what they say at, below and above a bound, and without a tool."""

import importlib.util
import json
import sys

import pytest
from support.environments import TESTS

FILE = TESTS.parent / "asv_benchmarks" / "guards.py"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the benchmarks are not part of this copy")


@pytest.fixture
def guards(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("guards", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BOUNDS", tmp_path / "guards.json")
    monkeypatch.setattr(module, "missing", lambda name: None)
    return module


def check(guards, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["guards.py", *arguments])
    guards.main()


def make(guards, monkeypatch, count, bound, tolerance=0.0):
    monkeypatch.setattr(guards, "GUARDS", {"one": guards.Guard(lambda: count, tolerance)})
    guards.BOUNDS.write_text(json.dumps({"versions": "other", "bounds": {"one": bound}}))


@pytest.mark.parametrize(("count", "tolerance"), [(100, 0.0), (99, 0.0), (102, 0.02)])
def test_a_count_up_to_its_bound_passes(guards, monkeypatch, capsys, count, tolerance):
    make(guards, monkeypatch, count, 100, tolerance)
    check(guards, monkeypatch)
    assert capsys.readouterr().out.startswith("ok")


@pytest.mark.parametrize(("count", "tolerance"), [(101, 0.0), (103, 0.02)])
def test_a_count_above_its_bound_fails(guards, monkeypatch, capsys, count, tolerance):
    make(guards, monkeypatch, count, 100, tolerance)
    with pytest.raises(SystemExit) as ended:
        check(guards, monkeypatch)
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert printed.startswith("EXCEEDED")
    assert "counted with other" in printed


def test_a_guard_without_a_bound_fails(guards, monkeypatch):
    make(guards, monkeypatch, 5, 5)
    guards.BOUNDS.write_text(json.dumps({"versions": "", "bounds": {}}))
    with pytest.raises(SystemExit):
        check(guards, monkeypatch)


def test_update_writes_the_counts_as_bounds(guards, monkeypatch):
    make(guards, monkeypatch, 120, 100)
    check(guards, monkeypatch, "--update")
    assert json.loads(guards.BOUNDS.read_text()) == {"versions": guards.versions(), "bounds": {"one": 120}}
    check(guards, monkeypatch)


def test_a_guard_that_cannot_run_is_named(guards, monkeypatch, capsys):
    make(guards, monkeypatch, 120, 100)
    monkeypatch.setattr(guards, "missing", lambda name: "no such tool")
    check(guards, monkeypatch)
    assert capsys.readouterr().out == "SKIPPED   one: no such tool\n"


def test_no_guard_at_all_is_an_error(guards, monkeypatch):
    with pytest.raises(SystemExit) as ended:
        check(guards, monkeypatch, "--only", "nothing that is guarded")
    assert ended.value.code == 2


def test_a_program_that_fails_is_an_error(guards):
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        guards.run("import no_such_module")


def test_every_guard_has_a_bound(guards):
    recorded = json.loads((FILE.parent / "guards.json").read_text())
    assert list(recorded["bounds"]) == list(guards.GUARDS)
    assert all(bound > 0 for bound in recorded["bounds"].values())
