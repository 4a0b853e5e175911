"""Weights that are zero before pruning count, stay zero, and others go on top of them."""

import pytest
import torch
from support.own_pairs import Net, job_of, own, ready

from bench.common.errors import Skip
from bench.jobs.budget import Budget
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.problem.problem import Target
from bench.problem.selection import select
from bench.run.one_job import run_job
from bench.run.present import assert_reachable, present
from methods import METHODS

__all__ = ["own"]

SIZE = 784 * 40 + 40 * 40 + 40 * 10
ONE_SHOT = [name for name, method in METHODS.items() if "one-shot" in method.protocols()]
TRAINING = [name for name, method in METHODS.items() if "sparse-training" in method.protocols()]
FEW = {"cbs": {"samples": 20}, "obd": {"samples": 20}, "chita++": {"samples": 20, "stages": 2}}


def sparse(zeros: float, own, layer: str = ""):
    """A pair whose dense weights are zero at random places, in one layer or in all."""
    torch.manual_seed(3)
    state = Net().state_dict()
    generator = torch.Generator().manual_seed(5)
    for name, weight in state.items():
        if name.endswith(f"{layer}.weight"):
            weight.view(-1)[
                torch.randperm(weight.numel(), generator=generator)[: round(zeros * weight.numel())]
            ] = 0
    return ready(own(Net, prunable=r"[abc]\.weight", state=state))


def run(dense, method: str, sparsity: float, **more):
    fields = {"fields": FEW.get(method, {})}
    record = run_job(job_of(method, sparsity, **fields | more), dense, "study", method)
    return record


def test_nothing_is_said_of_a_dense_model_without_zeros() -> None:
    assert present({"w": torch.ones(3, 3)}) is None


@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@pytest.mark.parametrize("method", ["random", "magnitude", "woodfisher", "kfac", "obc", "chita"])
def test_zeros_count_and_removal_goes_on_top(method, allocation, own) -> None:
    # Erdős-Rényi-Kernel takes no weights of the small layers.
    dense = sparse(0.3, own, layer="a" if allocation == "erk" else "")
    record = run(dense, method, 0.6, allocation=allocation)
    assert record.status == "ok", record.reason
    assert record.nonzero == SIZE - round(0.6 * SIZE)


@pytest.mark.parametrize("method", ONE_SHOT)
def test_every_method_prunes_a_network_with_one_zero_weight(method, own) -> None:
    torch.manual_seed(3)
    state = Net().state_dict()
    state["b.weight"][1, 2] = 0
    dense = ready(own(Net, prunable=r"[abc]\.weight", state=state))
    for seed in range(2):
        record = run(dense, method, 0.5, seed=seed)
        assert record.status == "ok", record.reason
        assert record.nonzero == SIZE - round(0.5 * SIZE)


@pytest.mark.parametrize("method", ["random", "magnitude", "obd", "woodfisher", "ekfac", "cbs"])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_a_target_below_what_is_gone_is_one_sentence(method, allocation, own) -> None:
    record = run(sparse(0.6, own), method, 0.5, allocation=allocation)
    assert record.status == "skipped"
    assert "zero already" in record.reason
    assert "sparsity 0.5 asks for" in record.reason


def test_the_target_is_reached_exactly_where_just_as_much_is_gone(own) -> None:
    record = run(sparse(0.5, own), "magnitude", 0.5, allocation="layerwise")
    assert record.status == "ok", record.reason
    assert record.accuracy == record.dense_accuracy


def test_one_layer_that_is_too_sparse_is_named(own) -> None:
    dense = sparse(0.9, own, layer="b")
    assert run(dense, "magnitude", 0.5).status == "ok"
    record = run(dense, "magnitude", 0.5, allocation="layerwise")
    assert record.status == "skipped"
    assert "1,440 of 1,600 weights in b.weight are zero already" in record.reason


def test_reachability_by_hand() -> None:
    left = {"a": torch.tensor([[True, False], [False, False]]), "b": torch.ones(2, 2).bool()}
    assert_reachable(left, Target(0.375, "global"))  # 3 of 8
    with pytest.raises(Skip, match="3 of 8 weights in all layers .* more than the 2"):
        assert_reachable(left, Target(0.25, "global"))
    with pytest.raises(Skip, match="3 of 4 weights in a"):
        assert_reachable(left, Target(0.5, "layerwise"))


def test_selection_never_revives_what_is_gone() -> None:
    within = {"w": torch.tensor([True, False, False, True])}
    scores = {"w": torch.tensor([4.0, 3.0, 2.0, 1.0])}
    assert select(scores, "global", 0.25, within)["w"].tolist() == [True, False, False, True]
    assert select(scores, "global", 0.75, within)["w"].tolist() == [True, False, False, False]


RECIPE = Recipe(epochs=2, batch=500, learning_rate=0.01)
STEPS = Budget(
    calibration_examples=4000, backward_passes=10**6, recomputations=10, training_steps=10**4
)


def zeros_of(dense) -> dict[str, torch.Tensor]:
    return {name: dense.model.get_parameter(name) == 0 for name in dense.prunable}


@pytest.mark.parametrize("protocol", ["fine-tune", "gradual"])
def test_zeros_stay_zero_through_training(protocol, own, monkeypatch) -> None:
    from bench.run import tested as running

    seen = []
    evaluate = running.evaluate
    monkeypatch.setattr(
        running, "evaluate", lambda model, *on: seen.append(model) or evaluate(model, *on)
    )
    dense = sparse(0.3, own)
    schedule = Gradual(end=1.0, frequency=0.5) if protocol == "gradual" else None
    record = run(
        dense, "magnitude", 0.6, protocol=protocol, training=RECIPE, schedule=schedule, budget=STEPS
    )
    assert record.status == "ok", record.reason
    assert record.nonzero == SIZE - round(0.6 * SIZE)
    for name, zero in zeros_of(dense).items():
        assert not seen[-1].get_parameter(name)[zero].any()


@pytest.mark.parametrize("method", TRAINING)
def test_sparse_training_keeps_zeros_where_it_starts_from_the_dense_weights(
    method, own, monkeypatch
) -> None:
    from bench.run import tested as running

    seen = []
    evaluate = running.evaluate
    monkeypatch.setattr(
        running, "evaluate", lambda model, *on: seen.append(model) or evaluate(model, *on)
    )
    dense = sparse(0.3, own)
    record = run(
        dense, method, 0.6, protocol="sparse-training", training=RECIPE, budget=STEPS,
        fields={"interval": 2} if method in ("rigl", "set") else {},
    )  # fmt: skip
    assert record.status == "ok", record.reason
    assert record.nonzero == SIZE - round(0.6 * SIZE)
    if method in ("gmp", "str"):
        for name, zero in zeros_of(dense).items():
            assert not seen[-1].get_parameter(name)[zero].any()


@pytest.mark.parametrize("control", ["shuffled mask", "magnitude in its layers"])
def test_controls_keep_zeros_too(control, own) -> None:
    record = run(sparse(0.3, own), "woodfisher", 0.6, control=control)
    assert record.status == "ok", record.reason
    assert record.nonzero == SIZE - round(0.6 * SIZE)
