"""Tuning: as many trials for everybody, on validation images alone, the test split read once."""

import time
from dataclasses import dataclass
from typing import Annotated

import pytest
import torch

import datasets
from bench.common.errors import MethodError, UserError
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.evaluate import Evaluation
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.run import tested, tuning
from bench.run.one_job import run_job
from bench.study.study import load_study
from methods import METHODS, build, configuration
from methods.magnitude import Magnitude
from methods.search import Choice, Search, space

TRIALS = 6
BUDGET = Budget(calibration_examples=30, backward_passes=30, tuning_trials=TRIALS)


@pytest.fixture(scope="module")
def dense() -> Dense:
    return prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


def job(method: str, fields: dict | None = None, **changes) -> Job:
    few = {"samples": 30} if "samples" in METHODS[method].__dataclass_fields__ else {}
    values = {
        "pair": "mlpnet-mnist5k",
        "method": method,
        "hyperparameters": configuration(build(method, few | (fields or {}))),
        "allocation": "global",
        "sparsity": 0.95,
        "seed": 0,
        "protocol": "one-shot",
        "budget": BUDGET,
    }
    return Job(**(values | changes))


def run(job: Job, dense: Dense):
    return run_job(job, dense, "study", job.method)


@pytest.fixture
def seen(monkeypatch) -> list[object]:
    """The splits that are evaluated, in order."""
    calls: list[object] = []
    for module in (tested, tuning):
        real = module.evaluate

        def spy(model, images, objective, real=real):
            calls.append(images)
            return real(model, images, objective)

        monkeypatch.setattr(module, "evaluate", spy)
    return calls


@pytest.mark.parametrize("method", ["magnitude", "obd", "l-obs", "kfac", "ekfac", "woodfisher"])
def test_everybody_has_as_many_trials_and_the_test_split_is_read_once(dense, seen, method) -> None:
    began = time.perf_counter()
    record = run(job(method), dense)
    took = time.perf_counter() - began
    assert record.status == "ok", record.reason
    assert seen == [dense.validation] * TRIALS + [dense.test]
    assert 0 < record.tuning_seconds < took
    assert record.spent.tuning_trials == len(record.trials) == TRIALS
    assert record.tuning_spent.tuning_trials == TRIALS
    assert record.chosen.keys() == METHODS[method]().space().keys()
    configured = {name: record.hyperparameters[name] for name in record.chosen}
    assert record.trials[0].values == configured
    best = max(record.trials, key=lambda t: (-1, 0) if t.reason else (t.accuracy, -t.loss))
    assert record.chosen == best.values
    assert best.accuracy >= record.trials[0].accuracy


def test_a_method_without_a_space_has_one_trial(dense, seen) -> None:
    record = run(job("random"), dense)
    assert seen == [dense.validation, dense.test]
    assert record.spent.tuning_trials == len(record.trials) == 1
    assert record.chosen == {}


def test_without_trials_nothing_is_tuned(dense, seen) -> None:
    untuned = BUDGET.model_copy(update={"tuning_trials": 0})
    record = run(job("magnitude", budget=untuned), dense)
    assert seen == [dense.test]
    assert record.chosen is None and record.trials == [] and record.tuning_spent is None


def test_the_result_is_that_of_the_chosen_values(dense) -> None:
    tuned = run(job("kfac"), dense)
    assert len({str(trial.values) for trial in tuned.trials}) == TRIALS
    untuned = BUDGET.model_copy(update={"tuning_trials": 0})
    again = run(job("kfac", tuned.chosen, budget=untuned), dense)
    assert again.weights_sha256 == tuned.weights_sha256
    assert again.spent.backward_passes == tuned.spent.backward_passes == 30
    assert tuned.tuning_spent.backward_passes == TRIALS * 30
    assert tuned.tuning_spent.calibration_examples == 30


