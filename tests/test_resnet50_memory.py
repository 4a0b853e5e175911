"""WoodFisher on all 25.5 million weights of ResNet-50, at full size: what it takes, and the same
weights where gradients are produced in groups of layers."""

import pytest
import torch
from pictures import write_folder
from tiny import PLENTY

from bench.batchnorm import recalibrate
from bench.budget import Meter
from bench.measure import measured
from bench.pairs import PAIRS
from bench.problem import Problem, Target
from bench.sweep import ROWS_MEMORY
from bench.weights import flatten
from datasets import FolderSplit
from methods.woodfisher import WoodFisher

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
PAIR = PAIRS["resnet50-imagenet"]
GIB = 2**30


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The network with seeded weights and fitting BatchNorm statistics, and images at 224 pixels.

    What is measured doesn't depend on how well the weights are trained.
    """
    files = sorted(write_folder(tmp_path_factory.mktemp("pictures"), train=8).glob("train/*/*"))
    labels = [int(path.parent.name[1:]) for path in files]
    images = PAIR.inputs(FolderSplit.of(list(zip(map(str, files), labels, strict=True))), CPU)
    torch.manual_seed(0)
    model = PAIR.model().eval().requires_grad_(False)
    recalibrate(model, images.batch(torch.arange(0, 48, 3))[0])
    return model, images


def problem(parts, rows_memory: int = ROWS_MEMORY) -> Problem:
    model, images = parts
    return Problem(
        model, PAIR.prunable_parameters(model), images, Target(0.8, "global"), 0, Meter(PLENTY),
        rows_memory=rows_memory,
    )  # fmt: skip


@pytest.mark.parametrize("blocks", [2000, "layer", "full"])
def test_32_gradients_stay_below_8_gib(parts, blocks) -> None:
    here = problem(parts)
    with measured(CPU) as cost:
        pruned = flatten(WoodFisher(samples=32, blocks=blocks).prune(here))
    assert int((pruned == 0).sum()) == round(0.8 * 25_502_912)
    assert here._meter.spent.backward_passes == 32
    assert cost.peak_bytes is not None
    print(f"blocks {blocks}: {cost.seconds:.0f} s, {cost.peak_bytes / GIB:.2f} GiB")
    # The gradients alone are 2.8 GiB; a copy of them in double precision would be twice that.
    assert cost.peak_bytes < 8 * GIB


def test_groups_of_layers_give_the_same_weights_in_less_memory(parts) -> None:
    method, peaks, pruned = WoodFisher(samples=12, blocks=2000), [], []
    for rows_memory in (ROWS_MEMORY, GIB // 2):
        here = problem(parts, rows_memory)
        with measured(CPU) as cost:
            pruned.append(flatten(method.prune(here)))
        assert cost.peak_bytes is not None
        peaks.append(cost.peak_bytes)
        passes = here._meter.spent.backward_passes
        print(f"{passes} passes: {cost.seconds:.0f} s, {peaks[-1] / GIB:.2f} GiB")
    assert passes == 2 * 3 * 12
    torch.testing.assert_close(pruned[1], pruned[0])
    assert torch.equal(pruned[1] == 0, pruned[0] == 0)
    assert peaks[1] < peaks[0] - GIB // 3
