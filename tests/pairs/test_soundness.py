"""A model whose gradients or outputs would be wrong is refused by name, or its numbers are right.

The right gradients are those of one plain backward pass for each example.
"""

import random
import re
import warnings
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from support.own_pairs import ConvNet, Net, job_of, own, ready
from support.tiny import TinyExamples, slow_gradients, tiny_problem
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from bench.common.errors import UserError
from bench.pairs.preparing.identity import pair_sha256
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem
from bench.run.one_job import run_job
from datasets.inputs.images import Normalisation
from methods.curvature.diagonals import fisher_diagonal
from methods.kfac import KFAC

__all__ = ["own"]


class Functional(Net):
    """Uses the weight of a layer once more, outside of it."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.b(F.relu(self.a(x.flatten(1)))))
        return self.c(F.relu(F.linear(x, self.b.weight)))


class FunctionalOnly(Net):
    """Never calls the layer whose weight it uses."""

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(F.linear(F.relu(self.a(x.flatten(1))), self.b.weight, self.b.bias)))


class Standardised(nn.Conv2d):
    """Weight standardisation (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.flatten(1).std(1).view(-1, 1, 1, 1) + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class PadsInside(nn.Conv2d):
    """A convolution that pads its input itself."""

    def __init__(self, given: int, out: int, kernel: int, **_: int) -> None:
        super().__init__(given, out, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 1)))


class Scaled(nn.Linear):
    """A linear layer with its weight scaled on the way, as equalised learning rates have it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * 3, self.bias)


class WithScaled(Net):
    def __init__(self) -> None:
        super().__init__()
        self.b = Scaled(40, 40)


class ChangesInput(Net):
    """Overwrites what a layer was given after the layer used it."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.a(x.flatten(1)))
        out = self.b(hidden)
        hidden.mul_(2)
        return self.c(F.relu(out + hidden))


class ChangesData(Net):
    """The same behind autograd's back."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.a(x.flatten(1)))
        out = self.b(hidden)
        hidden.data.mul_(2)
        return self.c(F.relu(out + hidden.detach()))


class ExamplesLast(Net):
    """Puts another dimension first."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x.flatten(1)))
        return self.c(F.relu(self.b(x.repeat(3, 1))).view(3, -1, 40).mean(0))


class Halved(Net):
    """Takes two examples as one."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x.flatten(1)))
        joined = self.b(x.view(-1, 2, 40) if len(x) % 2 == 0 else x[:, None])
        return self.c(F.relu(joined).reshape(-1, 40))


class Auxiliary(Net):
    """Has a head that evaluation doesn't use."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(40, 10)


class CallsForward(Net):
    """Passes by the call of a layer, where hooks are."""

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(self.b.forward(F.relu(self.a(x.flatten(1))))))


class Normalises(nn.Linear):
    """Does something to its input inside."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.layer_norm(x, x.shape[-1:]))


class WithNormalises(Net):
    def __init__(self) -> None:
        super().__init__()
        self.b = Normalises(40, 40)


REFUSED_LAYERS = {
    "functional reuse": (Functional, r"the layer b "),
    "functional use alone": (FunctionalOnly, r"layer b is never called"),
    "standardised": (lambda: ConvNet(Standardised), r"the layer b "),
    "padded inside": (lambda: ConvNet(PadsInside), r"the layer b "),
    "scaled": (WithScaled, r"the layer b .*off autograd"),
    "input changed": (ChangesInput, r"autograd can't differentiate|the layer b "),
    "input changed behind autograd": (ChangesData, r"the layer b "),
    "examples not first": (ExamplesLast, r"the layer b .*off autograd"),
    "examples joined": (Halved, r"the layer b .*first dimension"),
    "forward called": (CallsForward, r"layer b is never called"),
    "input normalised inside": (WithNormalises, r"the layer b .*off autograd"),
    "auxiliary head": (Auxiliary, r"aux.weight is prunable but takes no part"),
}


@pytest.mark.parametrize("name", REFUSED_LAYERS)
def test_a_layer_with_wrong_gradients_is_refused_by_name(name, own) -> None:
    build, message = REFUSED_LAYERS[name]
    with pytest.raises(UserError, match=message):
        ready(own(build))


def test_such_a_layer_may_be_there_outside_of_the_rule(own) -> None:
    ready(own(lambda: ConvNet(Standardised), prunable=r"[ac]\.weight"))
    ready(own(Auxiliary, prunable=r"[abc]\.weight"))


class AlwaysDrops(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.dropout(x, 0.5))


class StaysInTraining(nn.Dropout):
    def train(self, mode: bool = True) -> "StaysInTraining":
        return super().train(True)


class Stays(Net):
    def __init__(self) -> None:
        super().__init__()
        self.drop = StaysInTraining()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.drop(x))


class Noisy(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.randn_like(x) * 1e-9)


class BatchStatistics(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.a, self.norm, self.c = nn.Conv2d(1, 4, 3, stride=4), norm, nn.Linear(4 * 49, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.norm(self.a(x)).flatten(1))


class Centred(Net):
    """Subtracts the mean over the batch."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits - logits.mean(0)


