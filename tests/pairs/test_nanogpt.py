"""The character model: its parts, its gradients, its dense result, and every method on it."""

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from support.cells import dense_of
from support.few import FEW, PRUNING
from support.texts import LETTERS, SMALL, small_data, small_pair
from support.tiny import PLENTY, TinyExamples
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import datasets
from bench.jobs.budget import Meter
from bench.jobs.job import Job
from bench.pairs import PAIRS
from bench.pairs.nanogpt import STD, Attention, NanoGPT
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.calibration import Calibration
from bench.problem.objectives import OBJECTIVES
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from bench.run.one_job import run_job
from methods import build, configuration

PAIR = PAIRS["nanogpt-shakespeare"]
T = 7
BUDGET = PLENTY.model_copy(update={"tuning_trials": 0})


def small() -> NanoGPT:
    """With weights so large that attention isn't even."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SMALL(context=T)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.5)
    return model.double().eval().requires_grad_(False)


def tokens(count: int) -> Tensor:
    return torch.randint(LETTERS, (count, T + 1), generator=torch.Generator().manual_seed(count))


def test_sizes_and_what_is_prunable() -> None:
    model = PAIR.build()
    assert sum(parameter.numel() for parameter in model.parameters()) == 804_096
    assert model.head.weight is model.tokens.weight
    prunable = PAIR.prunable_parameters(model)
    assert len(prunable) == 16
    assert sum(model.get_parameter(name).numel() for name in prunable) == 786_432
    assert all(isinstance(model.get_submodule(path), nn.Linear) for path in prunable.values())
    assert not {"head", "tokens"} & set(prunable.values())
    assert all(module.bias is None for module in model.modules() if hasattr(module, "bias"))


def test_first_weights_are_smaller_where_they_add_to_the_stream() -> None:
    model = PAIR.build()
    for name in PAIR.prunable_parameters(model):
        adds = name.endswith(("out.weight", "fall.weight"))
        spread = float(model.get_parameter(name).detach().std())
        assert spread == pytest.approx(STD / math.sqrt(8) if adds else STD, rel=0.03)
    assert float(model.tokens.weight.detach().std()) == pytest.approx(STD, rel=0.05)


def test_attention_is_that_of_torch() -> None:
    attention = Attention(12, 3).double()
    stream = torch.randn(4, T, 12, dtype=torch.float64)
    parts = attention.qkv(stream).split(12, dim=2)
    heads = [part.view(4, T, 3, 4).transpose(1, 2) for part in parts]
    mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
    expected = attention.out(mixed.transpose(1, 2).reshape(4, T, 12))
    torch.testing.assert_close(attention(stream), expected)


def test_the_model_is_its_formula() -> None:
    model, given = small(), tokens(3)[:, :-1]
    stream = model.tokens.weight[given] + model.positions.weight[:T]
    for block in model.blocks:
        normal = F.layer_norm(stream, (12,), block.norm1.weight)
        stream = stream + block.attention(normal)
        normal = F.layer_norm(stream, (12,), block.norm2.weight)
        inner = normal @ block.rise.weight.T
        inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
        stream = stream + inner @ block.fall.weight.T
    expected = F.layer_norm(stream, (12,), model.norm.weight) @ model.tokens.weight.T
    torch.testing.assert_close(model(given), expected)


def test_no_token_is_seen_before_its_place() -> None:
    model, given = small(), tokens(2)[:, :-1]
    other = given.clone()
    other[:, 4] = (other[:, 4] + 1) % LETTERS
    one, two = model(given), model(other)
    assert torch.equal(one[:, :4], two[:, :4])
    assert ((one - two)[:, 4:].abs().amax(-1) > 1e-6).all()
    torch.testing.assert_close(model(given[:, :3]), one[:, :3])


def problem(count: int) -> Problem:
    model, text = small(), tokens(count)
    examples = TinyExamples(text[:, :-1], text[:, 1:])
    settings = Settings(objective=OBJECTIVES["language-model"])
    prunable = PAIR.prunable_parameters(model)
    calibration = Calibration(examples, 0, Meter(PLENTY))
    return Problem(model, prunable, calibration, Target(0.5, "global"), settings)


def exact_gradients(made: Problem, count: int) -> Tensor:
    """The gradients [count, d] of single examples by torch's own vectorised differentiation."""

    def loss(weights: dict[str, Tensor], given: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(made.model, weights, (given[None],))[0], target)

    found = vmap(grad(loss), in_dims=(None, 0, 0))(made.weights, *made.examples(count))
    return torch.cat([found[name].flatten(1) for name in made.weights], dim=1)


