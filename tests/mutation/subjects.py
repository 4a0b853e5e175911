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
    "test_control.py::test_methods_know_whether_they_use_labels",
    "test_methods.py",
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
    "test_an_edit_makes_those_records_stale_that_come_to_it[Published.path-]",
)
"""Tests of how the suite's own code is followed; those of what is followed are many more."""

SUBJECTS: Sequence[Subject] = (
    Subject("allocation", ("bench/allocation.py",), ("test_allocation.py", "test_control.py")),
    Subject("evaluation", ("bench/evaluate.py",), ("test_evaluate.py", "test_train.py")),
    Subject("measure", ("bench/measure.py",), ("test_measure.py",)),
    Subject(
        "gradients",
        (
            *("bench/gradients.py", "bench/passes.py", "bench/problem.py", "bench/assemble.py"),
            *("bench/signal.py", "bench/finite.py"),
        ),
        (
            *("test_gradients.py", "test_rows.py", "test_sweep.py", "test_hessian.py"),
            *("test_budget.py", "test_finite.py"),
            "test_soundness.py::test_gradients_are_summed_over_all_uses_of_a_weight",
            "test_soundness.py::test_layer_statistics_are_over_all_uses",
        ),
    ),
    Subject(
        "soundness",
        ("bench/soundness.py", "bench/structure.py", "bench/validation.py"),
        ("test_soundness.py",),
    ),
    Subject("precision", ("bench/precision.py",), ("test_precision.py",)),
    Subject("zeros", ("bench/present.py",), ("test_present.py",)),
    Subject("flops", ("bench/flops.py",), ("test_flops.py",)),
    Subject(
        "calibration",
        ("bench/calibration.py", "bench/budget.py", "bench/control.py", "bench/batchnorm.py"),
        (
            "test_bounds.py",
            "test_budget.py",
            "test_gradients.py",
            "test_control.py",
            "test_batchnorm.py",
            "test_batchnorm_statistics.py",
        ),
    ),
    Subject("hessian", ("bench/hessian.py",), ("test_hessian.py",)),
    Subject("rows", ("bench/rows.py", "bench/sweep.py"), ("test_rows.py", "test_sweep.py")),
    Subject("contract", ("bench/contract.py",), ("test_contract.py",)),
    Subject("schedule", ("bench/schedule.py",), ("test_bounds.py", "test_schedule.py")),
    Subject(
        "fisher inverses",
        (
            *("methods/curvature/low_rank.py", "methods/curvature/blocks.py"),
            *("methods/curvature/wide_chunks.py", "methods/curvature/swept.py"),
            *("methods/curvature/joined.py", "methods/curvature/inverse.py"),
            *("methods/woodfisher.py", "methods/woodtaylor.py", "methods/surgeon.py"),
        ),
        ("test_low_rank.py", "test_blocks.py", "test_sweep.py", *EVERY_METHOD),
    ),
    Subject(
        "kronecker",
        ("methods/curvature/kronecker.py", "methods/kfac.py", "methods/ekfac.py"),
        ("test_kronecker.py", "test_kfac.py", *EVERY_METHOD),
    ),
    Subject("l-obs", ("methods/lobs.py",), ("test_lobs.py", *EVERY_METHOD)),
    Subject(
        "obc",
        ("methods/obc.py", "methods/curvature/elimination.py"),
        ("test_obc.py", *EVERY_METHOD),
    ),
    Subject(
        "obd",
        ("methods/obd.py", "methods/curvature/diagonals.py"),
        ("test_obd.py", "test_hessian.py", *EVERY_METHOD),
    ),
    Subject(
        "cbs", ("methods/cbs.py", "methods/curvature/swaps.py"), ("test_cbs.py", *EVERY_METHOD)
    ),
    Subject(
        "chita",
        ("methods/chita.py", "methods/curvature/quadratic.py", "methods/curvature/feasible.py"),
        ("test_chita.py", "test_cbs.py", *EVERY_METHOD),
    ),
    Subject(
        "baselines",
        (
            *("methods/magnitude.py", "methods/random.py", "methods/method.py"),
            *("methods/search.py", "methods/__init__.py"),
        ),
        (
            *("test_baselines.py", "test_search.py", *EVERY_METHOD),
            "test_tuning.py::test_all_of_a_space_can_be_configured_and_budget_is_no_part_of_it",
            "test_tuning.py::test_masks_judged_by_their_loss_are_trials_already",
        ),
    ),
    Subject(
        "sparse training",
        (
            *("methods/gmp.py", "methods/rigl.py", "methods/set.py", "methods/scratch.py"),
            *("methods/str.py", "methods/sparse_training.py"),
        ),
        (
            "test_sparse_steps.py",
            "test_methods.py::test_a_method_without_fields_has_the_published_settings",
            "test_methods.py::test_a_method_that_defines_nothing_is_named",
            "test_sparse_training.py",
        ),
    ),
    Subject(
        "statistics",
        ("bench/statistics.py", "bench/contest.py"),
        ("test_statistics.py", "test_contest.py"),
    ),
    Subject(
        "comparison",
        ("bench/comparison/paired.py", "bench/comparison/ranks.py", "bench/comparison/compare.py"),
        ("test_ranks.py", "test_comparison.py"),
    ),
    Subject("gate", ("bench/gate.py",), ("test_bounds.py", "test_gate.py")),
    Subject(
        "regression",
        ("bench/regression.py", "bench/verdicts.py", "bench/baseline.py"),
        ("test_regression.py", "test_baseline_file.py", "test_verdicts.py"),
    ),
    Subject(
        "published",
        ("bench/published.py", "bench/reproduction.py"),
        ("test_bounds.py", "test_published_numbers.py", "test_reproduction.py"),
    ),
    Subject("tuning", ("bench/tuning.py",), ("test_tuning.py",)),
    Subject(
        "job",
        ("bench/job.py", "bench/environment.py"),
        ("test_environment.py", "test_bounds.py", "test_record.py"),
    ),
    Subject("job identity", ("bench/job_identity.py",), ("test_identity_suite.py",)),
    Subject(
        "pair identity",
        ("bench/pair_identity.py",),
        (
            *("test_identity_values.py", "test_identity_weights.py", "test_identity_models.py"),
            "test_identity_pair.py",
        ),
    ),
    Subject(
        "fingerprint",
        ("bench/fingerprint/*.py",),
        (
            *("test_identity_values.py", "test_identity_user_code.py", "test_identity_ways.py"),
            *(
                "test_identity_imports.py",
                "test_identity_models.py",
                "test_identity_pair.py",
                "test_user_code.py",
            ),
            *(f"test_identity_suite.py::{name}" for name in IDENTITY_OF_THE_SUITE),
        ),
    ),
)

NUMERICS = {"torch", "numpy", "scipy", "statistics", "math"}
"""A file that imports one of these reckons, and belongs to a subject or to `ELSEWHERE`."""

ELSEWHERE = (
    *("bench/report/*.py", "bench/report/page/*.py", "bench/measurements/*.py"),
    *("bench/engines/*.py", "bench/models/*.py", "datasets/*.py", "datasets/*/*.py"),
    *("bench/case.py", "bench/run.py", "bench/execute.py", "bench/sharing.py", "bench/weights.py"),
    *("bench/pairs.py", "bench/dense.py", "bench/checkpoint.py", "bench/snapshot.py"),
    *("bench/images.py", "bench/folder_images.py", "bench/inputs.py", "bench/layout*.py"),
    *("bench/dense_training.py", "bench/prepare.py", "bench/fitting.py", "bench/randomness.py"),
    *("bench/frozen.py", "bench/training_mode.py", "bench/pixels.py"),
    *("bench/train.py", "bench/optimizer.py", "bench/protocols.py", "bench/retrain.py"),
    *("bench/pace.py", "bench/curves.py", "bench/stopwatch.py", "bench/yardstick.py"),
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