class Counting(Net):
    """Counts its calls in a buffer that its output depends on later."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class Squeezing(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


class PythonNoise(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * random.random()


REFUSED_MODELS = {
    "dropout always on": (AlwaysDrops, "two runs in evaluation mode differ"),
    "stays in training mode": (Stays, r"drop \(StaysInTraining\) stays in training mode"),
    "noise too small to see": (Noisy, "draw random numbers"),
    "BatchNorm without statistics": (
        lambda: BatchStatistics(nn.BatchNorm2d(4, track_running_stats=False)),
        r"norm \(BatchNorm2d\) normalise by the batch itself",
    ),
    "centred over the batch": (Centred, "depends on the others in its batch"),
    "counts": (Counting, "changes calls"),
    "squeezes": (Squeezing, r"for one example alone it returns \[10\]"),
    "random in Python": (PythonNoise, "two runs in evaluation mode differ"),
}


@pytest.mark.parametrize("name", REFUSED_MODELS)
def test_a_model_whose_outputs_depend_on_more_than_the_example_is_refused(name, own) -> None:
    build, message = REFUSED_MODELS[name]
    with pytest.raises(UserError, match=message):
        ready(own(build, prunable=r"[abc]\.weight"))


def test_batchnorm_with_statistics_is_fine(own) -> None:
    ready(own(lambda: BatchStatistics(nn.BatchNorm2d(4)), prunable=r"[ac]\.weight"))


class Returns(Net):
    def __init__(self, form) -> None:
        super().__init__()
        self.form = form

    def forward(self, x: Tensor):
        return self.form(super().forward(x))


OUTPUTS = {
    "a tuple": (lambda y: (y, y), "it returns a tuple"),
    "a dict": (lambda y: {"logits": y, "aux": y}, "it returns a dict of logits, aux"),
    "three dimensions": (lambda y: y.unsqueeze(1), r"of shape \[2, 1, 10\]"),
    "one dimension": (lambda y: y.sum(1), r"of shape \[2\]"),
    "whole numbers": (lambda y: y.long(), "torch.int64"),
    "another number of classes": (lambda y: y[:, :7], "10 classes"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_are_no_logits_are_refused(name, own) -> None:
    form, message = OUTPUTS[name]
    with pytest.raises(UserError, match=message):
        ready(own(lambda: Returns(form)))


class Parts(NamedTuple):
    hidden: Tensor
    logits: Tensor


class InTraining(Net):
    """Has an auxiliary output in training mode."""

    def forward(self, x: Tensor) -> Any:
        logits = super().forward(x)
        return (logits, logits) if self.training else logits


SELECTED = {
    "of a tuple": (1, lambda y: (-y, y)),
    "the last of a tuple": (-1, lambda y: (-y, y)),
    "of a dict": ("logits", lambda y: {"aux": -y, "logits": y}),
    "of an object": ("logits", lambda y: Parts(-y, y)),
    "of a list": (0, lambda y: [y, -y]),
}


@pytest.mark.parametrize("name", SELECTED)
def test_the_output_of_a_pair_is_the_part_that_it_says(name, own) -> None:
    """Predictions, gradients and pruned weights are those of the network without other parts."""
    output, form = SELECTED[name]
    job = job_of("kfac", fields={"samples": 20})
    plain = run_job(job, ready(own(lambda: Returns(lambda y: y))), "study", "kfac")
    found = run_job(job, ready(own(lambda: Returns(form), output=output)), "study", "kfac")
    assert found.status == "ok", found.reason
    assert (found.mask_sha256, found.accuracy) == (plain.mask_sha256, plain.accuracy)


def test_a_part_that_there_is_in_training_alone_may_be_named(own) -> None:
    dense = ready(own(InTraining, output=0))
    inputs, _ = dense.test.batch(torch.arange(2))
    assert dense.model(inputs).shape == dense.model.train()(inputs).shape == (2, 10)


def test_a_part_makes_another_pair(own) -> None:
    pairs = [own(lambda: Returns(lambda y: (y, -y)), output=output) for output in (0, 1)]
    hashes = {pair_sha256(pair, pair.build()) for pair in pairs}
    assert len(hashes) == 2


NO_PART = {
    "beyond a tuple": (2, lambda y: (y, y), r"a tuple, has no part 2"),
    "not in a dict": ("logits", lambda y: {"a": y, "b": y}, r"a dict with a, b, has no part 'logi"),
    "not in an object": ("aux", lambda y: Parts(y, y), r"a Parts, has no part 'aux'"),
    "no tensor": (0, lambda y: [(y, y)], "it returns a tuple"),
}


@pytest.mark.parametrize("name", NO_PART)
def test_a_part_that_there_is_not_is_said(name, own) -> None:
    output, form, message = NO_PART[name]
    with pytest.raises(UserError, match=message):
        ready(own(lambda: Returns(form), output=output))


class Tied(nn.Module):
    """Two layers that share one weight, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6, bias=False), nn.Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.b(torch.tanh(self.a(x))))
        return self.c(torch.tanh(self.c(x) @ torch.ones(3, 6, dtype=x.dtype)))


