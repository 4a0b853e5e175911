"""Networks in half precision: curvature is computed in single and double, and rounded once."""

import pytest
import torch
import torch.nn.functional as F
from support.own_pairs import job_of, own, ready
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.pairs import PAIRS
from bench.pairs.mlpnet import MLPNet
from bench.pairs.preparing.precision import input_dtype, rounded
from bench.pairs.preparing.prepare import prepare
from bench.run.one_job import run_job

__all__ = ["own"]

FIELDS = {
    "woodfisher": {"samples": 100, "damping": 1e-5},
    "ekfac": {"samples": 100, "damping": 1e-5},
    "l-obs": {"samples": 100, "damping": 1e-5},
    "kfac": {"samples": 100, "damping": 1e-5},
    "obd": {"samples": 100},
    "cbs": {"samples": 100},
    "magnitude": {},
}


class InHalf(MLPNet):
    """Converts in its own forward pass, so that no copy of it runs in single precision."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.half())


@pytest.fixture(scope="module")
def trained() -> dict[str, Tensor]:
    """The suite's own weights for small MNIST."""
    pair = PAIRS["mlpnet-mnist5k"]
    dense = prepare(pair, torch.device("cpu"))
    return {name: tensor.clone() for name, tensor in dense.model.state_dict().items()}


def pruned(pair, method: str, sparsity: float = 0.9):
    job = job_of(method, sparsity, fields=FIELDS[method])
    record = run_job(job, ready(pair), "study", method)
    assert record.status == "ok", record.reason
    return record


@pytest.mark.parametrize("method", FIELDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_loses_the_weights_that_it_loses_in_single(
    method, dtype, trained, own
) -> None:
    """The same numbers, rounded beforehand, pruned as a network in single precision."""
    halved = {name: tensor.to(dtype) for name, tensor in trained.items()}
    single = {name: tensor.float() for name, tensor in halved.items()}
    half = own(lambda: MLPNet().to(dtype), state=halved, prunable=r"fc\d\.weight")
    full = own(MLPNet, state=single, prunable=r"fc\d\.weight")
    one, other = pruned(half, method), pruned(full, method)
    assert one.mask_sha256 == other.mask_sha256
    assert one.nonzero == other.nonzero == round(0.1 * 32360)
    # Rounding what is left once: bfloat16 keeps two to three digits.
    assert one.accuracy == pytest.approx(other.accuracy, abs=1.5)


@pytest.mark.parametrize("method", ["woodfisher", "ekfac", "l-obs"])
def test_a_network_that_insists_on_half_precision_is_pruned_nearly_as_well(
    method, trained, own
) -> None:
    halved = {name: tensor.half() for name, tensor in trained.items()}
    half = own(lambda: InHalf().half(), state=halved, prunable=r"fc\d\.weight")
    full = own(MLPNet, state=trained, prunable=r"fc\d\.weight")
    accuracies = [pruned(pair, method).accuracy for pair in (half, full)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=1.5)
    assert accuracies[0] > 60


def test_a_network_in_double_precision_runs(trained, own) -> None:
    doubled = {name: tensor.double() for name, tensor in trained.items()}
    double = own(lambda: MLPNet().double(), state=doubled, prunable=r"fc\d\.weight")
    full = own(MLPNet, state=trained, prunable=r"fc\d\.weight")
    assert pruned(double, "woodfisher").accuracy == pytest.approx(
        pruned(full, "woodfisher").accuracy, abs=0.3
    )


def test_inputs_come_in_the_type_that_the_network_takes() -> None:
    class Single(nn.Linear):
        """Keeps its weights in another type than it computes in."""

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight.float())

    mixed = nn.Sequential(nn.Linear(3, 3).bfloat16(), nn.Linear(3, 3))
    cases = [
        *((nn.Linear(3, 3).to(dtype), dtype) for dtype in (torch.bfloat16, torch.float64)),
        *((net, torch.float32) for net in (nn.Linear(3, 3), Single(3, 3).bfloat16(), mixed)),
    ]
    for net, expected in cases:
        assert input_dtype(net, torch.ones(2, 3)) == expected


def test_rounding_makes_no_zeros_and_no_infinities() -> None:
    like = {"w": torch.ones(4, dtype=torch.float16)}
    found = {"w": torch.tensor([1e-12, -1e-12, 0.0, 0.1])}
    left = rounded(found, like)["w"]
    assert left.dtype == torch.float16
    assert (left != 0).tolist() == [True, True, False, True]
    assert left.sign().tolist() == [1, -1, 0, 1]
    with pytest.raises(MethodError, match="beyond the range of torch.float16"):
        rounded({"w": torch.tensor([1e6, 0, 0, 0])}, like)


def test_mixed_precision_keeps_each_layer_s_own(trained, own) -> None:
    class Mixed(MLPNet):
        def __init__(self) -> None:
            super().__init__()
            self.fc2.to(torch.bfloat16)

        def forward(self, x: Tensor) -> Tensor:
            x = self.fc1(x.flatten(1)).relu()
            x = self.fc2(x.to(self.fc2.weight.dtype)).relu()
            return self.fc3(x.to(self.fc3.weight.dtype))

    assert isinstance(Mixed().fc2, nn.Linear)
    state = trained | {"fc2.weight": trained["fc2.weight"].to(torch.bfloat16)}
    record = pruned(own(Mixed, state=state, prunable=r"fc\d\.weight"), "woodfisher")
    full = own(MLPNet, state=trained, prunable=r"fc\d\.weight")
    assert record.accuracy == pytest.approx(pruned(full, "woodfisher").accuracy, abs=1.5)
