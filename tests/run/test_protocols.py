"""Jobs that train, through the real run path: budgets, masks, interruptions, records."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from support.trained import BUDGET, RECIPE, job, run

from bench.jobs.protocol import PROTOCOLS, Protocol
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.run import protocols
from bench.run.case import Case
from bench.run.protocols import Pruning
from bench.study.study import Study
from methods import METHODS, build, configuration
from methods.scratch import Scratch

TRAINED = [
    ("magnitude", "fine-tune"),
    ("woodfisher", "gradual"),
    ("str", "sparse-training"),
    ("rigl", "sparse-training"),
]


@pytest.fixture(scope="module")
def dense() -> Dense:
    return prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


def test_every_protocol_is_carried_out_by_what_it_says_of_itself() -> None:
    trained = {name for name, protocol in PROTOCOLS.items() if protocol.trains}
    assert trained == set(protocols.TRAINED)
    assert set(PROTOCOLS) - trained == set(protocols.PRUNED)


def test_a_new_protocol_is_a_declaration_and_what_it_does(dense, monkeypatch) -> None:
    def in_two_steps(case: Case) -> None:
        case.prune(case.target.sparsity / 2)
        case.prune(case.target.sparsity, {name: w != 0 for name, w in case.weights.items()})

    name = "in two steps"
    monkeypatch.setitem(PROTOCOLS, name, Protocol(name, trains=False))
    monkeypatch.setitem(protocols.PRUNED, name, in_two_steps)
    study = Study.model_validate(
        {
            "name": "steps",
            "title": "Steps",
            "pairs": ["mlpnet-mnist5k"],
            "methods": {"magnitude": {}, "rigl": {}, "woodfisher": {"samples": 50}},
            "allocations": ["global"],
            "sparsities": [0.9],
            "seeds": [0],
            "protocols": ["one-shot", name, "sparse-training"],
            "training": RECIPE,
            "budget": BUDGET,
        }
    )
    cells = {cell.label: cell for cell in study.cells()}
    assert list(cells)[:2] == ["magnitude, one-shot", "magnitude, in two steps"]
    once, twice = (run(cells[f"woodfisher, {way}"].job, dense) for way in ("one-shot", name))
    assert twice.status == "ok", twice.reason
    assert twice.nonzero == once.nonzero
    assert (once.spent.recomputations, twice.spent.recomputations) == (0, 1)
    assert twice.weights_sha256 != once.weights_sha256


@pytest.mark.parametrize(("method", "protocol"), TRAINED)
def test_training_helps_is_metered_and_repeats(dense, method, protocol) -> None:
    record, again = (run(job(method, protocol), dense) for _ in range(2))
    assert record.status == "ok", record.reason
    assert record.nonzero == 32360 - round(0.9 * 32360)
    assert record.spent.training_steps == 110
    assert record.train_examples == 2 * 3500
    assert len(record.train_losses) == 2
    assert record.train_seconds > 0
    # A forward pass of one example is 2 FLOPs a weight, the backward pass twice that, less the
    # gradient with respect to the input.
    assert record.train_flops == 7000 * (6 * 32360 - 2 * 31360)
    assert record.weights_sha256 == again.weights_sha256
    assert record.key == again.key
    if method == "magnitude":
        one_shot = run(job(method, "one-shot", training=None), dense)
        assert record.accuracy > one_shot.accuracy + 3
        assert one_shot.train_seconds is None


@pytest.mark.parametrize(("method", "protocol"), TRAINED)
def test_too_many_steps_are_stopped_and_recorded(dense, method, protocol) -> None:
    few = BUDGET.model_copy(update={"training_steps": 100})
    record = run(job(method, protocol, budget=few), dense)
    assert record.status == "over-budget"
    assert record.reason == "asked for 101 training steps, the budget allows 100"
    assert record.spent.training_steps == 100
    assert record.accuracy is None


@pytest.mark.usefixtures("registries")
def test_a_method_that_trains_twice_is_stopped_and_recorded(dense) -> None:
    @dataclass(frozen=True)
    class Greedy(Scratch):
        """Trains once more when nobody is looking."""

        def train(self, training, target) -> None:
            super().train(training, target)
            super().train(training, target)

    METHODS["greedy"] = Greedy
    record = run(job("greedy", "sparse-training"), dense)
    assert record.status == "over-budget"
    assert record.reason == "asked for 111 training steps, the budget allows 110"


def test_gradual_masks_only_shrink_and_each_estimate_is_charged(dense, monkeypatch) -> None:
    seen = []
    before_step = Pruning.before_step

    def watched(self, training) -> None:
        before_step(self, training)
        if training.step in self._plan:
            seen.append((self._plan[training.step], training.masks))

    monkeypatch.setattr(Pruning, "before_step", watched)
    record = run(job("woodfisher", "gradual"), dense)
    assert record.status == "ok"
    assert len(seen) == 6
    for (_, wider), (_, mask) in itertools.pairwise(seen):
        assert not any((mask[name] & ~wider[name]).any() for name in mask)
    for sparsity, mask in seen:
        left = sum(int(layer.sum()) for layer in mask.values())
        assert left == 32360 - round(sparsity * 32360)
    assert record.spent.recomputations == 5
    assert record.spent.backward_passes == 6 * 50
    assert record.spent.calibration_examples == 50


def test_gradual_pruning_within_the_budget_of_recomputations(dense) -> None:
    few = BUDGET.model_copy(update={"recomputations": 4})
    record = run(job("woodfisher", "gradual", budget=few), dense)
    assert record.status == "over-budget"
    assert "5 recomputations" in record.reason
    free = run(job("magnitude", "gradual", budget=few), dense)
    assert free.status == "ok"
    assert free.spent.recomputations == 0


def test_recomputed_inverses_go_on_from_what_is_gone_already(dense) -> None:
    fields = configuration(build("woodfisher", {"samples": 50, "recomputations": 3}))
    more = BUDGET.model_copy(update={"backward_passes": 5000, "recomputations": 100})
    record = run(job("woodfisher", "gradual", hyperparameters=fields, budget=more), dense)
    assert record.status == "ok", record.reason
    assert record.spent.recomputations == 6 * 2 + 5


class Killed(BaseException):
    """A kill in the middle of a training, as far as a test process can survive one."""


@pytest.mark.parametrize(("method", "protocol"), TRAINED)
@pytest.mark.parametrize("step", [40, 100])
def test_a_killed_job_goes_on_and_gives_the_same_bits(
    dense, method, protocol, step, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("BENCH_SNAPSHOT_SECONDS", "0")
    whole = run(job(method, protocol), dense)
    charged = []

    def kill(done: int, steps: int) -> None:
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        run(job(method, protocol), dense, progress=kill, snapshots=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = run(
        *(job(method, protocol), dense),
        progress=lambda done, steps: charged.append(done),
        snapshots=tmp_path,
    )
    assert charged[0] == step
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.spent == whole.spent
    assert resumed.train_losses == whole.train_losses
    assert resumed.emergent_sparsity == whole.emergent_sparsity
    assert (resumed.prune_seconds is None) == (whole.prune_seconds is None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["code", "bytes"])
def test_a_snapshot_that_does_not_fit_is_not_taken_up(
    dense, damage, tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("BENCH_SNAPSHOT_SECONDS", "0")

    def kill(done: int, steps: int) -> None:
        if done == 50:
            raise Killed

    with pytest.raises(Killed):
        run(job("gmp", "sparse-training"), dense, progress=kill, snapshots=tmp_path)
    if damage == "bytes":
        (snapshot,) = tmp_path.iterdir()
        snapshot.write_bytes(snapshot.read_bytes()[:-2000])
    else:
        monkeypatch.setattr("bench.run.one_job.source_of", lambda job: "0" * 64)
    steps = []
    record = run(
        *(job("gmp", "sparse-training"), dense),
        progress=lambda done, _: steps.append(done),
        snapshots=tmp_path,
    )
    assert steps[0] == 1
    assert "is not taken up" in caplog.text
    assert record.status == "ok"


def test_divergence_is_a_failed_record(dense) -> None:
    wild = Recipe(epochs=1, learning_rate=1e9)
    record = run(job("magnitude", "fine-tune", training=wild), dense)
    assert record.status == "failed"
    assert "the training loss was nan in epoch 1" in record.reason


@pytest.mark.usefixtures("registries")
def test_a_method_cannot_revive_weights_in_gradual_pruning(dense) -> None:
    from methods.magnitude import Magnitude

    @dataclass(frozen=True)
    class Reviving(Magnitude):
        """Prunes other weights each time."""

        def prune(self, problem):
            problem._support = None
            first = next(iter(problem.weights))
            scores = {n: -w.abs() if n == first else w.abs() for n, w in problem.weights.items()}
            masks = problem.select(scores)
            return {n: (w + 1e-3) * masks[n] for n, w in problem.weights.items()}

    METHODS["reviving"] = Reviving
    record = run(job("reviving", "gradual"), dense)
    assert record.status == "failed"
    assert "revived weights of layer" in record.reason


def test_each_protocol_is_another_job(dense) -> None:
    keys = {job("magnitude", protocol).key for protocol in ("fine-tune", "gradual")}
    longer = RECIPE.model_copy(update={"epochs": 3})
    keys.add(job("magnitude", "fine-tune", training=longer).key)
    keys.add(job("magnitude", "one-shot", training=None).key)
    assert len(keys) == 4
    assert isinstance(
        Case(job("magnitude", "fine-tune"), dense, build("magnitude", {}), None, 0).weights, dict
    )
