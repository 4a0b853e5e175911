"""Each objective's loss, gradients, curvature and Fisher are those of plain autograd."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.tiny import PLENTY, TinyExamples
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from bench.common.errors import MethodError
from bench.jobs.budget import Meter
from bench.pairs.evaluate import evaluate
from bench.problem.calibration import Calibration
from bench.problem.objectives import OBJECTIVES
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from methods.curvature.diagonals import fisher_diagonal, ggn_diagonal

COUNT, T, VOCABULARY = 7, 3, 4


class Language(nn.Module):
    """An embedding that isn't prunable, and two linear layers at each position."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 5)
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(self.embed(tokens))))


class Rows(nn.Module):
    """6-4-3 on rows of numbers; `shape` is that of the outputs of an example."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.a, self.b, self.shape = nn.Linear(6, 4), nn.Linear(4, math.prod(shape)), shape

    def forward(self, rows: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(rows))).view(-1, *self.shape)


def problem(name: str, seed: int = 0) -> Problem:
    torch.manual_seed(1)
    tokens = torch.randint(VOCABULARY, (COUNT, T + 1))
    model, inputs, targets = {
        "classification": lambda: (Rows(3), torch.randn(COUNT, 6), torch.randint(3, (COUNT,))),
        "language-model": lambda: (Language(), tokens[:, :-1], tokens[:, 1:]),
        "regression": lambda: (Rows(2, 2), torch.randn(COUNT, 6), torch.randn(COUNT, 2, 2)),
    }[name]()
    inputs, targets = (x.double() if x.is_floating_point() else x for x in (inputs, targets))
    return Problem(
        model.double().eval().requires_grad_(False),
        {"a.weight": "a", "b.weight": "b"},
        Calibration(TinyExamples(inputs, targets), seed, Meter(PLENTY)),
        Target(0.5, "global"),
        Settings(objective=OBJECTIVES[name]),
    )


def written_out(name: str, outputs: Tensor, target: Tensor) -> Tensor:
    """The loss of one example, without the code under test."""
    if name == "regression":
        return (outputs - target).square().sum() / 2
    if name == "classification":
        return outputs.logsumexp(0) - outputs[target]
    return torch.stack([o.logsumexp(0) - o[t] for o, t in zip(outputs, target, strict=True)]).mean()


def on(made: Problem, flat: Tensor, one: Tensor) -> Tensor:
    """The outputs of one example with these weights."""
    sizes = [weight.numel() for weight in made.weights.values()]
    parts = zip(made.weights.items(), flat.split(sizes), strict=True)
    weights = {name: part.view_as(weight) for (name, weight), part in parts}
    return functional_call(made.model, weights, (one[None],))[0]


def flat_of(made: Problem) -> Tensor:
    return torch.cat([weight.flatten() for weight in made.weights.values()])


def gradient(name: str, made: Problem, one: Tensor, target: Tensor) -> Tensor:
    return jacrev(lambda flat: written_out(name, on(made, flat, one), target))(flat_of(made))


def hessian(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The second derivative by two backward passes."""
    return jacrev(jacrev(function))


def gauss_newton(name: str, made: Problem) -> Tensor:
    """(1/m) Σ Jᵀ Λ J [d, d], by dense matrices."""
    total = torch.zeros(1, dtype=torch.float64)
    for one, target in zip(*made.examples(COUNT), strict=True):
        outputs = on(made, flat_of(made), one)
        jacobian = jacrev(lambda flat, one=one: on(made, flat, one))(flat_of(made))
        jacobian = jacobian.reshape(outputs.numel(), -1)
        curvature = jacrev(jacrev(lambda out, target=target: written_out(name, out, target)))(
            outputs
        )
        total = total + jacobian.T @ curvature.reshape(outputs.numel(), -1) @ jacobian
    return total / COUNT


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_of_single_examples_are_autograds(name) -> None:
    made = problem(name)
    expected = [gradient(name, made, *one) for one in zip(*made.examples(COUNT), strict=True)]
    torch.testing.assert_close(made.gradients(COUNT), torch.stack(expected))
    pairs = torch.stack(expected[:6]).view(3, 2, -1).mean(1)
    torch.testing.assert_close(made.gradients(3, batch=2), pairs)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_and_hessian_vector_products(name) -> None:
    made = problem(name)

    def mean(flat: Tensor) -> Tensor:
        found = [
            written_out(name, on(made, flat, one), target)
            for one, target in zip(*made.examples(COUNT), strict=True)
        ]
        return torch.stack(found).mean()

    assert made.loss(made.weights, COUNT) == pytest.approx(float(mean(flat_of(made))))
    vector = torch.randn(len(flat_of(made)), dtype=torch.float64)
    expected = jacrev(jacrev(mean))(flat_of(made)) @ vector
    torch.testing.assert_close(made.hessian_vector_product(vector, COUNT), expected)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_terms_give_the_gauss_newton_diagonal(name) -> None:
    made = problem(name)
    expected = gauss_newton(name, made).diagonal()
    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(ggn_diagonal(made, COUNT), expected)
    passes = {"classification": 3, "language-model": T * VOCABULARY, "regression": 4}[name]
    assert made._meter.spent.backward_passes == passes * COUNT


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_true_fisher_is_the_gauss_newton_matrix_on_average(name) -> None:
    """Over 100 seeds its relative error falls as 1/√100; for language models it is 1/t of it."""
    share = T if name == "language-model" else 1
    expected = gauss_newton(name, problem(name)).diagonal() / share
    draws = [fisher_diagonal(problem(name, seed), COUNT, "true") for seed in range(100)]
    found, error = torch.stack(draws).mean(0), torch.stack(draws).std(0) / 10
    assert float(((found - expected).abs() / error.clamp(min=1e-12)).max()) < 4.5
    assert float((found - expected).norm() / expected.norm()) < 0.2


