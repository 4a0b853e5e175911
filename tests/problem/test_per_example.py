"""Gradients kept as factors are the same matrix as those kept whole."""

import pytest
import torch
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.problem.gradients.per_example import (
    DenseGradients,
    Gradients,
    JoinedGradients,
    OuterGradients,
)
from bench.problem.gradients.sweep import GRADIENTS_MEMORY, SweptGradients
from bench.problem.passes import Settings
from bench.problem.problem import Problem

M = 140  # more than one block of rows of the Gram matrix


def outer() -> OuterGradients:
    generator = torch.Generator().manual_seed(0)
    return OuterGradients(
        torch.randn(M, 5, generator=generator, dtype=torch.float64),
        torch.randn(M, 7, generator=generator, dtype=torch.float64),
    )


def dense() -> DenseGradients:
    generator = torch.Generator().manual_seed(1)
    return DenseGradients(torch.randn(M, 40, generator=generator, dtype=torch.float64))


JOINED = [JoinedGradients([outer()]), JoinedGradients([outer(), dense()])]


@pytest.mark.parametrize("rows", [outer(), dense(), *JOINED])
def test_every_operation_is_that_of_the_matrix(rows: Gradients) -> None:
    matrix = rows.dense()
    assert rows.shape == tuple(matrix.shape)
    assert rows.dtype == torch.float64
    for width in (1, 16, 10_000):
        torch.testing.assert_close(torch.cat(list(rows.columns(width)), dim=1), matrix)
    torch.testing.assert_close(rows.gram().tril(), (matrix @ matrix.T).tril())
    wide, tall = torch.randn(matrix.shape[1]).double(), torch.randn(M).double()
    torch.testing.assert_close(rows.times(wide), matrix @ wide)
    torch.testing.assert_close(rows.transposed_times(tall), matrix.T @ tall)


@pytest.mark.parametrize(
    ("width", "expected"),
    [(1, [3] * 5), (3, [3] * 5), (5, [3] * 5), (6, [6, 6, 3]), (14, [12, 3]), (99, [15])],
)
def test_columns_are_of_whole_units_within_the_width_or_of_one(width, expected) -> None:
    gradients = OuterGradients(torch.ones(2, 5), torch.ones(2, 3))
    assert [part.shape[1] for part in gradients.columns(width)] == expected


def test_outer_products_are_row_major() -> None:
    rows = OuterGradients(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0, 5.0]]))
    assert rows.dense().tolist() == [[3, 4, 5, 6, 8, 10]]


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_rows_of_a_problem_are_its_gradients(net, batch) -> None:
    problem = tiny_problem(net())
    rows = problem.gradients_by_layer(12, batch)
    torch.testing.assert_close(rows.dense(), problem.gradients(12, batch))
    kinds = [type(layer) for layer in rows.layers]
    assert (OuterGradients in kinds) == (batch == 1)
    assert (DenseGradients in kinds) == (batch > 1 or net is tiny_conv)
    assert problem._meter.spent.backward_passes == 24 * batch


def test_rows_outside_the_support_are_zero() -> None:
    problem = tiny_problem(tiny_mlp())
    half = problem.select(problem.weights, 0.5)
    moved = problem.at(problem.weights, half)
    removed = ~torch.cat([mask.flatten() for mask in half.values()])
    assert not moved.gradients_by_layer(10).dense()[:, removed].any()


@pytest.mark.parametrize(("net", "floats"), [(tiny_mlp, 11 + 9 + 7), (tiny_conv, 54 + 108 + 19)])
def test_rows_are_swept_where_they_take_more_than_their_memory(net, floats) -> None:
    """A row of a linear layer is in + out numbers of 8 bytes, of a convolution all of them."""
    kept = tiny_problem(net())
    for spare, swept in ((0, False), (-1, True)):
        settings = Settings(gradients_memory=8 * floats * 12 + spare)
        problem = Problem(kept._model, kept._prunable, kept._calibration, kept.target, settings)
        assert isinstance(problem.gradients_by_layer(12), SweptGradients) == swept


def test_a_job_keeps_up_to_eight_gibibytes_of_gradients() -> None:
    """As the README says; rows that are swept are made when they are used, so none are here."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 10_000, 6), torch.nn.Conv2d(10_000, 72, 1), torch.nn.Flatten()
    )
    problem = tiny_problem(net, count=800)
    assert GRADIENTS_MEMORY == 8 * 2**30
    assert isinstance(problem.gradients_by_layer(2**33 // (2 * 8 * 720_000) + 1), SweptGradients)
