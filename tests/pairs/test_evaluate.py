"""Predictions follow one rule for equal logits: the lowest index comes first."""

import math

import pytest
import torch
from support.tiny import TinyExamples
from torch import nn

from bench.pairs.evaluate import Evaluation, evaluate, ranks
from bench.problem.objectives import OBJECTIVES
from bench.run.one_job import TIES_MATTER, _ties


class Table(nn.Module):
    """Gives the row of a table of logits whose number is the input."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.logits[rows.long()]


def evaluated(logits: torch.Tensor, labels: torch.Tensor) -> Evaluation:
    rows = torch.arange(len(labels))
    return evaluate(Table(logits), TinyExamples(rows, labels))


class Sized(nn.Module):
    """Notes how many examples each pass has."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(tokens))
        return nn.functional.one_hot(tokens % 3, 3).double()


@pytest.mark.parametrize(
    ("length", "sizes"),
    [(5, [100, 50]), (20, [100, 50]), (21, [97, 53]), (1025, [1] * 150), (5000, [1] * 150)],
)
def test_long_texts_are_evaluated_few_at_a_time(length, sizes) -> None:
    tokens = torch.arange(150 * length).view(150, length) % 7
    model = Sized()
    found = evaluate(model, TinyExamples(tokens, tokens % 3), OBJECTIVES["language-model"])
    assert (model.sizes, found.examples) == (sizes, 150)
    assert found.loss == pytest.approx(math.log(math.e + 2) - 1)
    assert found.accuracy == 100


def slow(logits: list[list[float]], labels: list[int], first: int) -> float:
    """Percent of labels among the first so many classes of a stable sort, largest logit first."""
    hits = 0
    for row, label in zip(logits, labels, strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in order[:first]
    return 100 * hits / len(labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("values", [1, 2, 3, 50])
def test_top_1_and_top_5_are_those_of_a_stable_sort(values, dtype) -> None:
    """Few distinct values: up to all ten logits are equal."""
    generator = torch.Generator().manual_seed(values)
    logits = torch.randint(values, (731, 10), generator=generator).to(dtype)
    labels = torch.randint(10, (731,), generator=generator)
    found = evaluated(logits, labels)
    assert found.accuracy == pytest.approx(slow(logits.tolist(), labels.tolist(), 1))
    assert found.top5 == pytest.approx(slow(logits.tolist(), labels.tolist(), 5))
    assert found.accuracy == pytest.approx(
        100 * float((logits.argmax(1) == labels).double().mean())
    )


def test_fewer_than_five_classes_are_all_among_the_first_five() -> None:
    found = evaluated(torch.zeros(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert (found.accuracy, found.top5) == (pytest.approx(100 / 3), 100)


def test_ties_are_counted_with_what_other_rules_would_make_of_them() -> None:
    logits = torch.tensor(
        [
            [1.0, 1.0, 0.0],  # tied, label among the tied: right by the lowest index
            [1.0, 1.0, 0.0],  # tied, label among the tied: wrong
            [0.0, 1.0, 1.0],  # tied, label elsewhere: wrong by any rule
            [0.0, 0.0, 2.0],  # equal, but not the largest: no tie
            [3.0, 0.0, 0.0],
        ]
    )
    found = evaluated(logits, torch.tensor([0, 1, 0, 2, 1]))
    assert found.tied == 3
    assert (found.tied_lost, found.accuracy, found.tied_won) == (20, 40, 60)


@pytest.mark.parametrize(("tied", "said"), [(10, False), (11, True), (400, True)])
def test_a_note_says_where_ties_matter(tied, said) -> None:
    """Of 10,000 images: 10 are 0.1 points."""
    logits = torch.tensor([[1.0, 0.0]]).repeat(10000, 1)
    logits[:tied] = 1.0
    found = evaluated(logits, torch.ones(10000, dtype=torch.long))
    notes = _ties(found)
    assert bool(notes) == said == (found.tied_won - found.tied_lost > TIES_MATTER)
    assert all(f"{tied:,} of 10,000 predictions are ties" in note for note in notes)


def test_a_logit_that_is_nan_is_never_right() -> None:
    logits = torch.tensor([[float("nan"), 0.0], [0.0, float("nan")], [1.0, 0.0]])
    assert ranks(logits, torch.tensor([0, 0, 0])).tolist() == [2, 2, 0]


def test_infinite_logits_have_their_order() -> None:
    inf = float("inf")
    logits = torch.tensor([[inf, inf, 0.0], [-inf, 0.0, -inf]])
    assert ranks(logits, torch.tensor([1, 2])).tolist() == [1, 2]


def test_negative_zero_ties_with_zero() -> None:
    assert ranks(torch.tensor([[0.0, -0.0], [-0.0, 0.0]]), torch.tensor([1, 1])).tolist() == [1, 1]
