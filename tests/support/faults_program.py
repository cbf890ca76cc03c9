"""Compare algorithms with the oracle on edge cases, with faults planted in a copy of the package.

``python -m support.faults_program float32`` reads a JSON list of [name, file, code, code with the fault,
algorithm] from standard input, and writes a line [name, first case that differs, or null] for each. A fault
is planted in a forked child, which reloads the modules that import that file, directly or not. This process
itself loads no kernel: its machine code would stay in the children, beside the faulty code of the same name.
"""

import ast
import gc
import json
import sys
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import numbakmeans
from numbakmeans._numba import cache as _cache
from numbakmeans._numba.entries import Entry
from support import comparison, edge_cases
from support.environments import TESTS

PACKAGE = Path(numbakmeans.__file__).parent


def imported_by(path):
    """Return the names of the modules that a file may import."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {part if part in sys.modules else node.module for part in parts}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def forget(file):
    """Unload the module of a file of the package, and all modules that import it, directly or not."""
    paths = {name: Path(getattr(module, "__file__", None) or "") for name, module in sys.modules.items()}
    imported = {
        name: imported_by(path)
        for name, path in paths.items()
        if path.is_relative_to(PACKAGE) or path.is_relative_to(TESTS)
    }
    old = {".".join([PACKAGE.name, *Path(file).with_suffix("").parts])}
    while more := {name for name in imported if imported[name] & old} - old:
        old |= more
    # What the code cache knows of the sources.
    for known in vars(_cache).values():
        if hasattr(known, "cache_clear"):
            known.cache_clear()
    # Entries hold the compiled code of these modules' kernels, and may outlive the modules.
    for each in gc.get_objects():
        if isinstance(each, Entry) and each.module in old:
            each.bound.clear()
    for name in (old - {"__main__"}) & sys.modules.keys():
        module = sys.modules.pop(name)
        package, _, last = name.rpartition(".")
        if package:
            vars(sys.modules.get(package, module)).pop(last, None)


def first_difference(algorithm, cases):
    """Return the name of the first case in which the algorithm's results differ from the expected ones."""
    import_module("support.variants").check_all_bounds()
    differences = import_module("support.comparison").differences
    return next((name for name, case in cases.items() if differences(*case, algorithm)), None)


def tell(name, file, algorithm, cases):
    """Write the first case that differs, after the module of a file has been reloaded."""
    forget(file)
    print(json.dumps([name, first_difference(algorithm, cases)]), flush=True)


def in_child(function, *arguments):
    """Call a function in a forked child; one that fails writes its traceback instead of a line."""
    child = get_context("fork").Process(target=function, args=arguments)
    child.start()
    child.join()


def tell_without_a_fault(algorithm, cases):
    print(json.dumps([algorithm, first_difference(algorithm, cases)]), flush=True)


def plant(name, file, old, new, algorithm, cases):
    """Plant a fault, and let a forked child write what it finds."""
    path = PACKAGE / file
    sound = path.read_text()
    assert old in sound
    path.write_text(sound.replace(old, new))
    in_child(tell, name, file, algorithm, cases)
    path.write_text(sound)


def main(dtype):
    dtype = np.dtype(dtype).type
    cases = {}
    for name, (X, centers) in edge_cases.cases(dtype).items():
        cases[name] = X, centers, comparison.expected_passes(X, centers)
    faults = json.load(sys.stdin)
    for algorithm in dict.fromkeys(fault[-1] for fault in faults):
        in_child(tell_without_a_fault, algorithm, cases)
    for fault in faults:
        plant(*fault, cases)


if __name__ == "__main__":
    main(*sys.argv[1:])
