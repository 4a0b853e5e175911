"""Every kind of layer: gradients are torch.func's, and columns times the weight are its output."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.layer_types import LAYERS
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.grad import conv2d_weight

from bench.common.errors import Skip
from bench.problem.gradients.layers import columns, convolution_gradients
from bench.problem.gradients.watch import layer_inputs, layer_positions, signals

# Torch says once that it may copy the input of such a layer.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")

EXAMPLES = 3
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def example_inputs(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(EXAMPLES, *shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def twice(layer: nn.Module) -> nn.Module:
    """The layer on its input, and again on a smooth function of it."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) + self.layer(torch.sin(2 * x)).square()

    return Twice()


def tied(layer: nn.Module) -> nn.Module:
    """The layer and a second one with the same weight and a bias of its own."""

    class TwoLayers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.other = layer, copy.deepcopy(layer)
            self.other.weight = layer.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) * self.other(torch.sin(2 * x))

    return TwoLayers()


USES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "once": nn.Sequential,
    "twice": twice,
    "tied": tied,
}


def network(name: str, use: str) -> tuple[nn.Module, str, Tensor]:
    """A network with three logits around the layer, the layer's name, and some inputs."""
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    inner = USES[use](make()).double()
    inputs = example_inputs(shape)
    wide = inner(inputs).flatten(1).shape[1]
    net = nn.Sequential(inner, nn.Tanh(), nn.Flatten(), nn.Linear(wide, 3)).double()
    return net.requires_grad_(False), "0.0" if use == "once" else "0.layer", inputs


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_torch_func(name, use) -> None:
    net, layer, inputs = network(name, use)
    labels = torch.arange(EXAMPLES) % 3
    weight = net.get_parameter(f"{layer}.weight")

    def loss(value: Tensor, one: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(net, {f"{layer}.weight": value}, (one[None],))
        return F.cross_entropy(logits, label[None])

    expected = vmap(grad(loss), in_dims=(None, 0, 0))(weight, inputs, labels).flatten(1)
    signal = signals(net, [layer], inputs, labels)[layer]
    torch.testing.assert_close(signal.gradients(), expected, **CLOSE)
    products = (signal.output_gradients @ signal.inputs.mT).flatten(1)
    torch.testing.assert_close(products, expected, **CLOSE)
    sums = torch.stack([expected[0] + expected[1], expected[2]])
    torch.testing.assert_close(signal.sums([2, 1]), sums, **CLOSE)
    torch.testing.assert_close(layer_inputs(net, [layer], inputs)[layer], signal.inputs, **CLOSE)


def product(layer: nn.Module, given: Tensor) -> Tensor:
    """The flattened weight times the columns, group by group: [n, out, positions]."""
    found, weight = columns(layer, given), layer.weight.flatten(1)
    if found.dim() == 3:
        return weight @ found
    groups = zip(weight.chunk(found.shape[1]), found.unbind(1), strict=True)
    return torch.cat([rows @ own for rows, own in groups], dim=1)


@pytest.mark.parametrize("name", LAYERS)
def test_the_weight_times_the_columns_is_the_output(name) -> None:
    make, shape = LAYERS[name]
    layer, given = make().double(), example_inputs(shape)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    output = layer(given)
    if isinstance(layer, nn.Linear):
        expected = output.reshape(EXAMPLES, -1, output.shape[-1]).mT
    else:
        expected = output.flatten(2)
    torch.testing.assert_close(product(layer, given), expected, **CLOSE)


@pytest.mark.parametrize(
    ("layer", "given", "named"),
    [
        (nn.ConvTranspose2d(2, 3, 3), torch.zeros(1, 2, 4, 4), r"ConvTranspose2d\(2, 3"),
        (nn.Embedding(5, 3), torch.zeros(1, 4), r"Embedding\(5, 3\)"),
        (nn.LayerNorm([2, 3]), torch.zeros(1, 2, 3), "LayerNorm"),
        (nn.Bilinear(2, 2, 3), torch.zeros(1, 2), "Bilinear"),
        (nn.Linear(4, 3), torch.zeros(4), r"Linear.* on inputs \[4\]"),
        (nn.Conv2d(2, 3, 3), torch.zeros(2, 4, 4), r"Conv2d.* on inputs \[2, 4, 4\]"),
    ],
)
def test_what_is_no_such_layer_is_a_skip(layer, given, named) -> None:
    with pytest.raises(Skip, match=f"per-example gradients of {named}.* are not supported: those"):
        columns(layer, given)


def test_a_weight_shared_by_different_groups_has_gradients_and_no_one_matrix_of_inputs() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(2, 4, 3), nn.Conv1d(4, 4, 3, groups=2)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(x))).flatten(1)[:, :3]

    torch.manual_seed(0)
    net, inputs = Grouped().double(), example_inputs((2, 7))
    labels = torch.arange(EXAMPLES)
    signal = signals(net, ["a"], inputs, labels)["a"]
    for row, one, label in zip(signal.gradients(), inputs, labels, strict=True):
        loss = F.cross_entropy(net(one[None]), label[None])
        torch.testing.assert_close(
            row, torch.autograd.grad(loss, net.a.weight)[0].flatten(), **CLOSE
        )
    with pytest.raises(Skip, match="share a weight use it in different groups"):
        _ = signal.inputs
    with pytest.raises(Skip, match="share a weight use it in different groups"):
        layer_inputs(net, ["a"], inputs)


