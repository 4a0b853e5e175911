"""Kernels of supports against dense algebra, computed anew and from the support before."""

import pytest
import torch
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.problem.gradients.per_example import DenseGradients
from methods.curvature import kernel as kernel_module
from methods.curvature.kernel import SupportKernel, support_gram
from methods.curvature.low_rank import ridge

SAMPLES = 20


def support(size, kept, seed=0):
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return torch.zeros(size, dtype=torch.bool).index_fill(0, order[:kept], True)


def dense(gradients, keep):
    columns = gradients.dense()[:, keep]
    return (columns @ columns.T).tril()


@pytest.fixture
def multiplied(monkeypatch):
    """The numbers of columns of which kernels are computed."""
    widths = []
    gram = DenseGradients.gram

    def noted(self):
        widths.append(self.shape[1])
        return gram(self)

    monkeypatch.setattr(DenseGradients, "gram", noted)
    return widths


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_kernel_of_a_support(net, factored, share) -> None:
    gradients = tiny_problem(net()).gradients_by_layer(SAMPLES)
    if not factored:
        gradients = DenseGradients(gradients.dense())
    keep = support(gradients.shape[1], round(share * gradients.shape[1]))
    found = support_gram(gradients, keep).tril()
    torch.testing.assert_close(found, dense(gradients, keep), rtol=1e-9, atol=1e-12)


def test_all_minus_the_others_only_where_all_are_cheap(multiplied) -> None:
    """6-5-4-3: 62 columns, or 11 + 9 + 7 = 27 of the factors; a matrix gains nothing by it."""
    factored = tiny_problem(tiny_mlp()).gradients_by_layer(SAMPLES)
    matrix = DenseGradients(factored.dense())
    assert (factored.gram_columns, matrix.gram_columns) == (27, 62)
    for gradients, kept, width in (
        (factored, 60, 2),
        (factored, 45, 17),  # 27 + 17 < 45
        (factored, 44, 44),
        (matrix, 60, 60),
        (matrix, 10, 10),
    ):
        multiplied.clear()
        support_gram(gradients, support(62, kept))
        assert multiplied == [width]


def test_a_kernel_follows_its_support(multiplied) -> None:
    """A walk over supports: what enters is added, what leaves is subtracted, if that is less."""
    gradients = DenseGradients(tiny_problem(tiny_mlp()).gradients(SAMPLES))
    kernel = SupportKernel(gradients)
    keep = support(62, 30)
    walk = [(keep, [30]), (keep, [])]
    moved = keep.clone()
    moved[keep.nonzero()[:3]] = False
    walk.append((moved, [3]))
    wider = moved.clone()
    wider[(~moved).nonzero()[:5]] = True
    wider[moved.nonzero()[:2]] = False
    walk += [(wider, [5, 2]), (~wider, [int((~wider).sum())]), (keep, None)]
    for at, widths in walk:
        multiplied.clear()
        found = kernel.of(at).tril()
        assert widths is None or multiplied == widths
        torch.testing.assert_close(found, dense(gradients, at), rtol=1e-9, atol=1e-10)


def test_a_kernel_that_is_given_changes_no_solution(monkeypatch) -> None:
    """Each of several supports, wide and narrow, with one kernel for all of them and with none."""
    gradients = DenseGradients(tiny_problem(tiny_mlp()).gradients(SAMPLES))
    target = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(1)).double()
    kernel = SupportKernel(gradients)
    anew = []
    monkeypatch.setattr(
        kernel_module, "support_gram", lambda *given: anew.append(1) or support_gram(*given)
    )
    keep = support(62, 40)
    for step in range(6):
        keep = keep.clone()
        keep[step], keep[60 - step] = step % 2 > 0, step % 3 > 0
        found = ridge(gradients, 1e-2, target, keep, kernel)
        columns = gradients.dense()[:, keep]
        normal = columns.T @ columns + 1e-2 * SAMPLES * torch.eye(int(keep.sum()))
        expected = torch.linalg.solve(normal, columns.T @ target)
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    assert len(anew) == 1
