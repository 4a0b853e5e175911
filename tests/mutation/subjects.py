"""Which tests answer for which files: the one table to change when a file moves or a test is added.

A mutant is tried on all tests of its subject that aren't slow, so they should take seconds.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """Code, relative to the checkout, and its tests, relative to the folder `tests`.

    `*` stands for anything but a folder, also for nothing at all; a name without it must exist. In
    `tests`, `file::name` is one test; `without` are tests of these files that take too long.
    """

    name: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def files(self, root: Path) -> list[str]:
        """The files of the subject, as paths relative to the checkout."""
        return _found(root, self.code)

    def arguments(self, root: Path) -> list[str]:
        """What pytest is called with in a copy of the checkout `root`."""
        chosen = []
        for pattern in self.tests:
            file, *name = pattern.split("::", 1)
            chosen += ["::".join([path, *name]) for path in _found(root, (f"tests/{file}",))]
        return [*chosen, *(f"--deselect=tests/{name}" for name in self.without)]

    def absent(self, root: Path) -> list[str]:
        """Names without a `*` that don't exist: the table is behind the checkout."""
        tests = (f"tests/{name.split('::')[0]}" for name in (*self.tests, *self.without))
        return [n for n in (*self.code, *tests) if "*" not in n and not (root / n).is_file()]


def _found(root: Path, patterns: Sequence[str]) -> list[str]:
    paths = [path for pattern in patterns for path in sorted(root.glob(pattern))]
    return list(dict.fromkeys(path.relative_to(root).as_posix() for path in paths))


EVERY_METHOD = (
    "run/test_control.py::test_methods_know_whether_they_use_labels",
    "methods/test_methods.py",
)
"""What every method keeps, whatever it does."""

IDENTITY_OF_THE_SUITE = (
    "test_what_only_speaks_may_change",
    "test_the_text_of_an_error_may_change_but_not_its_type",
    "test_what_is_logged_may_change",
    "test_a_whole_package_may_move",
    "test_a_definition_may_move",
    "test_an_import_of_something_else_under_the_same_name_is_seen",
    "test_a_function_named_like_a_member_that_does_not_count_does",
    "test_registering_more_makes_nothing_stale",
    "test_a_field_of_the_record_makes_nothing_stale",
    "test_code_that_is_edited_in_mid_run_counts_as_it_was",
    "test_an_edit_makes_those_records_stale_that_come_to_it[Method.prune-]",
    "test_an_edit_makes_those_records_stale_that_come_to_it[Case._add_cost-]",
    "test_an_edit_makes_those_records_stale_that_come_to_it[Case.recalibrate-]",
    "test_an_edit_makes_those_records_stale_that_come_to_it[PublishedWeights.path-]",
)
"""Tests of how the suite's own code is followed; those of what is followed are many more."""

