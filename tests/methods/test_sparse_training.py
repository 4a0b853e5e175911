"""The sparse-training methods: exact counts, masks that move as they say, STR's landing."""

import copy

import pytest
import torch
from support.trained import job, run

from bench.jobs.allocation import pruned_counts
from bench.jobs.budget import Budget
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.problem import Target
from bench.problem.training.loop import Sparsifier, Training
from methods import METHODS, build, configuration

TRAINING = [name for name, method in METHODS.items() if "sparse-training" in method.protocols()]


@pytest.fixture(scope="module")
def dense() -> Dense:
    return prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


@pytest.mark.parametrize("method", TRAINING)
@pytest.mark.parametrize("allocation", ["global", "erk"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.98])
def test_counts_are_exact_under_every_allocation(dense, method, allocation, sparsity) -> None:
    found = run(job(method, "sparse-training", allocation=allocation, sparsity=sparsity), dense)
    assert found.status == "ok", found.reason
    assert found.nonzero == 32360 - round(sparsity * 32360)
    shapes = {name: dense.model.get_parameter(name).shape for name in dense.prunable}
    counts = pruned_counts(allocation, shapes, sparsity)
    for name, count in (counts or {}).items():
        assert found.layer_sparsity[name] == pytest.approx(count / shapes[name].numel())


def test_a_sparse_training_method_does_not_prune_by_itself(dense) -> None:
    record = run(job("str", "fine-tune"), dense)
    assert record.status == "failed"
    assert "it runs in the protocol sparse-training" in record.reason
    record = run(job("magnitude", "sparse-training"), dense)
    assert "magnitude doesn't train" in record.reason


class Watch(Sparsifier):
    """Another sparsifier, with the masks of every step noted."""

    def __init__(self, inner: Sparsifier) -> None:
        self.inner, self.masks = inner, []

    def attach(self, training: Training) -> None:
        self.inner.attach(training)

    def before_step(self, training: Training) -> None:
        self.inner.before_step(training)
        self.masks.append(training.masks)

    def on_gradients(self, training: Training) -> None:
        self.gradients = {n: p.grad.clone() for n, p in training.parameters.items()}
        before = training.masks
        self.inner.on_gradients(training)
        if before is not None and self.changed(before, training.masks):
            self.first_change = (training.step, before, training.masks, self.gradients)

    def changed(self, one, other) -> bool:
        return any(not torch.equal(one[name], other[name]) for name in one)


def watched(dense: Dense, method: str, sparsity: float = 0.9, **fields) -> Watch:
    watch = Watch(build(method, fields).sparsifier(Target(sparsity, "erk")))
    recipe = Recipe(epochs=2, batch=64, learning_rate=0.05)
    generator = torch.Generator().manual_seed(0)
    model = copy.deepcopy(dense.model)
    Training(model, dense.prunable, dense.train, recipe, generator).run(watch)
    return watch


def test_scratch_never_changes_its_mask(dense) -> None:
    masks = watched(dense, "scratch").masks
    assert not any(Watch.changed(None, masks[0], mask) for mask in masks[1:])


@pytest.mark.parametrize(("method", "last"), [("rigl", 80), ("set", 100)])
def test_rewiring_keeps_counts_and_stops_in_time(dense, method, last) -> None:
    masks = watched(dense, method, interval=10).masks
    changes = [
        step for step in range(1, len(masks)) if Watch.changed(None, masks[step - 1], masks[step])
    ]
    assert changes == list(range(11, last + 2, 10))
    for mask in masks:
        assert {n: int(m.sum()) for n, m in mask.items()} == {
            n: int(m.sum()) for n, m in masks[0].items()
        }


def test_rigl_grows_where_the_gradient_is_largest(dense) -> None:
    watch = watched(dense, "rigl", interval=50)
    step, before, after, gradients = watch.first_change
    assert step == 50
    for name, mask in before.items():
        grown = after[name] & ~mask
        rest = ~after[name] & ~mask
        size = gradients[name].abs()
        assert size[grown].min() >= size[rest].max()
        assert (mask & ~after[name]).sum() == grown.sum() > 0


def test_gmp_prunes_little_by_little_to_the_exact_end(dense) -> None:
    masks = watched(dense, "gmp", prunings=20).masks
    left = [32360 if m is None else sum(int(x.sum()) for x in m.values()) for m in masks]
    assert left == sorted(left, reverse=True)
    assert 15 <= len(set(left)) <= 20
    assert left[round(0.75 * 110)] == left[-1] == 32360 - round(0.9 * 32360)
    assert left[round(0.75 * 110) - 1] > left[-1]


@pytest.mark.parametrize("threshold", ["layer", "global"])
def test_str_lands_near_the_target_by_itself_and_does_not_collapse(dense, threshold) -> None:
    fields = configuration(build("str", {"threshold": threshold}))
    recipe = Recipe(epochs=8, batch=64, learning_rate=0.02, augmentation="shift")
    record = run(
        job(
            "str",
            "sparse-training",
            hyperparameters=fields,
            training=recipe,
            budget=Budget(training_steps=440),
        ),
        dense,
    )
    assert record.emergent_sparsity == pytest.approx(0.9, abs=0.005)
    assert record.nonzero == 3236
    assert record.accuracy > 90


def test_one_global_threshold_cannot_meet_the_counts_of_layers(dense) -> None:
    fields = configuration(build("str", {"threshold": "global"}))
    record = run(
        job("str", "sparse-training", hyperparameters=fields, allocation="layerwise"), dense
    )
    assert record.status == "skipped"
    assert record.reason == "one global threshold can't meet a layerwise allocation"


def test_scratch_starts_from_new_weights_of_the_seed(dense) -> None:
    records = [run(job("scratch", "sparse-training", seed=seed), dense) for seed in (0, 1, 0)]
    assert records[0].weights_sha256 == records[2].weights_sha256 != records[1].weights_sha256
    start = run(
        job(
            "scratch",
            "sparse-training",
            hyperparameters=configuration(
                build("scratch", {"start": "dense", "mask": "magnitude"})
            ),
        ),
        dense,
    )
    assert start.accuracy > records[0].accuracy + 20
