"""The residual networks of the two repositories: shapes, shortcuts, denominators, dense results."""

import pytest
import torch
import torch.nn.functional as F
from support.cells import dense_of
from torch import Tensor, nn

from bench.pairs import PAIRS
from bench.pairs.resnet_cifar import Padded, PaddedResNet, ResNet20, padded_resnet20

SIZES = {
    20: (18, 267_264, 269_722),
    32: (30, 460_800, 464_154),
    44: (42, 654_336, 658_586),
    56: (54, 847_872, 853_018),
}
"""Prunable layers, prunable weights and parameters by depth."""


@pytest.mark.parametrize("depth", SIZES)
def test_what_is_prunable_are_the_convolutions_of_the_blocks(depth: int) -> None:
    pair = PAIRS[f"akamaster-resnet{depth}-cifar10"]
    model = pair.model()
    weights = [model.get_parameter(name) for name in pair.prunable_parameters(model)]
    parameters = sum(weight.numel() for weight in model.parameters())
    assert (len(weights), sum(map(Tensor.numel, weights)), parameters) == SIZES[depth]
    assert all(weight.shape[2:] == (3, 3) for weight in weights)
    layers = [one for one in model.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_a_padded_shortcut_takes_every_second_pixel_between_zeros() -> None:
    images = torch.arange(2 * 4 * 5 * 5.0).view(2, 4, 5, 5) + 1
    found = Padded(4, stride=2)(images)
    assert found.shape == (2, 8, 3, 3)
    assert torch.equal(found[:, 2:6], images[:, :, [0, 2, 4]][:, :, :, [0, 2, 4]])
    assert not found[:, :2].any() and not found[:, 6:].any()


def test_the_network_is_the_papers_written_down_plainly() -> None:
    torch.manual_seed(0)
    model = PaddedResNet(blocks=5).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    state = model.state_dict()

    def layer(inputs: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        hidden = F.conv2d(inputs, state[f"{convolution}.weight"], stride=stride, padding=1)
        fields = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(hidden, *(state[f"{norm}.{field}"] for field in fields))

    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    hidden = F.relu(layer(images, "conv1", "bn1"))
    for stage, channels in ((1, 16), (2, 32), (3, 64)):
        for number in range(5):
            at, new = f"layer{stage}.{number}", channels - hidden.shape[1]
            inner = F.relu(layer(hidden, f"{at}.conv1", f"{at}.bn1", stride=2 if new else 1))
            inner = layer(inner, f"{at}.conv2", f"{at}.bn2")
            if new:
                empty = torch.zeros(2, new // 2, *inner.shape[2:], dtype=torch.float64)
                hidden = torch.cat([empty, hidden[:, :, ::2, ::2], empty], dim=1)
            hidden = F.relu(inner + hidden)
    logits = hidden.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(model(images), logits)


def test_the_two_networks_of_twenty_layers_differ_in_their_shortcuts_alone() -> None:
    ours, other = padded_resnet20().state_dict(), ResNet20().state_dict()
    assert {name for name in other if name not in ours} == {
        name for name in other if "downsample" in name
    }
    assert all(other[name].shape == tensor.shape for name, tensor in ours.items())


@pytest.mark.parametrize(
    ("depth", "accuracy"),
    [
        (20, 91.73),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((32, 92.63), (44, 93.10))),
        pytest.param(56, 93.39, marks=pytest.mark.slow),
    ],
)
def test_the_dense_model_has_its_accuracy(depth: int, accuracy: float) -> None:
    dense = dense_of(f"akamaster-resnet{depth}-cifar10")
    assert dense.evaluation.examples == 10_000
    assert dense.evaluation.accuracy == pytest.approx(accuracy, abs=0.021)
