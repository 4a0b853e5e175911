"""Sanity controls: what each takes away, what it leaves, and where it has nothing to take."""

import pytest
import torch
from support.tiny import tiny_mlp, tiny_problem

from bench.check.reproduction import judge
from bench.common.errors import Skip, UserError
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.weights import flatten
from bench.run.control import ShuffledLabels, controlled
from bench.run.one_job import run_job
from bench.study.filters import Filters
from bench.study.grid import CONTROLS
from bench.study.study import load_study
from methods import METHODS, build, configuration

BUDGET = Budget(calibration_examples=50, backward_passes=50)
TOY = {"a": torch.tensor([[0.0, 5.0, 0.0], [7.0, 0.0, 0.0]]), "b": torch.tensor([8.0, 0.0])}
DENSE = {"a": torch.tensor([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]]), "b": torch.tensor([-2.0, 1.0])}


@pytest.fixture(scope="module")
def dense() -> Dense:
    return prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


def job(method: str = "woodfisher", **changes) -> Job:
    few = {"samples": 50} if "samples" in METHODS[method].__dataclass_fields__ else {}
    fields = {
        "pair": "mlpnet-mnist5k",
        "method": method,
        "hyperparameters": configuration(build(method, few)),
        "allocation": "global",
        "sparsity": 0.9,
        "seed": 0,
        "protocol": "one-shot",
        "budget": BUDGET,
    }
    return Job(**(fields | changes))


def run(job: Job, dense: Dense):
    return run_job(job, dense, "study", job.method)


def test_a_shuffled_mask_keeps_layer_counts_and_dense_weights() -> None:
    orders = set()
    for seed in range(40):
        found = controlled("shuffled mask", TOY, DENSE, seed)
        assert [int((weight != 0).sum()) for weight in found.values()] == [2, 1]
        for name, weight in found.items():
            assert torch.equal(weight[weight != 0], DENSE[name][weight != 0])
        orders.add(tuple((found["a"] != 0).flatten().tolist()))
    assert len(orders) > 8  # of 15 ways to keep two of six
    again = controlled("shuffled mask", TOY, DENSE, 3)
    assert torch.equal(again["a"], controlled("shuffled mask", TOY, DENSE, 3)["a"])


def test_magnitude_in_the_layers_of_a_method() -> None:
    found = controlled("magnitude in its layers", TOY, DENSE, 0)
    assert found["a"].tolist() == [[0, 0, 0], [0, 5, 6]]
    assert found["b"].tolist() == [-2, 0]
    with pytest.raises(Skip, match="it is its own control"):
        controlled("magnitude in its layers", found, DENSE, 0)


def test_no_control_is_the_method() -> None:
    assert controlled(None, TOY, DENSE, 0) is TOY
    assert controlled("shuffled labels", TOY, DENSE, 0) is TOY


def test_labels_are_dealt_out_anew(dense) -> None:
    shuffled = ShuffledLabels(dense.train, 0)
    everything = torch.arange(len(shuffled))
    inputs, labels = shuffled.batch(everything)
    own_inputs, own_labels = dense.train.batch(everything)
    assert torch.equal(inputs, own_inputs)
    assert torch.equal(labels.bincount(), own_labels.bincount())
    assert 0.05 < float((labels == own_labels).double().mean()) < 0.15
    assert torch.equal(shuffled.batch(everything[5:9])[1], labels[5:9])


VARIED = [
    *({}, {"fisher": "true"}, {"judge": "loss"}, {"fisher": "true", "judge": "loss"}),
    *({"curvature": curvature} for curvature in ("true-fisher", "ggn", "hessian", "hutchinson")),
]
VARIANTS = [
    pytest.param(name, variant, id="-".join([name, *variant.values()]))
    for name, method in METHODS.items()
    if "one-shot" in method.protocols()
    for variant in VARIED
    if variant.keys() <= method.__dataclass_fields__.keys()
]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_methods_know_whether_they_use_labels(name, variant) -> None:
    few = {"samples": 20} if "samples" in METHODS[name].__dataclass_fields__ else {}
    method = build(name, few | variant)
    results = []
    for move in (0, 1):
        problem = tiny_problem(tiny_mlp(), sparsity=0.5)
        examples = problem._calibration._examples
        examples.labels = (examples.labels + move) % 3
        results.append(flatten(method.prune(problem)))
    assert method.uses_labels is (not torch.equal(*results))


