"""Renewed BatchNorm statistics are those of exactly the examples, each with the same weight."""

import copy

import pytest
import torch
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.pairs.batchnorm import recalibrate


def two(norm: type[nn.Module], shape: tuple[int, ...], **fields) -> tuple[nn.Module, Tensor]:
    """Two layers with an activation between them, and inputs [520, *shape] whose mean drifts."""
    torch.manual_seed(0)
    net = nn.Sequential(norm(shape[0], **fields), nn.Tanh(), norm(shape[0], **fields))
    for name, parameter in net.named_parameters():
        nn.init.normal_(parameter, mean=float(name.endswith("weight")))
    drift = torch.linspace(-3, 5, 520).view(-1, *(1 for _ in shape))
    inputs = torch.randn(520, *shape) * (1 + drift.abs()) + drift
    return net.eval(), inputs[torch.randperm(520)]


def once(norm: type[nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """One layer that stands in two places."""
    net, inputs = two(norm, shape)
    return nn.Sequential(net[0], nn.Tanh(), nn.Sequential(net[0])), inputs


KINDS = {
    "rows": lambda: two(nn.BatchNorm1d, (5,)),
    "sequences": lambda: two(nn.BatchNorm1d, (5, 4)),
    "images": lambda: two(nn.BatchNorm2d, (5, 3, 2)),
    "volumes": lambda: two(nn.BatchNorm3d, (5, 2, 2, 2)),
    "synchronised": lambda: two(nn.SyncBatchNorm, (5, 3, 2)),
    "not affine": lambda: two(nn.BatchNorm2d, (5, 2, 2), affine=False),
    "averaging": lambda: two(nn.BatchNorm1d, (5,), momentum=None),
    "shared": lambda: once(nn.BatchNorm2d, (5, 2, 2)),
}
SIZES = {
    252: [126, 126],
    251: [126, 125],
    250: [250],
    501: [167, 167, 167],
    500: [250, 250],
    2: [2],
}


def is_batchnorm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def pooled(net: nn.Module, batches: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Mean and unbiased variance of all that each layer is given, joined, in double precision."""
    net = copy.deepcopy(net).double().train()
    seen: dict[nn.Module, list[Tensor]] = {}

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.setdefault(module, []).append(given[0].transpose(0, 1).flatten(1))

    layers = list(filter(is_batchnorm, net.modules()))
    for layer in layers:
        layer.register_forward_pre_hook(note)
    with torch.no_grad():
        for batch in batches:
            net(batch.double())
    joined = [torch.cat(seen[layer], 1) for layer in layers]
    return [(values.mean(1), values.var(1)) for values in joined]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_example_weighs_the_same(kind, count) -> None:
    net, inputs = KINDS[kind]()
    batches = list(inputs[:count].split(SIZES[count]))
    momentum = net[0].momentum
    recalibrate(net, inputs[:count])
    layers = filter(is_batchnorm, net.modules())
    for layer, (mean, variance) in zip(layers, pooled(net, batches), strict=True):
        torch.testing.assert_close(layer.running_mean.double(), mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(layer.running_var.double(), variance, rtol=1e-5, atol=1e-6)
        assert layer.momentum == momentum and not layer.training


def test_one_batch_gives_the_bits_of_torch() -> None:
    for kind in ("rows", "images", "averaging"):
        net, inputs = KINDS[kind]()
        reference = copy.deepcopy(net).train()
        for layer in (reference[0], reference[2]):
            layer.momentum = 1.0
        with torch.no_grad():
            reference(inputs[:250])
        recalibrate(net, inputs[:250])
        for place in (0, 2):
            assert torch.equal(net[place].running_mean, reference[place].running_mean)
            assert torch.equal(net[place].running_var, reference[place].running_var)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_buffers_in_half_precision_are_rounded_once(dtype) -> None:
    _, inputs = two(nn.BatchNorm2d, (5, 3, 2))
    inputs, layer = inputs.to(dtype), nn.BatchNorm2d(5).to(dtype)
    recalibrate(nn.Sequential(layer), inputs[:252])
    values = inputs[:252].double().transpose(0, 1).flatten(1)
    assert torch.equal(layer.running_mean, values.mean(1).to(dtype))
    assert torch.equal(layer.running_var, values.var(1).to(dtype))


def test_a_large_mean_does_not_drown_the_variance() -> None:
    inputs = 1e4 + torch.randn(600, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    layer = nn.BatchNorm2d(3)
    recalibrate(nn.Sequential(layer), inputs)
    torch.testing.assert_close(layer.running_var, inputs.double().var((0, 2, 3)).float())


def test_layers_that_have_nothing_to_renew_are_left_alone() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
            self.without = nn.BatchNorm2d(3, track_running_stats=False)
            self.instance = nn.InstanceNorm2d(3, track_running_stats=True)
            for norm in (self.used, self.unused, self.instance):
                norm.running_mean.fill_(7)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.instance(self.without(self.used(inputs)))

    net = Net()
    recalibrate(net, torch.randn(260, 3, 2, 2))
    assert (net.unused.running_mean == 7).all() and (net.instance.running_mean == 7).all()
    assert net.unused.num_batches_tracked == 0 and net.without.running_mean is None
    assert (net.used.running_mean.abs() < 1).all()


def test_one_example_is_enough_where_it_has_several_values() -> None:
    layer, inputs = nn.BatchNorm2d(3), torch.randn(1, 3, 4, 5)
    recalibrate(nn.Sequential(layer), inputs)
    torch.testing.assert_close(layer.running_var, inputs[0].flatten(1).var(1))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)])
def test_a_single_value_is_refused_by_the_layers_name(shape) -> None:
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    net = nn.Sequential(nn.Identity(), norm(3))
    with pytest.raises(MethodError, match="renewed on one example: layer 1 gets a single value"):
        recalibrate(net, torch.randn(shape))
    assert net[1].momentum == 0.1 and not net[1].training and not net[1]._forward_pre_hooks