SUBJECTS: Sequence[Subject] = (
    Subject(
        "allocation",
        (
            "bench/jobs/allocation.py",
            "bench/problem/selection.py",
        ),
        ("jobs/test_allocation.py", "problem/test_selection.py", "run/test_control.py"),
    ),
    Subject(
        "evaluation",
        ("bench/pairs/evaluate.py",),
        ("pairs/test_evaluate.py", "problem/test_train.py"),
    ),
    Subject("measure", ("bench/common/machine/measure.py",), ("common/test_measure.py",)),
    Subject(
        "gradients",
        (
            *(
                "bench/problem/gradients/watch.py",
                "bench/problem/passes.py",
                "bench/problem/problem.py",
                "bench/problem/gradients/assemble.py",
            ),
            *(
                "bench/problem/gradients/signal.py",
                "bench/problem/finite.py",
                "bench/problem/loss.py",
            ),
        ),
        (
            *(
                "problem/test_gradients.py",
                "problem/test_per_example.py",
                "problem/test_sweep.py",
                "problem/test_hessian.py",
            ),
            *("jobs/test_budget.py", "problem/test_finite.py"),
            "pairs/test_soundness.py::test_gradients_are_summed_over_all_uses_of_a_weight",
            "pairs/test_soundness.py::test_layer_statistics_are_over_all_uses",
        ),
    ),
    Subject(
        "soundness",
        (
            "bench/pairs/preparing/soundness.py",
            "bench/pairs/preparing/structure.py",
            "bench/pairs/preparing/validation.py",
        ),
        ("pairs/test_soundness.py",),
    ),
    Subject("precision", ("bench/pairs/preparing/precision.py",), ("pairs/test_precision.py",)),
    Subject("zeros", ("bench/run/present.py",), ("run/test_present.py",)),
    Subject("flops", ("bench/pairs/flops.py",), ("pairs/test_flops.py",)),
    Subject(
        "calibration",
        (
            "bench/problem/calibration.py",
            "bench/jobs/budget.py",
            "bench/run/control.py",
            "bench/pairs/batchnorm.py",
        ),
        (
            "jobs/test_bounds.py",
            "jobs/test_budget.py",
            "problem/test_gradients.py",
            "run/test_control.py",
            "pairs/test_batchnorm.py",
            "pairs/test_batchnorm_statistics.py",
        ),
    ),
    Subject("hessian", ("bench/problem/gradients/hessian.py",), ("problem/test_hessian.py",)),
    Subject(
        "rows",
        ("bench/problem/gradients/per_example.py", "bench/problem/gradients/sweep.py"),
        ("problem/test_per_example.py", "problem/test_sweep.py"),
    ),
    Subject("contract", ("bench/run/contract.py",), ("run/test_contract.py",)),
    Subject(
        "schedule", ("bench/jobs/schedule.py",), ("jobs/test_bounds.py", "jobs/test_schedule.py")
    ),
    Subject(
        "fisher inverses",
        (
            *("methods/curvature/low_rank.py", "methods/curvature/blocks.py"),
            *("methods/curvature/wide_chunks.py", "methods/curvature/swept.py"),
            *("methods/curvature/joined.py", "methods/curvature/inverse.py"),
            *("methods/woodfisher.py", "methods/woodtaylor.py", "methods/surgeon.py"),
        ),
        (
            "methods/test_low_rank.py",
            "methods/test_blocks.py",
            "problem/test_sweep.py",
            *EVERY_METHOD,
        ),
    ),
    Subject(
        "kronecker",
        ("methods/curvature/kronecker.py", "methods/kfac.py", "methods/ekfac.py"),
        ("methods/test_kronecker.py", "methods/test_kfac.py", *EVERY_METHOD),
    ),
    Subject("l-obs", ("methods/lobs.py",), ("methods/test_lobs.py", *EVERY_METHOD)),
    Subject(
        "obc",
        ("methods/obc.py", "methods/combinatorial/elimination.py"),
        ("methods/test_obc.py", *EVERY_METHOD),
    ),
    Subject(
        "obd",
        ("methods/obd.py", "methods/curvature/diagonals.py"),
        ("methods/test_obd.py", "problem/test_hessian.py", *EVERY_METHOD),
    ),
    Subject(
        "cbs",
        ("methods/cbs.py", "methods/combinatorial/swaps.py"),
        ("methods/test_cbs.py", *EVERY_METHOD),
    ),
    Subject(
        "chita",
        (
            "methods/chita.py",
            "methods/combinatorial/quadratic.py",
            "methods/combinatorial/feasible.py",
        ),
        ("methods/test_chita.py", "methods/test_cbs.py", *EVERY_METHOD),
    ),
    Subject(
        "baselines",
        (
            *("methods/magnitude.py", "methods/random.py", "methods/method.py"),
            *("methods/search.py", "methods/__init__.py"),
        ),
        (
            *("methods/test_baselines.py", "methods/test_search.py", *EVERY_METHOD),
            "run/test_tuning.py::test_all_of_a_space_can_be_configured_and_budget_is_no_part_of_it",
            "run/test_tuning.py::test_masks_judged_by_their_loss_are_trials_already",
        ),
    ),
    Subject(
        "sparse training",
        (
            *("methods/gmp.py", "methods/rigl.py", "methods/set.py", "methods/scratch.py"),
            *("methods/str.py", "methods/sparse_training.py"),
        ),
        (
            "methods/test_sparse_steps.py",
            "methods/test_methods.py::test_a_method_without_fields_has_the_published_settings",
            "methods/test_methods.py::test_a_method_that_defines_nothing_is_named",
            "methods/test_sparse_training.py",
        ),
    ),
    Subject(
        "statistics",
        ("bench/common/statistics/inference.py", "bench/common/statistics/contest.py"),
        ("common/test_statistics.py", "common/test_contest.py"),
    ),
    Subject(
        "comparison",
        ("bench/comparison/paired.py", "bench/comparison/ranks.py", "bench/comparison/compare.py"),
        ("comparison/test_ranks.py", "comparison/test_comparison.py"),
    ),
    Subject(
        "gate", ("bench/common/statistics/gate.py",), ("jobs/test_bounds.py", "common/test_gate.py")
    ),
    Subject(
        "regression",
        ("bench/check/regression.py", "bench/check/verdicts.py", "bench/check/baseline.py"),
        ("check/test_regression.py", "check/test_baseline_file.py", "check/test_verdicts.py"),
    ),
    Subject(
        "published",
        ("bench/check/published.py", "bench/check/reproduction.py"),
        ("jobs/test_bounds.py", "check/test_published_numbers.py", "check/test_reproduction.py"),
    ),
    Subject("tuning", ("bench/run/tuning.py",), ("run/test_tuning.py",)),
    Subject(
        "job",
        ("bench/jobs/job.py", "bench/run/environment.py"),
        ("run/test_environment.py", "jobs/test_bounds.py", "jobs/test_record.py"),
    ),
    Subject("job identity", ("bench/run/identity.py",), ("fingerprint/test_identity_suite.py",)),
    Subject(
        "pair identity",
        ("bench/pairs/preparing/identity.py",),
        (
            *(
                "fingerprint/test_identity_values.py",
                "fingerprint/test_identity_weights.py",
                "fingerprint/test_identity_models.py",
            ),
            "fingerprint/test_identity_pair.py",
        ),
    ),
    Subject(
        "fingerprint",
        ("bench/fingerprint/*.py",),
        (
            *(
                "fingerprint/test_identity_values.py",
                "fingerprint/test_identity_user_code.py",
                "fingerprint/test_identity_ways.py",
            ),
            *(
                "fingerprint/test_identity_imports.py",
                "fingerprint/test_identity_models.py",
                "fingerprint/test_identity_pair.py",
                "study/test_user_code.py",
            ),
            *(f"fingerprint/test_identity_suite.py::{name}" for name in IDENTITY_OF_THE_SUITE),
        ),
    ),
)

