"""The same bits for any number of threads, threading layer and processor, each in its own process."""

import json
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import oracle
import pytest
from support import results_program, variants
from support.background import run_in_background
from support.environments import importing_tests, program, under

from numbakmeans._engine.simd import vectors

#: Processors to compile for: name and features for Numba; empty features mean the processor's own.
TARGETS = {
    "native": {},
    "512-bit vectors": {"NUMBA_CPU_NAME": "x86-64-v4", "NUMBA_CPU_FEATURES": ""},
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "SSE, not fused": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""},
}


#: What a target is compared in: a variant and a dtype, or all; and by how many threads.
PARTS = {"certified float32": [3], "all": [1, 2, 3, 8]}


def run(layer, threads, *part, expected_layer=None, **more):
    environment = under(layer, NUMBA_NUM_THREADS=str(threads), **more)
    command = program("results_program", expected_layer or layer, str(threads), *part)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def expected():
    """Return the oracle's answers, and those of one thread for calls that the oracle does not cover."""
    result = run("workqueue", 1)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    for name, (X, centers, n_iter) in results_program.matrix_cases().items():
        with np.errstate(all="ignore"):
            right = oracle.kmeans2(X, centers, n_iter)
        for variant in variants.VARIANTS:
            assert f"{variant}: {name}" in found
            found[f"{variant}: {name}"] = results_program.digest(right[0], right[1])
    return found


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_every_layer_and_number_of_threads_gives_the_same_bits(layer, threads, expected):
    result = run(layer, threads)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert found.keys() == expected.keys()


@pytest.fixture(scope="module")
def on_target(request):
    """Yield a function that returns the runs on a target by number of threads; the first one compiles."""

    def all_threads(target, part):
        counts = PARTS[part] if supported(target) and not like_native(target) else []
        names = [] if part == "all" else part.split()
        return {threads: run("workqueue", threads, *names, **TARGETS[target]) for threads in counts}

    yield from run_in_background(request, all_threads, "target", "part")


@pytest.mark.parametrize(("part", "threads"), [(part, n) for part, counts in PARTS.items() for n in counts])
@pytest.mark.parametrize("target", [target for target in TARGETS if target != "native"])
def test_every_other_target_gives_the_same_bits(target, part, threads, expected, on_target):
    require(target)
    if like_native(target):
        pytest.skip("this machine's own vectors are these")
    result = on_target(target, part)[threads]
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert [name for name in found if found[name] != expected[name]] == []
    assert len(found) == len(expected) or (part != "all" and len(found) > 20)


PROBE = """
import json, numpy as np, test_simd
for dtype in (np.float32, np.float64):
    arrays = test_simd.buffers(dtype, 3, 1)
    test_simd.fill(*arrays[:4])
    test_simd.check(arrays)
    test_simd.check_lanes(dtype, 3, 1, False, np.empty)
assembly = test_simd.assemblies()
print(json.dumps({word: assembly.count(word) for word in ("zmm", "ymm", "xmm", "vfmadd")}))
"""


def registers(**environment):
    """Return how often the code of the tiles uses each kind of register, and fused operations."""
    environment = importing_tests(NUMBAKMEANS_CACHE_DIR="off", **environment)
    command = [sys.executable, "-c", PROBE]
    return json.loads(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.parametrize(
    ("processor", "present", "absent"),
    [
        ("512-bit vectors", ["zmm", "vfmadd"], []),
        ("AVX2", ["ymm", "vfmadd"], ["zmm"]),
        ("SSE, not fused", ["xmm"], ["ymm", "zmm", "vfmadd"]),
    ],
)
def test_the_code_is_for_the_target(processor, present, absent):
    require(processor)
    counts = registers(**TARGETS[processor])
    assert [word for word in present if counts[word] < 20] == []
    assert [word for word in absent if counts[word]] == []


def test_a_processors_name_alone_keeps_the_hosts_features():
    """The negative control: without NUMBA_CPU_FEATURES nothing changes but the name."""
    require("512-bit vectors")
    counts = registers(NUMBA_CPU_NAME="nehalem")
    assert counts["zmm"] > 20
    assert counts["vfmadd"] > 20


def supported(target):
    """Return whether this machine has the instructions of a target."""
    needs = {"512-bit vectors": "avx512f", "AVX2": "avx2", "SSE, not fused": "sse4.2"}.get(target)
    return needs is None or llvm.get_host_cpu_features().get(needs, False)


def vectors_of(processor, features):
    """Return the vector capabilities of a processor, as the tiles probe them."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=processor, features=features)
    return vectors._probe(machine)


def like_native(target):
    """Return whether a target's vectors are those that all other tests use on this machine."""
    own = vectors_of(llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return vectors_of(TARGETS[target]["NUMBA_CPU_NAME"], TARGETS[target]["NUMBA_CPU_FEATURES"]) == own


def test_targets_differ():
    """At most one is like this machine; if all were, nothing else would be tested."""
    others = [target for target in TARGETS if target != "native" and supported(target)]
    assert len({vectors_of(*TARGETS[target].values()) for target in others}) == len(others)
    assert sum(map(like_native, others)) <= 1


def require(target):
    if not supported(target):
        pytest.skip(f"this machine has no {target}")


def test_a_hash_depends_on_every_bit():
    """The negative control: one last bit, the dtype or the shape changes the hash."""
    x = np.ones(5)
    changed = x.copy()
    changed[3] = np.nextafter(1, 2)
    others = [changed, x.astype(np.float32), x.reshape(1, 5), x[:4]]
    assert results_program.digest(x) not in {results_program.digest(other) for other in others}
    assert results_program.digest(x) == results_program.digest(x.copy())


def test_a_wrong_layer_is_noticed():
    wrong = run("workqueue", 2, expected_layer="omp")
    assert wrong.returncode == 1
    assert "assert numba.threading_layer() == layer" in wrong.stderr
