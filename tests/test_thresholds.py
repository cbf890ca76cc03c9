"""The table of thresholds, the sweeps that set them, and what a sweep finds."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

from numbakmeans._engine import thresholds as at

# At the end: an installed package comes before the one in the repository.
sys.path.append(str(Path(__file__).parents[1]))

from tuning import __main__ as command
from tuning.isolated import Process
from tuning.runner import Choice, Rate, Sweep, measure, thin
from tuning.sweeps import SWEEPS

SOURCE = Path(at.__file__).read_text()
FIELDS = re.compile(r"#: unit: ([^;]+); sweep: ([^;]+); flat: ([^;]+)")
SETS = {name: sweep.thresholds for name, sweep in SWEEPS.items()}


def documented(source):
    """Return the sweep of every constant, and what is wrong with their comments."""
    lines, sweeps, wrong = source.splitlines(), {}, []
    for node in ast.parse(source).body[1:]:  # after the docstring
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            wrong.append(f"line {node.lineno} is not a single constant")
            continue
        name, first = node.targets[0].id, node.lineno - 2
        while lines[first].startswith("#:"):
            first -= 1
        *sentence, fields = lines[first + 1 : node.lineno - 1] or [""]
        found = FIELDS.fullmatch(fields)
        if not found or not re.fullmatch(r"#: [A-Z].*[^.]\.", " ".join(sentence)):
            wrong.append(f"{name} lacks a sentence, or its unit, sweep and flat range")
        else:
            sweeps[name] = found[2]
    return sweeps, wrong


def mismatches(sweeps, sets):
    """Return where constants and sweeps do not name each other."""
    wrong = [f"{name}: no sweep {sweep}" for name, sweep in sweeps.items() if sweep not in sets]
    wrong = [each for each in wrong if not re.search(r"no sweep none: \w", each)]
    for sweep, names in sets.items():
        wrong += [f"{sweep}: {name} does not name it" for name in names if sweeps.get(name) != sweep]
        wrong += [
            f"{name}: {sweep} does not set it"
            for name in sweeps
            if sweeps[name] == sweep and name not in names
        ]
    return wrong


def test_every_threshold_has_its_unit_its_sweep_and_its_flat_range():
    sweeps, wrong = documented(SOURCE)
    assert wrong == []
    assert set(sweeps) == {name for name in vars(at) if name.isupper()}
    assert len(sweeps) > 60


@pytest.mark.parametrize(
    "planted",
    [
        "PLANTED = 1\n",
        "#: A sentence.\nPLANTED = 1\n",
        "#: unit: rows; sweep: lanes; flat: not measured\nPLANTED = 1\n",
        "#: A sentence.\n#: unit: rows; sweep: lanes\nPLANTED = 1\n",
        "#: A sentence.\n#: unit: rows; sweep: lanes; flat: not measured\n\nPLANTED = 1\n",
        "#: A sentence.\n#: unit: rows; sweep: lanes; flat: not measured\nPLANTED, TOO = 1, 2\n",
    ],
)
def test_a_threshold_without_its_fields_is_noticed(planted):
    assert len(documented(SOURCE + planted)[1]) == 1


def test_thresholds_and_sweeps_name_each_other():
    assert mismatches(documented(SOURCE)[0], SETS) == []


@pytest.mark.parametrize(
    ("sweep", "sets"),
    [
        ("no-such-sweep", SETS),
        ("none", SETS),
        ("lanes", SETS),
        ("none: planted", SETS | {"planted": ("PLANTED",)}),
        ("planted", SETS | {"planted": ()}),
    ],
)
def test_a_missing_sweep_is_noticed(sweep, sets):
    planted = f"#: A sentence.\n#: unit: rows; sweep: {sweep}; flat: not measured\nPLANTED = 1\n"
    sweeps, wrong = documented(SOURCE + planted)
    assert wrong == []
    assert len(mismatches(sweeps, sets)) == 1


def test_sweeps_try_other_values():
    for sweep in SWEEPS.values():
        assert sweep.cases
        for name, values in getattr(sweep, "tries", {}).items():
            assert any(value != getattr(at, name) for value in values), name


def test_the_plan_chooses_among_the_options():
    choices = [sweep for sweep in SWEEPS.values() if isinstance(sweep, Choice)]
    for sweep in choices:
        assert {sweep.chosen(case) for case in sweep.cases} <= set(sweep.options)
    assert len(choices) > 5


# --- The runner, with work that is counted instead of timed


class Work:
    """A clock that only runs forward when work is done."""

    def __init__(self):
        self.now, self.done = 0.0, []
        self.measure = functools.partial(measure, rounds=2, clock=lambda: self.now)

    def takes(self, cost, key=None):
        """Return a run of a given cost, a number or a function."""

        def run():
            self.now += cost() if callable(cost) else cost
            self.done.append(key)

        return run


@pytest.fixture
def work():
    return Work()


def test_a_sweep_finds_a_wrong_threshold_and_no_right_one(work, monkeypatch):
    """The best value of both is 8; near it, the cost is flat."""
    monkeypatch.setattr(at, "RIGHT", 8, raising=False)
    monkeypatch.setattr(at, "WRONG", 64, raising=False)

    def build(case):
        return work.takes(lambda: case * (1 + 0.01 * (abs(at.RIGHT - 8) + abs(at.WRONG - 8))))

    sweep = Sweep({"RIGHT": (1, 7, 100), "WRONG": (1, 6, 8, 64)}, [1.0, 5.0], build)
    right, wrong = sweep.findings(work.measure)
    assert (right.thresholds, right.wrong) == (("RIGHT",), False)
    assert (wrong.thresholds, wrong.wrong) == (("WRONG",), True)
    assert right.lines[-1] == "the present value loses 0.0%; flat: 7, 8"
    assert wrong.lines[-1] == "the present value loses 56.0%; flat: 6, 8"
    # All values are timed, and the present ones are back in place.
    assert (len(right.lines), len(wrong.lines)) == (5, 5)
    assert (at.RIGHT, at.WRONG) == (8, 64)


def test_a_sweep_finds_a_wrong_threshold_by_dtype(work, monkeypatch):
    monkeypatch.setattr(at, "LIMITS", {4: 64, 8: 64}, raising=False)
    sweep = Sweep({"LIMITS": ({4: 8, 8: 16},)}, [1.0], lambda case: work.takes(lambda: case * at.LIMITS[8]))
    (found,) = sweep.findings(work.measure)
    assert found.wrong
    assert found.lines[-1] == "the present value loses 300.0%; flat: {4: 8, 8: 16}"


@pytest.mark.parametrize(
    ("chosen", "wrong", "n_lines"), [("fast", False, 0), ("slow", True, 2), ("mixed", False, 1)]
)
def test_a_choice_that_loses_is_noticed(chosen, wrong, n_lines, work):
    def choose(case):
        return {"mixed": "slow" if case == 3.0 else "fast"}.get(chosen, chosen)

    def build(case, option):
        return work.takes(case if option == "fast" else 1.13 * case)

    cases = [2.0, 3.0] if chosen != "mixed" else [1.0, 2.0, 3.0]
    (found,) = Choice(("LIMIT",), ("fast", "slow"), cases, build, choose).findings(work.measure)
    assert found.wrong == wrong
    losing = [line for line in found.lines if line.startswith("slow loses 13% to fast on ")]
    assert len(losing) == n_lines


@pytest.mark.parametrize(("limit", "wrong"), [(0.5, False), (0.4, True)])
def test_steps_that_take_too_long_are_noticed(limit, wrong, work):
    rate = Rate(("STEPS",), [(1.0, 4.0), (5.0, 10.0)], lambda case: (work.takes(case[0]), case[1]), limit)
    (found,) = rate.findings(work.measure)
    assert found.wrong == wrong


def test_runs_take_turns_and_hopeless_ones_are_dropped(work):
    runs = {"a": work.takes(1.0, "a"), "b": work.takes(9.0, "b"), "c": work.takes(2.0, "c")}
    assert work.measure(runs) == {"a": 1.0, "b": 9.0, "c": 2.0}
    # The first calls, which compile; those that tell how often a short run is repeated; two rounds.
    assert work.done == [*"abc", *"abc", *"abc", *"ac"]


def test_a_few_workloads_include_the_ends():
    sweep = SWEEPS["algorithms"]
    few = thin(sweep, 3).cases
    assert (few[0], few[-1], len(few)) == (sweep.cases[0], sweep.cases[-1], 3)
    assert thin(SWEEPS["projection-pairs"], 3).cases == SWEEPS["projection-pairs"].cases


def expects(value):
    assert value == at.MAX_SMALL_BLOCK_ROWS
    return lambda: None


def test_a_process_has_its_own_value():
    process = Process(expects, "MAX_SMALL_BLOCK_ROWS", 7)
    process.run_of(7)()
    process.end()
    other = Process(expects, "MAX_SMALL_BLOCK_ROWS", 8)
    with pytest.raises(EOFError):
        other.run_of(7)()


def test_the_command_names_thresholds_that_look_wrong(work, monkeypatch, capsys):
    monkeypatch.setattr(at, "RIGHT", 8, raising=False)
    monkeypatch.setattr(at, "WRONG", 8, raising=False)
    sweeps = {
        "one": Sweep({"RIGHT": (4,)}, [1.0], lambda case: work.takes(lambda: 16 / at.RIGHT)),
        "two": Sweep({"WRONG": (4,)}, [1.0], lambda case: work.takes(lambda: at.WRONG)),
    }
    monkeypatch.setattr(command, "SWEEPS", sweeps)
    monkeypatch.setattr(command, "measure", lambda runs, rounds: work.measure(runs))
    command.main(["--list"])
    assert capsys.readouterr().out.split() == ["one", "RIGHT", "two", "WRONG"]
    command.main([])
    assert capsys.readouterr().out.endswith("\nlook wrong on this machine: WRONG\n")
    command.main(["--quick", "one"])
    assert capsys.readouterr().out.endswith("\nlook wrong on this machine: none\n")
    with pytest.raises(SystemExit):
        command.main(["three"])
    assert "no such sweep: three" in capsys.readouterr().err