NUMERICS = {"torch", "numpy", "scipy", "statistics", "math"}
"""A file that imports one of these reckons, and belongs to a subject or to `ELSEWHERE`."""

ELSEWHERE = (
    *("bench/report/*.py", "bench/report/*/*.py", "bench/measurements/*.py"),
    *(
        "bench/executors/*.py",
        "bench/executors/*/*.py",
        "bench/pairs/m*.py",
        "bench/pairs/resnet*.py",
    ),
    *("datasets/*.py", "datasets/*/*.py"),
    *("bench/problem/training/*.py", "bench/problem/weights.py", "bench/problem/stopwatch.py"),
    *("bench/pairs/pair.py", "bench/pairs/checkpoint.py", "bench/pairs/preparing/dense*.py"),
    *("bench/pairs/preparing/prepare.py", "bench/pairs/preparing/fitting.py"),
    *(
        "bench/run/case.py",
        "bench/run/one_job.py",
        "bench/run/snapshot.py",
        "bench/problem/cache.py",
    ),
    *("bench/run/protocols.py", "bench/run/retrain.py", "bench/common/layout.py"),
    *("bench/check/timing.py", "bench/check/tables.py", "bench/common/machine/yardstick.py"),
    "bench/common/machine/threads.py",
    "bench/common/randomness.py",
)
"""Pictures, processes, data and training: they are held by tests of whole runs, which take long."""


def unassigned(root: Path) -> list[str]:
    """Files that reckon with numbers and that no subject has."""
    known = {file for subject in SUBJECTS for file in subject.files(root)}
    known |= set(_found(root, ELSEWHERE))
    every = _found(root, ("bench/**/*.py", "methods/**/*.py", "datasets/**/*.py"))
    return [file for file in every if file not in known and _imports(root / file) & NUMERICS]


def _imports(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