RESNET20 = [
    (nn.Conv2d(3, 16, 3, padding=1, bias=False), (3, 32, 32)),
    (nn.Conv2d(16, 32, 3, 2, padding=1, bias=False), (16, 32, 32)),
    (nn.Conv2d(16, 32, 1, 2, bias=False), (16, 32, 32)),
    (nn.Conv2d(32, 32, 3, padding=1, bias=False), (32, 16, 16)),
    (nn.Conv2d(8, 16, 3, 2, padding=1, groups=8, bias=False), (8, 16, 16)),
]


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("layer", "shape"), RESNET20, ids=str)
def test_convolutions_with_zeros_around_have_the_bits_of_earlier_records(
    layer, shape, form
) -> None:
    """One grouped convolution that pads by itself, on inputs as they come."""
    given = example_inputs(shape, torch.float32).contiguous(memory_format=form)
    delta = torch.randn(layer(given).shape).contiguous(memory_format=form)
    out, *rest = layer.weight.shape
    expected = conv2d_weight(
        given.flatten(0, 1).unsqueeze(0),
        (EXAMPLES * out, *rest),
        delta.flatten(0, 1).unsqueeze(0),
        layer.stride,
        layer.padding,
        layer.dilation,
        groups=EXAMPLES * layer.groups,
    )
    found = convolution_gradients(layer, given, delta)
    assert torch.equal(found, expected.reshape(EXAMPLES, -1))


class Flattening(nn.Module):
    """Calls its layer on all positions of all examples in one dimension, as OPT does."""

    def __init__(self, flat: bool) -> None:
        super().__init__()
        self.layer, self.flat = nn.Linear(4, 5), flat

    def forward(self, x: Tensor) -> Tensor:
        given = x.flatten(0, 1) if self.flat else x
        return self.layer(given).view(*x.shape[:2], 5).tanh().sum(1)


@pytest.mark.parametrize("examples", [1, 3])
def test_flattened_positions_are_those_of_a_sequence(examples) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(examples, 6, 4)
    labels = torch.arange(examples)
    plain, flat = Flattening(False), Flattening(True)
    flat.load_state_dict(plain.state_dict())
    one, other = (signals(m, ["layer"], inputs, labels)["layer"] for m in (plain, flat))
    assert other.inputs.shape == (examples, 4, 6)
    assert torch.equal(one.inputs, other.inputs)
    assert torch.equal(one.output_gradients, other.output_gradients)
    assert torch.equal(one.gradients(), other.gradients())
    assert torch.equal(one.sums([examples]), other.sums([examples]))
    columns_of = (layer_inputs(m, ["layer"], inputs)["layer"] for m in (plain, flat))
    assert torch.equal(*columns_of)
    counts = [layer_positions(m, ["layer"], inputs[:1])["layer"] for m in (plain, flat)]
    assert counts == [6, 6]
