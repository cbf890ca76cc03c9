"""Which tests a run selects.

``pytest`` runs what finds faults from day to day; ``pytest --full``, as nox does, runs everything: more
thread counts, layers, processors and planted faults, which repeat in another setting what is compared anyway.
``pytest -m quick`` runs for less than a minute once kernels are cached, and has tests from every room.
"""

#: Functions some of whose cases only a full run has: (file, function) -> parameters -> is it one of these?
EXTRA = {
    ("test_settings.py", "test_every_layer_and_number_of_threads_gives_the_same_bits"): lambda p: (
        (p["layer"], p["threads"]) not in {("omp", 1), ("omp", 3), ("workqueue", 2), ("tbb", 8)}
    ),
    ("test_settings.py", "test_every_other_target_gives_the_same_bits"): lambda p: (
        p["part"] == "all" or p["target"] == "AVX2"
    ),
    ("test_threads_and_forks.py", "test_a_situation_is_survived"): lambda p: p["layer"] != "omp",
    ("test_threads_and_forks.py", "test_a_situation_is_not_survived_without_its_guard"): lambda p: (
        p["layer"] != "omp"
    ),
    ("test_doors.py", "test_a_users_cached_function_runs_in_any_state_of_our_cache"): lambda p: True,
    ("test_doors.py", "test_a_users_cached_function_runs_in_a_process_that_has_not_imported_us"): lambda p: (
        p["layer"] != "omp"
    ),
    ("test_doors.py", "test_a_users_cached_function_runs_after_a_fork"): lambda p: p["layer"] != "omp",
    ("test_planted_faults.py", "test_a_fault_is_found"): lambda p: p["fault"] not in first_faults(),
    ("test_planted_faults.py", "test_without_a_fault_nothing_differs"): lambda p: (
        p["algorithm"].split(",")[0] == "yinyang" or "," in p["algorithm"]
    ),
    ("test_planted_faults.py", "test_a_fault_fails_the_test_made_for_it"): lambda p: (
        p["fault"]
        in {
            "bounds not widened for rounding",
            "a weight ignored in the sums of blocks",
            "a weight ignored in the inertia",
            "the rounding of weighted rows ignored",
            "the last row of a cluster relocated",
            "stale labels of blocks after a relocation",
            "stale bounds after a relocation",
            "a quotient that is taken for certain",
        }
    ),
    ("test_planted_faults.py", "test_a_call_that_nests_parallel_regions_dies"): lambda p: True,
    ("test_memory.py", "test_a_call_takes_no_more_memory_than_allowed"): lambda p: (
        p["given"] in {"wide, C float32", "wide, C int8", "wide, F float64", "flat, F float64"}
        or (p["call"], p["given"]) == ("greedy ++", "wide, F float32")
    ),
    ("test_architecture.py", "test_an_algorithm_that_is_added_by_the_page_gives_the_oracles_bits"): (
        lambda p: p["dtype"].__name__ == "float64"
    ),
    ("test_certify.py", "test_scores_are_within_their_bound"): lambda p: p["n_features"] in (1, 7),
    ("test_seeding.py", "test_a_fault_in_the_quantization_is_found"): lambda p: (
        p["change"] != (" + error", "")
    ),
    ("test_greedy.py", "test_a_fault_is_found"): lambda p: p["fault"] != "a weight ignored",
    ("test_greedy.py", "test_edge_cases"): lambda p: (
        p["threads"] != 3 or (p["quantized"] == "quantized") != (p["dtype"].__name__ == "float32")
    ),
    # One thread in float64, several in float32.
    ("test_algorithms.py", "test_edge_cases_give_the_oracles_bits"): lambda p: (
        (p["threads"] == 1) != (p["dtype"].__name__ == "float64")
    ),
    ("test_restarts.py", "test_a_fault_is_found"): lambda p: True,
    ("test_soak.py", "test_a_planted_fault_is_found"): lambda p: p["fault"] != "memory",
    ("test_fuzz.py", "test_a_planted_fault_is_found"): lambda p: p["fault"] != "width",
    ("test_greedy.py", "test_slabs"): lambda p: p["dtype"].__name__ == "float64",
    ("test_weights.py", "test_edge_cases"): lambda p: p["dtype"].__name__ == "float32",
    ("test_weights.py", "test_every_algorithm_weighs_rows"): lambda p: p["dtype"].__name__ == "float32",
    ("test_relocation.py", "test_every_algorithm_relocates_alike"): lambda p: (
        p["dtype"].__name__ == "float32" or not p["weighted"]
    ),
    ("test_constraints.py", "test_every_algorithm_constrains_centers_alike"): lambda p: (
        (p["dtype"].__name__, p["kind"]) != ("float32", "unit, fixed, weights")
    ),
    ("test_installs.py", "test_a_race_of_colliding_names_is_noticed"): lambda p: True,
    ("test_installs.py", "test_two_versions_without_sources_share_a_cache_folder"): lambda p: True,
    ("test_doors.py", "test_nested_parallel_loops_give_the_right_labels"): lambda p: True,
    ("test_sklearn_own_tests.py", "test_scikit_learns_own_tests_find_a_planted_fault"): lambda p: (
        p["fault"] == "no weights"
    ),
    ("test_installs.py", "test_a_vendored_copy_works_beside_the_installed_one"): lambda p: True,
    ("test_installs.py", "test_damaged_stale_and_foreign_files_are_replaced"): lambda p: True,
}

