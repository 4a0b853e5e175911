"""A regression and a language model go through everything; the lower number is the better one."""

import json
import re

import pytest
import torch
from support.grids import run
from support.other_objectives import DATA, PAIRS

import datasets
from bench.check import check, reproduction
from bench.check.baseline import Result
from bench.check.published import Column, Value
from bench.check.regression import FAILING
from bench.check.regression import compare as judged
from bench.check.tables import gate_tables, published_tables
from bench.comparison.compare import compare
from bench.comparison.gather import gather
from bench.comparison.write import comparison_text
from bench.jobs.metric import METRICS
from bench.jobs.store import RecordStore
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.identity import pair_sha256
from bench.pairs.preparing.prepare import prepare
from bench.problem.objectives import OBJECTIVES
from bench.report import frame, summary, summary_text, write_report
from bench.run import one_job
from bench.study.study import Study
from methods.magnitude import Magnitude

NAMES = ("text-made", "curve-made")
METHODS = {
    "random": {},
    "magnitude": {},
    "obd": {"samples": 8, "curvature": "ggn"},
    "woodfisher": {"samples": 8, "damping": 1e-3, "fisher": "true"},
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Both pairs prepared, their dense weights trained by their recipes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv("BENCH_MIRROR", raising=False)
        patch.setattr(datasets, "load", lambda name, *_: DATA[name])
        for name, pair in PAIRS.items():
            patch.setitem(one_job.PAIRS, name, pair)
        yield {name: prepare(pair, torch.device("cpu")) for name, pair in PAIRS.items()}


def study(pair: str, **changes) -> Study:
    fields = {
        "name": pair,
        "title": pair,
        "pairs": [pair],
        "methods": METHODS,
        "allocations": ["global"],
        "sparsities": [0.3, 0.7],
        "seeds": [0, 1, 2],
        "budget": {"calibration_examples": 60, "backward_passes": 1000},
    }
    return Study.model_validate(fields | changes)


@pytest.fixture(scope="module", params=NAMES)
def ran(request, ready: dict[str, Dense], tmp_path_factory) -> tuple[Study, RecordStore]:
    """A pair's study and its records."""
    made, results = study(request.param), tmp_path_factory.mktemp("results")
    records = run(made, results, ready)
    assert {record.status for record in records.values()} == {"ok"}
    return made, RecordStore(results, made.name)


def recorded(made: Study, store: RecordStore) -> list:
    return [cell._replace(record=store.read(cell.job.key)) for cell in made.cells()]


def test_the_dense_model_is_measured_by_its_objective(ready) -> None:
    text, rows = (ready[name].evaluation for name in NAMES)
    assert 1.0 < text.score < 4.0
    assert text.score == pytest.approx(torch.tensor(text.loss).double().exp().item())
    assert 60 < text.accuracy < 100
    assert rows.score == pytest.approx(rows.loss)  # two outputs, each half a square
    assert rows.score < 0.5
    assert (rows.accuracy, rows.top5) == (None, None)


def test_records_hold_score_and_metric(ran) -> None:
    made, store = ran
    name = {"text-made": "perplexity", "curve-made": "mse"}[made.name]
    for cell in recorded(made, store):
        record = cell.record
        assert (record.metric, record.tied_predictions) == (name, None)
        assert record.dense_score > 0
        assert record.score >= 0.5 * record.dense_score
        assert (record.accuracy is None) == (made.name == "curve-made")
        assert record.score_error > 0


def test_the_report_calls_the_lowest_best(ran, tmp_path) -> None:
    made, store = ran
    cells = recorded(made, store)
    table = frame(cells)
    metric = METRICS[table.metric.iloc[0]]
    write_report(made.title, "", cells, tmp_path, records=store.folder)
    page = (tmp_path / "report.md").read_text()
    assert f"{metric.noun.capitalize()} (lower is better)" in page
    assert "accurac" not in page
    assert f"(figures/{made.name}-{metric.name}.png)" in page
    means = summary(table)
    lowest = means.loc[means[means.sparsity == 0.7].score_mean.idxmin()]
    assert lowest.label != "random"
    html = (tmp_path / "report.html").read_text()
    assert f"{metric.best}: " in html
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', html, re.DOTALL)[1])
    own = data["judged"][made.name]
    assert {kind["y"]["column"] for kind in own.values() if kind["section"] == "curves"} == {
        "score_mean"
    }
    assert own["time"]["lower"]
    assert data["dense"][made.name] == pytest.approx(cells[0].record.dense_score, rel=1e-4)
    assert all(value > 0 for row in data["seeds"] for _, value in row)
    tex = (tmp_path / "tables" / f"{made.name}.tex").read_text()
    assert f"{metric.noun.capitalize()} (lower is better)" in tex
    assert metric.line in summary_text(cells)
    assert (tmp_path / "figures" / f"{made.name}-time.pdf").exists()


def better(cells: list, label: str, factor: float) -> list:
    """The cells with that label's scores multiplied, a little otherwise for each seed."""
    return [
        cell._replace(
            record=cell.record.model_copy(
                update={"score": cell.record.score * factor * (1 + 1e-3 * cell.job.seed)}
            )
        )
        if cell.label == label
        else cell
        for cell in cells
    ]


def test_bold_ranks_and_differences_follow_the_direction(ran) -> None:
    from bench.report.best import leads, ranking

    made, store = ran
    cells = better(recorded(made, store), "random", 1e-3)
    table = frame(cells)
    found = ranking(table)
    assert found[0.3, "random"] == found[0.7, "random"] == "best"
    lead = leads(table, ["sparsity"], ["label"])[0.7,]
    assert lead.best == ("random",)
    assert lead.margin > 0
    gathered = gather(made.cells(), store)
    gathered.cells[:] = better(gathered.cells, "random", 1e-3)
    comparison = compare(made.title, gathered)
    numbers = comparison.numbers
    own = numbers[(numbers.label == "random") & (numbers.quantity != "area")]
    assert set(own.standing) == {"best"}
    assert (own.difference < 0).all()
    assert set(own.quantity) == {table.metric.iloc[0]}
    text = comparison_text(comparison)
    assert METRICS[table.metric.iloc[0]].line in text
    assert "%)" not in text.split("area under the curve")[0].replace("sparsity (%)", "")


def test_a_damaged_method_fails_the_gate_and_a_better_one_does_not(
    ran, ready, tmp_path, monkeypatch, capsys
) -> None:
    made, store = ran
    options = check.Options(baselines=tmp_path)
    assert check.check(made, made.cells(), store, check.Options(tmp_path, update=True))
    assert check.check(made, made.cells(), store, options)
    monkeypatch.setattr(
        Magnitude, "scores", lambda _, problem: {n: -w.abs() for n, w in problem.weights.items()}
    )
    few = made.model_copy(update={"methods": {"magnitude": {}}})
    run(few, tmp_path / "damaged", ready)
    damaged = RecordStore(tmp_path / "damaged", made.name)
    assert not check.check(few, few.cells(), damaged, options)
    assert "regressed" in capsys.readouterr().out
    known = {cell.job.key: Result.of(cell.record, cell.label) for cell in recorded(few, damaged)}
    repaired = judged(recorded(few, store), known, few.gate)
    assert {change.verdict for change in repaired} <= {"improved", "changed"}
    assert all(change.shift.mean > 0 for change in repaired)
    (table,) = gate_tables(repaired, few.gate)
    assert "(lower is better)" in table.caption
    assert "margin is 0.5 %" in table.caption


def test_the_margin_is_relative(ran) -> None:
    made, store = ran
    cells = [cell for cell in recorded(made, store) if cell.label == "obd"]
    elsewhere = {"threads": 77}
    for factor, verdict in ((1.02, "regressed"), (1.001, "pass"), (0.98, "improved")):
        known = {
            cell.job.key: Result.of(
                cell.record.model_copy(
                    update={"environment": cell.record.environment.model_copy(update=elsewhere)}
                ),
                cell.label,
            )
            for cell in cells
        }
        moved = [
            cell._replace(
                record=cell.record.model_copy(update={"score": cell.record.score * factor})
            )
            for cell in cells
        ]
        assert {change.verdict for change in judged(moved, known, made.gate)} == {verdict}
    assert "regressed" in FAILING


def test_published_values_of_the_metric(ran) -> None:
    made, store = ran
    cells = [cell for cell in recorded(made, store) if cell.label == "obd"]
    record = cells[0].record
    mean = sum(cell.record.score for cell in cells if cell.job.sparsity == 0.3) / 3
    row = {
        **{"source": "A paper", "table": "t", "model": made.name.split("-")[0]},
        **{
            "dataset": made.name.split("-")[1],
            "dense_accuracy": record.dense_score,
            "layers": None,
            "method": "OBD",
        },
        **{"sparsity": 0.3, "std": None, "metric": record.metric, "protocol": "one-shot"},
    }
    column = Column(
        table="t", pair=made.name, method="OBD", ours="obd", protocol="one-shot",
        allocation="global", hyperparameters={"samples": 8}, runs=3,
    )  # fmt: skip
    verdicts = []
    for factor in (1.0, 30.0):
        value = Value.model_validate(row | {"value": mean * factor})
        (found,) = reproduction.judge([(value, column)], cells)
        verdicts.append(found.verdict)
        (table,) = published_tables([found])
        assert f"{METRICS[record.metric].noun} (lower is better)" in table.caption
        assert found.tolerance > 0
    assert verdicts == ["reproduced", "differs"]


def test_training_tuning_controls_and_recalibration(ready, tmp_path) -> None:
    for name in NAMES:
        records = {}
        for extra in ({"controls": True}, {"budget": BUDGET | {"tuning_trials": 3}}):
            found = run(full(name, **extra), tmp_path / name / "-".join(extra), ready)
            records |= {record.key: record for record in found.values()}
        assert {record.status for record in records.values()} <= {"ok", "skipped"}
        by_protocol = {
            record.protocol: record for record in records.values() if record.control is None
        }
        assert by_protocol["fine-tune"].score < by_protocol["one-shot"].score
        for record in records.values():
            if record.status == "ok" and record.trials:
                best = min(trial.score for trial in record.trials)
                (chosen,) = {t.score for t in record.trials if t.values == record.chosen}
                assert chosen == best
        controls = {r.control for r in records.values() if r.status == "ok"}
        assert {"shuffled mask", "shuffled labels"} <= controls


BUDGET = {
    "calibration_examples": 60,
    "backward_passes": 1000,
    "recomputations": 10,
    "training_steps": 100,
}


def full(name: str, **extra) -> Study:
    fields = {"budget": BUDGET} | extra
    return study(
        name,
        methods={"obd": {"samples": 8}},
        sparsities=[0.6],
        seeds=[0],
        protocols=["one-shot", "fine-tune"],
        training={"epochs": 4, "batch": 10, "learning_rate": 0.02},
        recalibration=20 if name == "curve-made" else 0,
        **fields,
    )


def test_the_objective_is_part_of_the_pairs_identity() -> None:
    pair = PAIRS["curve-made"]
    model = pair.build()
    hashes = {
        pair_sha256(type(pair)(**vars(pair) | {"objective": name}), model) for name in OBJECTIVES
    }
    assert len(hashes) == 3


def test_a_study_of_both_kinds_and_classification_shows_each_by_its_own(ran) -> None:
    from support.records import make_cell, make_job

    made, store = ran
    cells = [*recorded(made, store), *(make_cell("obd", make_job(seed=seed)) for seed in range(2))]
    table = frame(cells)
    assert dict(table.groupby("pair").metric.first()) == {
        made.name: METRICS[recorded(made, store)[0].record.metric].name,
        "resnet20-cifar10": "accuracy",
    }
    text = summary_text(cells)
    assert "top-1 test accuracy (%)" in text
    assert "(lower is better)" in text
    alone = frame(cells[-2:])
    assert not {"metric", "score", "dense_score"} & set(alone)
    assert not [name for name in summary(alone) if name.startswith("score")]