def test_gradients_of_single_examples_are_those_of_torch() -> None:
    made = problem(6)
    expected = exact_gradients(made, 6)
    assert expected.norm() > 1
    torch.testing.assert_close(made.gradients(6), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        made.gradients(2, batch=3), expected.view(2, 3, -1).mean(1), rtol=1e-10, atol=1e-10
    )


def test_hessian_vector_products_are_differences_of_gradients() -> None:
    made, step = problem(4), 1e-5
    size = sum(weight.numel() for weight in made.weights.values())
    vector = torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    parts = vector.split([weight.numel() for weight in made.weights.values()])
    ends = []
    for sign in (1, -1):
        moved = problem(4)
        for weight, part in zip(moved.weights.values(), parts, strict=True):
            weight.add_(sign * step * part.view_as(weight))
        ends.append(exact_gradients(moved, 4).mean(0))
    expected = (ends[0] - ends[1]) / (2 * step)
    found = made.hessian_vector_product(vector, 4)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Iterator[Dense]:
    """A small model of the same kind, trained for 60 steps on a small text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv("BENCH_MIRROR", raising=False)
        data = small_data()
        patch.setattr(datasets, "load", lambda *_: data)
        yield prepare(small_pair(), torch.device("cpu"))


def test_a_short_training_learns(trained) -> None:
    assert trained.evaluation.examples == (3400 - 1) // 64
    entropy = 0.75 * math.log(1 / (0.75 + 0.25 / 9)) + 0.25 * math.log(36)  # about, of the text
    assert math.exp(0.8 * entropy) < trained.evaluation.score < 0.7 * LETTERS


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_every_one_shot_method_prunes_it(trained, name, allocation) -> None:
    job = Job(
        pair=PAIR.name, method=name, hyperparameters=configuration(build(name, FEW.get(name, {}))),
        allocation=allocation, sparsity=0.5, seed=0, protocol="one-shot", budget=BUDGET,
    )  # fmt: skip
    record = run_job(job, trained, "study", name)
    assert record.status == "ok", record.reason
    assert record.nonzero == record.prunable - round(0.5 * record.prunable)
    assert record.metric == "perplexity"
    assert 1 < record.score < 30 * trained.evaluation.score


@pytest.mark.parametrize("curvature", ["ggn", "hutchinson"])
def test_obd_takes_curvatures_of_the_loss(trained, curvature) -> None:
    fields = {"samples": 4, "curvature": curvature, "probes": 2}
    job = Job(
        pair=PAIR.name, method="obd", hyperparameters=configuration(build("obd", fields)),
        allocation="global", sparsity=0.3, seed=0, protocol="one-shot", budget=BUDGET,
    )  # fmt: skip
    record = run_job(job, trained, "study", "obd")
    assert record.status == "ok", record.reason


@pytest.mark.slow
def test_the_dense_model_is_as_good_as_nanogpts() -> None:
    """nanoGPT's README gives 1.88 on 240 random windows; seeds differ by some hundredths."""
    dense = dense_of(PAIR.name)
    assert dense.evaluation.examples == 1742
    assert 1.86 < dense.evaluation.loss < 1.98
    assert dense.evaluation.score == pytest.approx(math.exp(dense.evaluation.loss))
