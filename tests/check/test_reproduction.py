"""Ours and theirs are one result, two results, or two experiments; each with its reason."""

from math import sqrt

import pytest
from scipy.stats import ttest_ind_from_stats
from support.published_values import value
from support.records import make_cell, make_job

from bench.check.published import Column
from bench.check.reproduction import Ours, judge, tolerance
from bench.jobs.cell import Cell

FIELDS = {"samples": 100, "damping": 1e-5}


def column(**changes: object) -> Column:
    fields = {
        "table": "a-table",
        "pair": "mlpnet-mnist",
        "method": "WF",
        "ours": "woodfisher",
        "protocol": "one-shot",
        "allocation": "global",
        "hyperparameters": FIELDS,
        "prunable": 268_336,
    }
    return Column.model_validate(fields | changes)


def cell(accuracy: float = 90.0, seed: int = 0, label: str = "wf", **changes: object) -> Cell:
    status = changes.pop("status", "ok")
    fields = FIELDS | dict(changes.pop("hyperparameters", {}))
    job = make_job("woodfisher", pair="mlpnet-mnist", seed=seed, hyperparameters=fields, **changes)
    if status != "ok":
        return make_cell(label, job, status, reason="no luck" if status else "")
    return make_cell(label, job, accuracy=accuracy)


def test_a_deterministic_method_has_the_binomial_error_of_both() -> None:
    # √(2 × 50 × 50 / 10,000) = 0.70711 points, times 1.95996.
    assert tolerance(Ours("m", [50.0] * 3, 10_000), value(value=50.0), 1) == pytest.approx(
        1.38590, abs=1e-4
    )
    different = tolerance(Ours("m", [90.0] * 3, 1000), value(value=80.0), 1)
    assert different == pytest.approx(1.959964 * sqrt(0.9 + 1.6))


@pytest.mark.parametrize(("ours", "std"), [([80.0, 82.0, 81.0], 0.4), ([70.0, 74.0], 0.1)])
def test_with_endless_test_images_it_is_welchs_test(ours, std) -> None:
    found = Ours("m", ours, 10**12)
    allowed = tolerance(found, value(std=std), runs=5)
    for difference in (0.999 * allowed, 1.001 * allowed):
        p = ttest_ind_from_stats(
            difference, found.std, len(ours), 0, std * sqrt(5), 5, equal_var=False
        ).pvalue
        assert (p > 0.05) == (difference < allowed)


def test_a_single_published_run_spreads_as_ours_do() -> None:
    # s = 1, n = 3, one run: √(1/3 + 1) = 1.15470, times t(0.975, 2) = 4.30265.
    found = tolerance(Ours("m", [79.0, 80.0, 81.0], 10**12), value(), runs=1)
    assert found == pytest.approx(4.96829, abs=1e-4)


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(90.0, "reproduced"), (90.8, "reproduced"), (91.0, "differs"), (89.0, "differs")],
)
def test_equal_conditions_are_judged_by_the_tolerance(accuracy, verdict) -> None:
    cells = [cell(accuracy, seed) for seed in range(3)]
    (found,) = judge([(value(), column())], cells)
    assert found.verdict == verdict
    assert found.difference == pytest.approx(accuracy - 90.0)
    assert found.agrees == (verdict == "reproduced")


@pytest.mark.parametrize(
    ("theirs", "here", "words"),
    [
        ({"hyperparameters": {"samples": 10_000}}, {}, "samples 10,000 there, 100 here"),
        ({"hyperparameters": {"damping": 1e-3}}, {}, "damping 0.001 there, 1e-05 here"),
        ({"prunable": 267_264}, {}, "prunable weights 267,264 there, 268,336 here"),
        ({"protocol": "gradual"}, {}, "protocol gradual there, one-shot here"),
        ({"differences": ["another floor"]}, {}, "another floor"),
        ({}, {"recalibration": 100}, "renewed on 100 examples here"),
    ],
)
def test_another_experiment_is_not_judged_but_shown(theirs, here, words) -> None:
    (found,) = judge([(value(), column(**theirs))], [cell(90.1, **here)])
    assert found.verdict == "not comparable"
    assert words in found.reason
    assert found.agrees and found.difference == pytest.approx(0.1)


def test_another_dense_accuracy_is_another_experiment() -> None:
    (found,) = judge([(value(dense_accuracy=93.4), column())], [cell()])
    assert (found.verdict, found.reason) == (
        "not comparable",
        "dense accuracy 93.4 there, 93.5 here",
    )
    (found,) = judge([(value(dense_accuracy=93.49), column())], [cell()])
    assert found.verdict == "reproduced"


def test_the_nearest_configuration_answers() -> None:
    cells = [
        cell(80.0, label="far", hyperparameters={"samples": 5000, "damping": 1.0}),
        cell(90.0, label="near"),
        cell(85.0, label="between", hyperparameters={"samples": 400}),
        cell(20.0, label="layerwise", allocation="layerwise"),
    ]
    (found,) = judge([(value(), column())], cells)
    assert found.ours is not None and found.ours.label == "near"
    (found,) = judge([(value(), column())], [cells[0], cells[2], cells[3]])
    assert found.ours is not None and found.ours.label == "between"


def test_samples_that_are_not_known_choose_nothing() -> None:
    cells = [cell(label="first"), cell(label="fewer", hyperparameters={"samples": 1})]
    (found,) = judge([(value(), column(hyperparameters={"damping": 1e-5}))], cells)
    assert found.ours is not None and found.ours.label == "first"


@pytest.mark.parametrize(
    ("differences", "reason"),
    [([], "the hyper-parameters there are not known"), (["ridge not known"], "ridge not known")],
)
def test_settings_that_are_not_known_are_no_like_for_like(differences, reason) -> None:
    (found,) = judge([(value(), column(hyperparameters={}, differences=differences))], [cell()])
    assert (found.verdict, found.reason) == ("not comparable", reason)
    assert found.agrees


@pytest.mark.parametrize(
    ("cells", "theirs", "reason"),
    [
        ([], {}, "the study has no woodfisher, global, at this sparsity"),
        ([cell(sparsity=0.8)], {}, "the study has no woodfisher"),
        ([cell()], {"ours": None}, "there is no WF here"),
        ([cell(status=None)], {}, "has not run"),
        ([cell(status="failed")], {}, "failed: no luck"),
    ],
)
def test_what_has_no_result_says_why(cells, theirs, reason) -> None:
    (found,) = judge([(value(), column(**theirs))], cells)
    assert found.verdict == "not run" and reason in found.reason


def test_missing_seeds_are_said() -> None:
    (found,) = judge([(value(), column())], [cell(), cell(seed=1, status="failed")])
    assert (found.verdict, found.reason) == ("reproduced", "1 of 2 seeds have no result")


def test_top5_values_are_compared_with_top5() -> None:
    (found,) = judge([(value(metric="top5", value=99.0), column())], [cell(10.0)])
    assert found.verdict == "reproduced"


def test_a_record_that_does_not_say_how_many_images_is_taken_to_be_of_one() -> None:
    one = cell(50.0)
    old = one._replace(record=one.record.model_copy(update={"test_examples": None}))
    (found,) = judge([(value(value=50.0), column())], [old])
    assert found.tolerance == pytest.approx(1.959964 * sqrt(2 * 50 * 50))
