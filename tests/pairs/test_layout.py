"""Memory layout is an internal matter: it makes convolutions fast, and nothing else notices it."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from support.tiny import PLENTY
from support.toys import CHANNELS, NETS, Flattening, Viewing, pair, split
from torch import Tensor, nn

from bench.common.errors import UserError
from bench.common.layout import fitting_layout, laid_out, own_memory
from bench.jobs.budget import Meter
from bench.jobs.recipe import Recipe
from bench.pairs.mlpnet import MLPNet
from bench.pairs.mobilenetv1 import MobileNetV1
from bench.pairs.preparing.prepare import prepare
from bench.pairs.resnet_cifar import ResNet20
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.problem.selection import keep_largest, select
from bench.problem.training.loop import Sparsifier, Training
from datasets.inputs.images import Images, Normalisation, crop_flip
from methods import METHODS, build

CPU = torch.device("cpu")
PLAIN, LAST = torch.contiguous_format, torch.channels_last
TRAINING = [name for name, method in METHODS.items() if "sparse-training" in method.protocols()]


def images(layout: torch.memory_format = PLAIN) -> Images:
    half = Normalisation((0.5,) * CHANNELS, (0.5,) * CHANNELS)
    return laid_out(Images(split(64), half, CPU), layout)


class Forward(nn.Module):
    """A convolution, then what the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(CHANNELS, 4, 3), nn.Linear(144, 4)


class Strided(Forward):
    """Reads memory as if it were in row-major order."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs).relu()
        return self.last(hidden.as_strided((len(hidden), 144), (144, 1)))


class ViewsInTraining(Forward):
    """Calls `view` in training alone."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        return self.last(hidden.view(len(hidden), -1) if self.training else hidden.flatten(1))


class Squared(torch.autograd.Function):
    """Squares, with a backward pass that calls `view`."""

    @staticmethod
    def forward(context, inputs: Tensor) -> Tensor:
        context.save_for_backward(inputs)
        return inputs.square()

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (inputs,) = context.saved_tensors
        return (2 * inputs.reshape(-1) * gradient.view(-1)).view(inputs.shape)