#: Files of quick tests: kernels, engine, Numba, interfaces, structure.
QUICK = {
    "test_bounds.py",
    "test_distances.py",
    "test_entries.py",
    "test_fast_centers.py",
    "test_fit.py",
    "test_means.py",
    "test_numba_inside.py",
    "test_pack.py",
    "test_pairs.py",
    "test_pairwise.py",
    "test_plan.py",
    "test_plot.py",
    "test_projections.py",
    "test_ranges.py",
    "test_real_data.py",
    "test_sampling.py",
    "test_sizes.py",
    "test_sums.py",
    "test_thresholds.py",
}
#: Cases of other files that are quick.
QUICK_CASES = {
    ("test_algorithms.py", "test_edge_cases_give_the_oracles_bits"): lambda p: (
        p["dtype"].__name__ == "float32" and p["threads"] == 3 and "many panels," not in p["name"]
    ),
    ("test_seeding.py", "test_plus_plus_picks_the_oracles_rows_of_edge_cases"): lambda p: p["threads"] == 3,
    ("test_greedy.py", "test_edge_cases"): lambda p: p["threads"] == 3 and p["name"] == "normal",
    ("test_scipy.py", "test_bad_input"): lambda p: True,
    ("test_batch.py", "test_bad_input"): lambda p: True,
    ("test_containers.py", "test_missing_values_are_named"): lambda p: True,
    ("test_kmeans.py", "test_fits"): lambda p: (p["weights"], p["parameters"]) == ("none", {}),
    ("test_nopython.py", "test_fit_gives_pythons_bits"): lambda p: p["dtype"].__name__ == "float32",
    ("test_delimited.py", "test_a_plain_table_is_read"): lambda p: True,
}


def first_faults():
    """Return the first fault of each algorithm but `yinyang`, which compiles longest."""
    from test_planted_faults import FAULTS

    first = {}
    for fault, (*_, variant, _) in FAULTS.items():
        first.setdefault(variant.split(",")[0], fault)
    del first["yinyang"]
    return set(first.values())


def _parameters(item):
    return getattr(getattr(item, "callspec", None), "params", {})


def _where(item):
    return item.path.name, getattr(item, "originalname", item.name)


def is_extra(item):
    """Return whether only a full run has a test."""
    parameters = _parameters(item)
    many_threads = "threads" in item.fixturenames and parameters.get("threads") == 8
    if _where(item) in EXTRA:
        return EXTRA[_where(item)](parameters)
    return many_threads


def is_quick(item):
    """Return whether a quick run has a test."""
    file, function = _where(item)
    parameters = _parameters(item)
    if (file, function) in QUICK_CASES:
        return QUICK_CASES[file, function](parameters)
    return file in QUICK and parameters.get("threads", 3) == 3