class TiedConvolutions(nn.Module):
    """A convolution that is used three times, once with another layer's bias."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.b.weight = self.a.weight
        self.c = nn.Linear(2 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(torch.tanh(self.a(torch.tanh(self.a(x)))))).flatten(1))


class Sequence(nn.Module):
    """A linear layer on a sequence: one weight at six positions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(12, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.a(x.flatten(2).view(len(x), 6, 12))).mean(1))


def shared_problem(build, shape) -> Problem:
    torch.manual_seed(0)
    problem = tiny_problem(build())
    prunable = {n: n.rpartition(".")[0] for n, p in problem.model.named_parameters() if p.dim() > 1}
    inputs = torch.randn(40, *shape, dtype=torch.float64)
    examples = TinyExamples(inputs, torch.randint(3, (40,)))
    calibration = Calibration(examples, 0, problem._meter)
    return Problem(problem.model, prunable, calibration, problem.target)


NETS = {
    "tied and reused": (Tied, (6,)),
    "tied convolutions": (TiedConvolutions, (2, 6, 6)),
    "sequence": (Sequence, (2, 6, 6)),
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_are_summed_over_all_uses_of_a_weight(name) -> None:
    problem = shared_problem(*NETS[name])
    expected = slow_gradients(problem, 9)
    torch.testing.assert_close(problem.gradients(9), expected)
    torch.testing.assert_close(problem.gradients_by_layer(9).dense(), expected)
    torch.testing.assert_close(fisher_diagonal(problem, 9), expected.square().mean(0))
    product = problem.hessian_vector_product(torch.ones_like(expected[0]), 9)
    assert product.shape == expected[0].shape


@pytest.mark.parametrize("name", NETS)
def test_layer_statistics_are_over_all_uses(name) -> None:
    problem = shared_problem(*NETS[name])
    columns = next(problem.inputs(4))
    signals = next(problem.signals(4))
    for layer, signal in signals.items():
        torch.testing.assert_close(columns[layer], signal.inputs)
        assert signal.inputs.shape[2] == signal.output_gradients.shape[2]
    KFAC(samples=20, damping=1e-2).prune(problem)


def test_a_tied_weight_is_prunable_once(own) -> None:
    class Shared(Net):
        def __init__(self) -> None:
            super().__init__()
            self.d = nn.Linear(40, 40)
            self.d.weight = self.b.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.c(F.relu(self.d(F.relu(self.b(F.relu(self.a(x.flatten(1))))))))

    assert list(ready(own(Shared)).prunable) == ["a.weight", "b.weight", "c.weight"]
    assert list(ready(own(Shared, prunable=r"[cd]\.weight")).prunable) == ["c.weight", "d.weight"]


def test_hooks_of_a_model_s_own_are_no_fault_of_the_method(own) -> None:
    class Hooked(Net):
        def __init__(self) -> None:
            super().__init__()
            self.a.register_forward_hook(lambda _module, _given, output: output * 2)
            self.register_forward_pre_hook(lambda _module, given: given)

    record = run_job(job_of("magnitude"), ready(own(Hooked)), "study", "magnitude")
    assert record.status == "ok", record.reason


def test_parametrised_layers_are_refused(own) -> None:
    def weight_norm() -> Net:
        net = Net()
        parametrizations.weight_norm(net.b)
        return net

    def spectral_norm() -> Net:
        net = Net()
        parametrizations.spectral_norm(net.b)
        return net

    def masked() -> Net:
        net = Net()
        prune.identity(net.b, "weight")
        return net

    for build in (weight_norm, spectral_norm):
        with pytest.raises(UserError, match=r"parametrised|Nothing of the pair"):
            ready(own(build, prunable=r"b\..*"))
    with pytest.raises(UserError, match=r"b\.weight_orig.*hook"):
        ready(own(masked, prunable=r"b\.weight_orig"))


RULES = {
    "a bias as long as its weight": (r".*", r"can't prune a\.bias: its shape is \[40\]"),
    "nothing": (r"conv\d\.weight", r"Nothing of the pair own is prunable.*a\.weight"),
    "an attribute that isn't there": (r"fc\.weight", "Nothing of the pair"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_bad_rule_is_one_sentence(name, own) -> None:
    rule, message = RULES[name]
    with pytest.raises(UserError, match=message) as caught:
        ready(own(Net, prunable=rule))
    assert len(re.findall(r"\.(?:\s|$)", str(caught.value))) == 1


def test_a_frozen_weight_can_t_be_prunable(own) -> None:
    def frozen() -> Net:
        net = Net()
        net.a.requires_grad_(False)
        return net

    with pytest.raises(UserError, match=r"can't prune a\.weight: the model freezes it"):
        ready(own(frozen))
    ready(own(frozen, prunable=r"[bc]\.weight"))


SETTINGS = {
    "dense a path": (
        {"dense": "x.pth"},
        "dense must be PublishedWeights, SuppliedWeights, BuiltWeights or a Recipe",
    ),
    "no normalisation": ({"normalisation": 0.5}, "normalisation must be a Normalisation"),
    "rule not text": ({"prunable": ["a.weight"]}, "prunable must be a regular expression"),
    "rule no pattern": ({"prunable": "*.weight"}, "prunable must be a regular expression"),
    "accuracy a fraction of nothing": ({"dense_accuracy": "91"}, "dense_accuracy must be"),
    "model an instance of nothing": ({"model": 7}, "model must be a function or class"),
    "interpolation": ({"interpolation": "cubic"}, "interpolation must be one of"),
    "output": ({"output": 1.0}, "output must be the place or the name"),
    "slack": ({"slack": float("nan")}, "slack must be a finite number"),
    "slack a truth value": ({"slack": True}, "slack must be a finite number"),
    "slack below zero": ({"slack": -0.1}, "slack must be a finite number"),
    "accuracy above 100": ({"dense_accuracy": 101.0}, "dense_accuracy must be"),
    "accuracy infinite": ({"dense_accuracy": float("inf")}, "dense_accuracy must be"),
    "no deviation": ({"normalisation": Normalisation((0.1,), (0.0,))}, "std must be above 0"),
    "two means": ({"normalisation": Normalisation((0.1, 0.1), (0.3,))}, "2 means and 1 standard"),
    "a mean that is NaN": (
        {"normalisation": Normalisation((float("nan"),), (0.3,))},
        "mean must be a tuple of finite numbers",
    ),
    "name a path": ({"name": "../own"}, "name must be a name of letters"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_wrong_types_in_a_pair_are_one_sentence(name, own) -> None:
    changed, message = SETTINGS[name]
    with pytest.raises(UserError, match=message):
        ready(own(Net, **changed))


def test_all_mistakes_of_a_pair_are_said_at_once(own) -> None:
    with pytest.raises(UserError, match=r"dense must be .*; normalisation must be"):
        ready(own(Net, dense="x.pth", normalisation=(0.5, 0.5)))


def raising() -> nn.Module:
    raise ValueError("no such width")


def scripted() -> nn.Module:
    with warnings.catch_warnings():  # torch says that it will go
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Linear(784, 10))


BUILDERS = {
    "raises": (raising, "it can't be built: ValueError: no such width"),
    "no module": (lambda: torch.ones(3), "must be a torch.nn.Module, not Tensor"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10)), "lazy, without a shape"),
    "on meta": (lambda: nn.Linear(784, 10, device="meta"), "on the device meta"),
    "scripted": (scripted, "scripted or compiled"),
    "compiled": (lambda: torch.compile(nn.Linear(784, 10)), "scripted or compiled"),
    "no parameters": (nn.Flatten, "it has no parameters"),
    "other inputs": (lambda: nn.Conv2d(3, 10, 3), r"it fails on inputs \[2, 1, 28, 28\]"),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_model_that_isn_t_one_is_refused(name, own) -> None:
    build, message = BUILDERS[name]
    with pytest.raises(UserError, match=message):
        ready(own(build, prunable=".*weight", state=Net().state_dict()))