class ViewsBackward(Forward):
    """Calls `view` in the backward pass alone."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(Squared.apply(self.first(inputs)).relu().flatten(1))


FITTING = {
    Flattening: LAST,
    NETS["tied"]: LAST,
    NETS["channels last"]: LAST,
    Viewing: PLAIN,
    NETS["particular"]: PLAIN,
    NETS["conv3d"]: PLAIN,
    NETS["conv1d"]: PLAIN,
    Strided: PLAIN,
    ViewsInTraining: PLAIN,
    ViewsBackward: PLAIN,
}


@pytest.mark.parametrize("net", FITTING, ids=lambda net: net.__name__)
def test_a_model_gets_the_layout_that_it_takes(net) -> None:
    torch.manual_seed(0)
    model = net()
    state = torch.get_rng_state()
    before = copy.deepcopy(model.state_dict())
    inputs, _ = images().batch(torch.arange(2))
    assert fitting_layout(model, inputs) is FITTING[net]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and model.training


def test_built_in_convolutions_keep_the_fast_layout() -> None:
    for net, size in ((ResNet20, 32), (MobileNetV1, 64)):
        torch.manual_seed(0)
        assert fitting_layout(net(), torch.randn(2, 3, size, size)) is LAST
    assert fitting_layout(MLPNet(), torch.randn(2, 1, 28, 28)) is PLAIN


def test_images_are_the_same_in_every_layout() -> None:
    positions = torch.arange(5)
    for augmentation in (None, crop_flip):
        batches = [
            images(layout).batch(positions, augmentation, torch.Generator().manual_seed(0))[0]
            for layout in (PLAIN, LAST)
        ]
        assert torch.equal(*batches)
        assert batches[0].is_contiguous() and not batches[1].is_contiguous()
        assert batches[1].is_contiguous(memory_format=LAST)


def test_what_a_method_is_handed_is_in_row_major_order() -> None:
    model = Flattening().eval().requires_grad_(False)
    prunable = {"first.weight": "first", "last.weight": "last"}
    target, meter = Target(0.5, "global"), Meter(PLENTY)
    data = [Calibration(images(layout), 0, meter) for layout in (PLAIN, LAST)]
    found = [Problem(model, prunable, one, target) for one in data]
    one, other = (problem.examples(7)[0] for problem in found)
    assert torch.equal(one, other) and other.is_contiguous()
    one, other = (next(problem.inputs(7))["first.weight"] for problem in found)
    assert torch.equal(one, other) and other.is_contiguous()
    assert all(weight.is_contiguous() for weight in found[1].weights.values())


class Contiguous(Sparsifier):
    """Finds all weights, masks, gradients and momenta in row-major order at every step."""

    steps = 0

    def before_step(self, training: Training) -> None:
        if training.step == 1:
            training.set_masks({n: w != w.min() for n, w in training.parameters.items()})
        tensors = [*training.model.state_dict().values(), *(training.masks or {}).values()]
        for parameter in training.model.parameters():
            tensors += [v for v in training.optimizer.state[parameter].values() if v is not None]
        assert all(tensor.is_contiguous() for tensor in tensors)
        self.steps += 1

    def on_gradients(self, training: Training) -> None:
        assert all(p.grad.is_contiguous() for p in training.model.parameters())


@pytest.mark.parametrize("net", [Flattening, NETS["tied"], NETS["grey"]])
def test_a_training_shows_no_layout(net) -> None:
    torch.manual_seed(0)
    model = net()
    recipe = Recipe(epochs=2, batch=16, learning_rate=0.05)
    seen = Contiguous()
    prunable = {"first.weight": "first"}
    generator = torch.Generator().manual_seed(0)
    Training(model, prunable, images(LAST), recipe, generator).run(seen)
    assert seen.steps == 9
    assert all(tensor.is_contiguous() for tensor in model.state_dict().values())


@pytest.mark.parametrize("method", TRAINING)
def test_sparse_training_does_the_same_to_weights_in_any_layout(method) -> None:
    found = []
    for layout in (PLAIN, LAST):
        torch.manual_seed(0)
        model = Flattening().to(memory_format=layout)
        recipe = Recipe(epochs=4, batch=16, learning_rate=0.05)
        generator = torch.Generator().manual_seed(0)
        prunable = {"first.weight": "first", "last.weight": "last"}
        fields = {"interval": 2} if method in ("str", "rigl", "set") else {}
        run = Training(model, prunable, images(LAST), recipe, generator)
        run.run(build(method, fields).sparsifier(Target(0.5, "erk")))
        found.append({name: weight.detach() for name, weight in run.parameters.items()})
    one, other = found
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert sum(int((weight == 0).sum()) for weight in one.values()) == round(0.5 * (108 + 144))


@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_ties_go_by_row_major_index_in_any_layout(allocation) -> None:
    scores = torch.tensor([1.0, 2, 1, 1, 3, 1, 1, 1]).view(1, 2, 2, 2)
    expected = [False, True, False, False, True, True, True, True]
    for layout in (PLAIN, LAST):
        given = {"a": scores.contiguous(memory_format=layout)}
        within = {"a": torch.ones(1, 2, 2, 2).bool().contiguous(memory_format=layout)}
        for masks in (select(given, allocation, 3 / 8), select(given, allocation, 3 / 8, within)):
            assert masks["a"].flatten().tolist() == expected
    turned = scores.flatten().view(2, 4).t()
    mask = keep_largest(turned.reshape(-1), 3)
    assert mask.tolist() == [False, True, True, False, False, True, True, True]


def test_tensors_get_memory_of_their_own() -> None:
    model = nn.Linear(3, 3)
    model.register_buffer("wide", torch.ones(1).expand(4))
    model.register_buffer("turned", torch.arange(6.0).view(2, 3).t())
    model.bias = nn.Parameter(torch.zeros(1).expand(3))
    model.again = nn.Linear(3, 3)
    model.again.weight = model.weight
    before = copy.deepcopy(model.state_dict())
    assert own_memory(model) is model
    assert model.again.weight is model.weight
    for name, tensor in model.state_dict().items():
        assert tensor.is_contiguous() and torch.equal(tensor, before[name])
    model.load_state_dict({name: tensor + 1 for name, tensor in before.items()})
    assert model.wide.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    "view",
    [lambda w: w.data, lambda w: w.data.t(), lambda w: w.data[2:3], lambda w: w.data[:, 1]],
    ids=["whole", "transposed", "row", "column"],
)
def test_two_parameters_in_one_memory_are_refused(view) -> None:
    model = nn.Linear(4, 4)
    model.second = nn.Parameter(view(model.weight))
    with pytest.raises(UserError, match="parameters weight and second lie in the same memory"):
        own_memory(model)


def test_parts_of_one_memory_that_do_not_overlap_are_fine() -> None:
    flat, model = torch.zeros(4, 6), nn.Module()
    for number, part in enumerate(flat.chunk(3, dim=1)):
        model.register_parameter(str(number), nn.Parameter(part))
    own_memory(model)
    assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_dense_weights_do_not_depend_on_the_layout(toys, monkeypatch) -> None:
    def built(number: int):
        named = dataclasses.replace(pair(Flattening), name=f"toy {number}")
        return prepare(named, CPU)

    fast = built(0)
    monkeypatch.setattr("bench.pairs.preparing.fitting.fitting_layout", lambda *_: PLAIN)
    slow = built(1)
    assert (fast.train.layout, slow.train.layout) == (LAST, PLAIN)
    state = slow.model.state_dict()
    for name, value in fast.model.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5)


def test_dropout_is_no_reason_for_the_plain_layout() -> None:
    class Dropping(Flattening):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(F.dropout(inputs, 0.5, self.training))

    assert fitting_layout(Dropping(), images().batch(torch.arange(2))[0]) is LAST