def test_the_expectation_over_all_texts_is_one_t_th_of_gauss_newton() -> None:
    name, made = "language-model", problem("language-model")
    total = torch.zeros(1, dtype=torch.float64)
    for one in made.examples(COUNT)[0]:
        probabilities = on(made, flat_of(made), one).softmax(-1)
        for text in itertools.product(range(VOCABULARY), repeat=T):
            likely = math.prod(float(p[c]) for p, c in zip(probabilities, text, strict=True))
            g = gradient(name, made, one, torch.tensor(text))
            total = total + likely * torch.outer(g, g)
    torch.testing.assert_close(total / COUNT, gauss_newton(name, made) / T)


def test_drawn_targets_of_a_regression_are_normal_around_the_outputs() -> None:
    mean = torch.tensor([[1.0, -2.0]]).expand(40_000, 2)
    drawn = OBJECTIVES["regression"].drawn(mean, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), torch.eye(2), atol=0.04, rtol=0)


def test_a_classification_has_the_bits_it_always_had() -> None:
    torch.manual_seed(3)
    logits, labels = torch.randn(250, 10), torch.randint(10, (250,))
    objective = OBJECTIVES["classification"]
    for reduction in ("sum", "mean"):
        for smoothing in (0.0, 0.1):
            expected = F.cross_entropy(
                logits, labels, reduction=reduction, label_smoothing=smoothing
            )
            assert torch.equal(objective.loss(logits, labels, reduction, smoothing), expected)
    probabilities = logits.softmax(1)
    assert torch.equal(objective.predicted(logits), probabilities)
    drawn = objective.drawn(probabilities, torch.Generator().manual_seed(5))
    again = torch.multinomial(probabilities, 1, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, again.squeeze(1))
    found = evaluate(nn.Identity(), TinyExamples(logits, labels), objective)
    loss = 0.0
    for part, own in zip(logits.split(100), labels.split(100), strict=True):
        loss += float(F.cross_entropy(part.double(), own, reduction="sum"))
    assert found.loss == loss / 250
    assert found.accuracy == 100 * int((logits.argmax(1) == labels).sum()) / 250
    assert (found.score, found.score_error) == (None, None)


def test_perplexity_is_over_all_tokens_of_the_split() -> None:
    torch.manual_seed(4)
    logits, tokens = torch.randn(150, T, VOCABULARY), torch.randint(VOCABULARY, (150, T))
    found = evaluate(nn.Identity(), TinyExamples(logits, tokens), OBJECTIVES["language-model"])
    nats = [
        float(logits[i, t].double().logsumexp(0) - logits[i, t, tokens[i, t]])
        for i in range(150)
        for t in range(T)
    ]
    assert found.score == pytest.approx(math.exp(sum(nats) / len(nats)))
    assert found.loss == pytest.approx(sum(nats) / len(nats))
    hits = int((logits.argmax(-1) == tokens).sum())
    assert found.accuracy == pytest.approx(100 * hits / (150 * T))
    means = torch.tensor(nats).view(150, T).mean(1)
    error = float(means.std() / 150**0.5) * found.score
    assert found.score_error == pytest.approx(error, rel=1e-4)
    assert found.tied == 0


def test_the_mean_squared_error_is_over_examples_and_outputs() -> None:
    torch.manual_seed(5)
    outputs, targets = torch.randn(150, 2, 3), torch.randn(150, 2, 3)
    found = evaluate(nn.Identity(), TinyExamples(outputs, targets), OBJECTIVES["regression"])
    assert found.score == pytest.approx(float(F.mse_loss(outputs, targets)), rel=1e-5)
    assert found.loss == pytest.approx(found.score * 6 / 2)
    assert (found.accuracy, found.top5) == (None, None)
    single = (outputs - targets).square().flatten(1).mean(1)
    assert found.score_error == pytest.approx(float(single.std() / 150**0.5), rel=1e-4)


def test_a_regression_refuses_label_smoothing() -> None:
    with pytest.raises(MethodError, match="label_smoothing"):
        OBJECTIVES["regression"].loss(torch.ones(2, 1), torch.ones(2, 1), "mean", 0.1)