def test_a_control_has_its_methods_layers_budget_and_an_identity_of_its_own(dense) -> None:
    own = run(job(), dense)
    records = {control: run(job(control=control), dense) for control in CONTROLS}
    assert len({own.key, *(record.key for record in records.values())}) == 4
    for control, record in records.items():
        assert record.status == "ok", record.reason
        assert record.control == control
        assert record.spent == own.spent
        assert record.nonzero == own.nonzero
        if control != "shuffled labels":
            assert record.layer_sparsity == own.layer_sparsity
        assert record.weights_sha256 != own.weights_sha256
    assert records["shuffled mask"].accuracy < own.accuracy - 20
    assert job().key == own.key == "0502e4541e828869"  # as before there were controls


def test_a_control_that_takes_nothing_away_is_skipped_with_its_reason(dense) -> None:
    for method, control, reason in (
        ("l-obs", "shuffled labels", "doesn't use the labels"),
        ("magnitude", "magnitude in its layers", "it is its own control"),
    ):
        record = run(job(method, control=control), dense)
        assert record.status == "skipped"
        assert reason in record.reason
        assert record.accuracy is None


def test_training_sees_true_labels(dense) -> None:
    budget = BUDGET.model_copy(update={"training_steps": 200})
    training = Recipe(epochs=2, batch=64, learning_rate=0.02)
    more = {"protocol": "fine-tune", "training": training, "budget": budget}
    own = run(job(**more), dense)
    record = run(job(control="shuffled labels", **more), dense)
    assert record.status == own.status == "ok"
    assert abs(record.accuracy - own.accuracy) < 10
    assert record.train_losses[-1] < 1


def study_file(tmp_path, text: str = ""):
    path = tmp_path / "controlled.toml"
    path.write_text(f"""
pairs = ["mlpnet-mnist"]
allocations = ["global"]
sparsities = [0.9]
seeds = [0]
controls = true
{text or 'protocols = ["one-shot"]'}
[methods]
magnitude = {{}}
obd = {{ samples = 50 }}
[budget]
calibration_examples = 50
backward_passes = 50
""")
    return path


def test_a_study_puts_controls_beside_each_method(tmp_path) -> None:
    cells = load_study(str(study_file(tmp_path))).cells()
    assert [cell.label for cell in cells[4:]] == [
        "obd",
        "obd [shuffled mask]",
        "obd [magnitude in its layers]",
        "obd [shuffled labels]",
    ]
    assert {cell.job.method for cell in cells[4:]} == {"obd"}
    for label in ("obd", "obd [shuffled mask]"):
        assert [cell.label for cell in Filters(methods=[label]).apply(cells)] == [label]


def test_controls_answer_for_no_published_value(tmp_path) -> None:
    from bench.check.published import published_values
    from bench.jobs.cell import Cell

    cells = load_study(str(study_file(tmp_path))).cells()
    values = published_values().select(None, {"mlpnet-mnist"})
    cells = [Cell(cell.label, cell.job, None) for cell in cells]
    controls = [cell for cell in cells if cell.job.control]
    run_here = [v for v in judge(values, cells) if "has not run" in v.reason]
    assert run_here
    assert not [v for v in judge(values, controls) if "has not run" in v.reason]


def test_protocols_that_prune_later_and_tuning_are_refused(tmp_path) -> None:
    gradual = 'protocols = ["gradual"]\ntraining = { epochs = 2, learning_rate = 0.1 }\n'
    path = study_file(tmp_path, gradual + "gradual = { end = 1.0 }")
    path.write_text(path.read_text() + "training_steps = 100\n")
    with pytest.raises(UserError, match="controls needs .*, not gradual"):
        load_study(str(path))
    path = study_file(tmp_path)
    path.write_text(path.read_text() + "tuning_trials = 3\n")
    with pytest.raises(UserError, match="leave out budget.tuning_trials"):
        load_study(str(path))
