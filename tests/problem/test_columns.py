"""The columns of a convolution are the patches of torch's own unfold, to the bit."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.problem.gradients.layers import columns

LAYERS = [
    nn.Conv2d(3, 4, 3, padding=1),
    nn.Conv2d(3, 4, 3, stride=2, padding=1),
    nn.Conv2d(3, 4, (2, 5), stride=(3, 1), padding=(0, 2), dilation=(2, 1)),
    nn.Conv2d(3, 4, 4, stride=3, dilation=2),
    nn.Conv2d(3, 4, 1),
    nn.Conv2d(3, 4, 1, stride=2),
    nn.Conv2d(3, 4, (11, 9)),
]


def images() -> Tensor:
    return torch.randn(5, 3, 11, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_patches_are_those_of_unfold(layer, form, dtype) -> None:
    given = images().to(dtype).contiguous(memory_format=form)
    options = layer.kernel_size, layer.dilation, layer.padding, layer.stride
    found = columns(layer, given)
    assert torch.equal(found, F.unfold(given, *options))
    assert found.is_contiguous()


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_patches_are_a_copy(layer) -> None:
    """What a network does in place to its input afterwards doesn't change them."""
    given = images()
    found = columns(layer, given)
    expected = found.clone()
    given.zero_()
    assert torch.equal(found, expected)