def test_the_same_seed_tries_the_same_values_and_the_record_survives(dense, tmp_path) -> None:
    one, other = run(job("woodfisher"), dense), run(job("woodfisher"), dense)
    assert one.trials == other.trials
    assert one.weights_sha256 == other.weights_sha256
    moved = run(job("woodfisher", seed=1), dense)
    assert [t.values for t in moved.trials] != [t.values for t in one.trials]
    store = RecordStore(tmp_path, "tuned")
    store.prepare()
    store.write(one)
    assert store.read(one.key) == one


def test_fine_tuning_is_tuned_before_it_trains(dense, seen) -> None:
    budget = BUDGET.model_copy(update={"training_steps": 60})
    training = Recipe(epochs=1, batch=64, learning_rate=0.02)
    record = run(job("magnitude", protocol="fine-tune", training=training, budget=budget), dense)
    assert record.status == "ok", record.reason
    assert seen == [dense.validation] * TRIALS + [dense.test]
    assert record.spent.training_steps == 55
    assert any("before training" in note for note in record.notes)


@pytest.mark.usefixtures("registries")
def test_a_trial_that_fails_counts_and_all_that_fail_fail_the_job(dense) -> None:
    @dataclass(frozen=True)
    class Fragile(Magnitude):
        """Breaks above a limit."""

        strength: Annotated[float, Search(0.0, 1.0)] = 0.0
        limit: float = 0.5

        def scores(self, problem):
            if self.strength > self.limit or self.limit < 0:
                raise MethodError("too strong")
            return super().scores(problem)

    METHODS["fragile"] = Fragile
    record = run(job("fragile"), dense)
    failed = [trial for trial in record.trials if trial.reason]
    assert record.status == "ok" and 0 < len(failed) < TRIALS == len(record.trials)
    assert {trial.reason for trial in failed} == {"MethodError: too strong"}
    assert all(trial.values["strength"] > 0.5 for trial in failed)
    lost = run(job("fragile", {"limit": -1.0}), dense)
    assert (lost.status, lost.reason) == ("failed", "too strong")


def test_loss_decides_between_equal_accuracies() -> None:
    def worth(accuracy: float, loss: float) -> float:
        return tuning._worth(Evaluation(accuracy, 100.0, loss, 5000))

    assert worth(90.02, 1e6) > worth(90.0, 0.0)
    assert worth(90.0, 0.4) > worth(90.0, 0.5) > worth(90.0, 50.0)


@pytest.mark.parametrize("name", METHODS)
def test_all_of_a_space_can_be_configured_and_budget_is_no_part_of_it(name) -> None:
    declared = space(METHODS[name])
    assert not declared.keys() & {"samples", "batch", "recomputations", "probes", "stages"}
    for field, what in declared.items():
        ends = what.values if isinstance(what, Choice) else (what.low, what.high)
        for value in ends:
            assert getattr(build(name, {field: value}), field) == value


def test_masks_judged_by_their_loss_are_trials_already() -> None:
    assert build("cbs", {"judge": "loss"}).space() == {}
    assert "damping" in build("cbs", {}).space()


def test_validation_is_disjoint_from_train_and_test() -> None:
    for name in ("mnist5k", "mnist", "cifar10"):
        if not datasets.available(name):
            continue
        data = datasets.load(name)
        for other in (data.train, data.test):
            rows = other.images.flatten(1).numpy()
            known = {row.tobytes() for row in rows}
            mine = data.validation.images.flatten(1).numpy()
            assert not any(row.tobytes() in known for row in mine), name


@pytest.mark.parametrize("protocol", ["gradual", "sparse-training"])
def test_protocols_that_prune_later_are_refused(tmp_path, protocol) -> None:
    path = tmp_path / "tuned.toml"
    path.write_text(f"""
pairs = ["mlpnet-mnist5k"]
protocols = ["{protocol}"]
allocations = ["global"]
sparsities = [0.9]
seeds = [0]
[budget]
training_steps = 100
tuning_trials = 5
[training]
epochs = 2
learning_rate = 0.1
{"[gradual]" if protocol == "gradual" else ""}
{"end = 1.0" if protocol == "gradual" else ""}
[methods]
magnitude = {{}}
""")
    with pytest.raises(UserError, match=f"budget.tuning_trials above 0 needs .*, not {protocol}"):
        load_study(str(path))
