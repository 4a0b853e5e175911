"""A model in memory is pruned as by a job: exact counts, the same bits, and the model untouched."""

import copy
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.checkout import ROOT
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import bench
from bench.common.errors import MethodError, Skip, UserError
from bench.jobs.budget import Budget, OverBudget
from bench.library.prune import Pruned
from methods import METHODS
from methods.magnitude import Magnitude

COUNT, CLASSES = 60, 3


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


class Mean(nn.Module):
    """Attention-like layers on [n, t, d], and the mean over t."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.last = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last((self.first(inputs) * self.gate(inputs).sigmoid()).mean(1))


class Words(Mean):
    """The same on tokens [n, t]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self.words(inputs))


def features() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def convolutions() -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES)
    )
    net[1].running_mean.uniform_(-0.2, 0.2)
    return net


def data(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(COUNT, *shape, generator=generator)
    return inputs, torch.randint(CLASSES, (COUNT,), generator=generator)


def tokens() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(11, (COUNT, 5), generator=generator), data(6)[1]


MODELS = {
    "features": (features, lambda: data(6)),
    "BatchNorm": (convolutions, lambda: data(2, 6, 6)),
    "[n, t, d]": (Mean, lambda: data(5, 6)),
    "tokens": (Words, tokens),
}
FIELDS: dict[str, dict] = {
    "magnitude": {},
    "woodfisher": {"samples": 20, "damping": 1e-3},
    "obd": {"samples": 20},
    "kfac": {"samples": 20},
}


@pytest.mark.parametrize("method", FIELDS)
@pytest.mark.parametrize("name", MODELS)
def test_counts_are_exact_and_the_model_stays_as_it_was(name, method) -> None:
    build, made = MODELS[name]
    model = seeded(build).train()
    model.get_submodule("0" if name in ("features", "BatchNorm") else "first").eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    randomness = torch.get_rng_state()
    done = bench.prune(model, made(), method, 0.7, seed=3, **FIELDS[method])
    assert isinstance(done, Pruned)
    assert torch.equal(torch.get_rng_state(), randomness)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    for net in (model, done.model):
        assert [module.training for module in net.modules()] == modes
        assert all(parameter.requires_grad for parameter in net.parameters())
        assert all(parameter.grad is None for parameter in net.parameters())
    sizes = {n: m.weight.numel() for n, m in model.named_modules() if hasattr(m, "weight")}
    total = sum(mask.numel() for mask in done.masks.values())
    assert set(done.masks) == {
        f"{n}.weight"
        for n, m in model.named_modules()
        if isinstance(m, nn.Linear | nn.Conv2d) and n in sizes
    }
    assert sum(int((~mask).sum()) for mask in done.masks.values()) == round(0.7 * total)
    for key, mask in done.masks.items():
        assert torch.equal(done.model.get_parameter(key) != 0, mask)
    assert done.sparsity == pytest.approx(0.7, abs=1 / total)
    assert done.spent.calibration_examples == (0 if method == "magnitude" else 20)


def test_magnitude_is_what_it_says_by_hand() -> None:
    model = seeded(features)
    done = bench.prune(model, data(6), "magnitude", 0.5, allocation="layerwise")
    for key, mask in done.masks.items():
        weight = model.get_parameter(key)
        least = weight.abs().flatten().argsort()[: weight.numel() // 2]
        expected = torch.ones(weight.numel(), dtype=torch.bool)
        expected[least] = False
        assert torch.equal(mask.flatten(), expected)
        assert torch.equal(done.model.get_parameter(key), weight * mask)
    assert done.layer_sparsity == dict.fromkeys(done.masks, 0.5)


def test_data_of_any_kind_give_the_same_bits() -> None:
    model, (inputs, labels) = seeded(convolutions), data(2, 6, 6)
    dataset = TensorDataset(inputs, labels)
    kinds = [(inputs, labels), (inputs.numpy(), labels.numpy()), dataset]
    kinds += [DataLoader(dataset, batch_size=7), [(x, int(y)) for x, y in dataset]]
    found = [
        bench.prune(model, given, "woodfisher", 0.8, samples=20, damping=1e-3) for given in kinds
    ]
    assert len({one.weights_sha256 for one in found}) == 1
    other = bench.prune(model, kinds[0], "woodfisher", 0.8, seed=1, samples=20, damping=1e-3)
    assert other.weights_sha256 != found[0].weights_sha256
    shuffled = [
        bench.prune(model, DataLoader(dataset, 7, shuffle=True), "obd", 0.5, samples=20)
        for _ in range(2)
    ]
    assert shuffled[0].weights_sha256 == shuffled[1].weights_sha256


def test_bytes_are_pixels() -> None:
    model, (_, labels) = seeded(convolutions), data(1)
    pixels = torch.randint(256, (COUNT, 2, 6, 6), dtype=torch.uint8)
    one = bench.prune(model, (pixels, labels), "obd", 0.5, samples=20)
    other = bench.prune(model, (pixels.float().div(255), labels), "obd", 0.5, samples=20)
    assert one.weights_sha256 == other.weights_sha256


def test_all_is_counted_and_a_budget_is_kept() -> None:
    model = seeded(features)
    done = bench.prune(model, data(6), "woodfisher", samples=20, batch=2, damping=1e-3)
    assert done.spent == Budget(calibration_examples=40, backward_passes=40)
    assert done.seconds > 0
    with pytest.raises(OverBudget, match="asked for 20 calibration examples, the budget allows 10"):
        few = Budget(calibration_examples=10, backward_passes=10)
        bench.prune(model, data(6), "woodfisher", samples=20, budget=few)


def test_a_rule_an_object_of_a_method_and_recalibration() -> None:
    model = seeded(convolutions)
    done = bench.prune(
        model, data(2, 6, 6), Magnitude(), 0.5, prunable=r"0\.weight", recalibration=30
    )
    assert list(done.masks) == ["0.weight"]
    assert torch.equal(done.model[4].weight, model[4].weight)
    assert not torch.equal(done.model[1].running_mean, model[1].running_mean)
    assert done.spent.calibration_examples == 30


def test_frozen_layers_are_left_out_and_that_is_noted() -> None:
    model = seeded(features)
    model[0].requires_grad_(False)
    done = bench.prune(model, data(6), "magnitude", 0.5)
    assert list(done.masks) == ["2.weight"]
    assert done.notes == ["1 frozen layers (requires_grad=False) aren't pruned"]
    assert not done.model[0].weight.requires_grad and done.model[2].weight.requires_grad


class Noisy(nn.Sequential):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(F.dropout(inputs))


REFUSED = {
    "no method": ({"method": "woodfischer"}, "no method 'woodfischer'. Did you mean 'woodfisher'"),
    "no field": ({"method": "obd", "sample": 3}, "'sample'. Did you mean 'samples'"),
    "a field of another type": ({"method": "obd", "samples": "3"}, "samples: .*not '3'"),
    "training": ({"method": "rigl"}, r"RigL trains, .* prune\(\) prunes once"),
    "a class": ({"method": Magnitude}, "method must be the name of a method or an object"),
    "fields beside an object": ({"method": Magnitude(), "samples": 3}, "samples can't be set"),
    "all": ({"sparsity": 1.0}, "sparsity: .*less than 1, not 1.0"),
    "percent": ({"sparsity": 90}, "sparsity: .*not 90"),
    "allocation": ({"allocation": "uniform"}, "allocation: .*not 'uniform'"),
    "seed": ({"seed": -1}, "seed: .*not -1"),
    "device": ({"device": "gpu7"}, "There is no device 'gpu7'"),
    "rule": ({"prunable": "nothing"}, "rule 'nothing' matches none of the weights 0.weight"),
    "biases": ({"prunable": ".*"}, r"can't prune 0.bias: its shape is \[8\]"),
    "no model": ({"model": 3}, "model must be a torch.nn.Module, not a int"),
    "tuning": ({"budget": Budget(tuning_trials=3)}, r"prune\(\) neither tunes nor trains"),
    "no layer": ({"model": nn.ReLU()}, "has no linear or convolutional layer"),
    "no data": ({"data": 7}, "The data: a int was given"),
    "NaN": ({"data": (torch.full((9, 6), torch.nan), torch.zeros(9).long())}, "inputs hold NaN"),
    "other inputs": ({"data": data(5)}, r"it fails on inputs \[2, 5\]"),
    "labels": ({"data": (data(6)[0], data(6)[1] + 1)}, "go from 1 to 3, where its 3 classes"),
    "numbers": ({"data": (data(6)[0], data(6)[0][:, 0])}, "targets torch.float32 .* whole labels"),
    "noise": ({"model": Noisy(*features())}, "two runs in evaluation mode differ"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cant_be_used_is_one_sentence(name) -> None:
    settings = {"model": seeded(features), "data": data(6), "method": "magnitude"}
    changed, message = REFUSED[name]
    with pytest.raises(UserError, match=message) as caught:
        bench.prune(**(settings | changed))
    assert "\n" not in str(caught.value)


def test_a_method_that_breaks_its_contract_is_refused(monkeypatch) -> None:
    model = seeded(features)
    monkeypatch.setattr(Magnitude, "compensate", lambda self, problem, masks: problem.weights)
    with pytest.raises(MethodError, match="returned too few zeros"):
        bench.prune(model, data(6), "magnitude", 0.5)
    with pytest.raises(MethodError, match="asked for 400 calibration examples, the pair has 60"):
        bench.prune(model, data(6), "woodfisher", 0.5, samples=400)
    sparse = copy.deepcopy(model)
    with torch.no_grad():
        sparse[0].weight[:, 1:] = 0
    with pytest.raises(Skip, match="the dense model is sparser than the target"):
        bench.prune(sparse, data(6), "random", 0.1)


def test_every_method_that_doesnt_train_takes_part() -> None:
    model = seeded(features)
    for name, method in METHODS.items():
        if not method.trains:
            known = {field: 10 for field in ("samples",) if hasattr(method, field)}
            done = bench.prune(model, data(6), name, 0.5, **known)
            assert done.sparsity == 0.5, name


def test_importing_the_suite_loads_no_torch() -> None:
    code = "import sys, bench; assert 'torch' not in sys.modules; bench.prune; bench.Pruned"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="no attribute 'prunes'"):
        _ = bench.prunes
