"""Per-example gradients are those of one plain backward pass per example."""

import pytest
import torch
from support.tiny import slow_gradients, tiny_conv, tiny_mlp, tiny_problem
from torch import nn

from bench.common.errors import MethodError, Skip
from bench.problem.chunks import CHUNK, chunk_size
from bench.problem.gradients.watch import layer_positions
from bench.problem.passes import Settings
from bench.problem.problem import Problem
from methods.curvature.diagonals import fisher_diagonal


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_gradients_equal_single_backward_passes(net) -> None:
    problem = tiny_problem(net(), count=CHUNK + 7)
    torch.testing.assert_close(problem.gradients(CHUNK + 7), slow_gradients(problem, CHUNK + 7))


def twice_used() -> nn.Sequential:
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.Tanh(), layer)


def at_positions() -> nn.Sequential:
    """The second linear layer is used at three positions of each example."""
    torch.manual_seed(0)
    unfolded = nn.Unflatten(1, (3, 2))
    return nn.Sequential(nn.Linear(6, 6), unfolded, nn.Linear(2, 4), nn.Flatten(), nn.Tanh())


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv, twice_used, at_positions])
@pytest.mark.parametrize("size", [5, 7, 12, 36, 60])
def test_mini_batch_gradients_are_means_also_across_chunks(net, size, monkeypatch) -> None:
    """In passes of whole batches, of parts of one, and of parts of several."""
    problem = tiny_problem(net(), count=60)
    monkeypatch.setattr(problem, "_chunk_for", lambda batch: size)
    expected = slow_gradients(problem, 60).view(5, 12, -1).mean(1)
    torch.testing.assert_close(problem.gradients(5, batch=12), expected)


@pytest.mark.parametrize(
    ("numbers", "limit", "batch", "expected"),
    [
        (1000, 10**9, 1, 50),  # single gradients: fifty at most
        (1000, 20_000, 1, 20),
        (1000, 500, 1, 1),
        (1000, 10**9, 16, 33_552),  # 2**25 numbers, in whole batches
        (10**6, 10**9, 16, 48),  # large examples: fifty, in whole batches
        (10**6, 10**9, 80, 50),  # less than a batch
        (1000, 20_000, 16, 16),
        (1000, 500, 16, 1),
    ],
)
def test_how_many_examples_are_in_one_pass(numbers, limit, batch, expected) -> None:
    assert chunk_size(numbers, limit, batch) == expected


def test_passes_for_means_hold_whole_batches() -> None:
    problem = tiny_problem(tiny_mlp(), count=320)
    sizes = []
    hook = problem._model[0].register_forward_hook(
        lambda layer, given, _: sizes.append(len(given[0]))
    )
    problem.gradients(20, batch=16)
    hook.remove()
    assert [size for size in sizes if size > 1] == [320]


def test_a_pass_is_of_fifty_examples_at_most() -> None:
    """With chunks of another size, sums would be rounded in another way than in earlier records."""
    problem = tiny_problem(tiny_mlp(), count=120)
    sizes = []
    hook = problem._model[0].register_forward_hook(
        lambda layer, given, _: sizes.append(len(given[0]))
    )
    problem.gradients(120)
    hook.remove()
    assert [size for size in sizes if size > 1] == [50, 50, 20]


def test_true_fisher_draws_labels_from_the_model() -> None:
    problem = tiny_problem(tiny_mlp(), count=4000)
    inputs, _ = problem.examples(4000)
    first = next(problem.signals(4000, "true"))["4.weight"]
    # The gradient of the logits is prediction - one-hot label, so the drawn label is its minimum.
    drawn = torch.cat(
        [
            chunk["4.weight"].output_gradients.squeeze(2).argmin(1)
            for chunk in problem.signals(4000, "true")
        ]
    )
    frequencies = torch.bincount(drawn, minlength=3) / 4000
    predicted = problem._model(inputs).softmax(1).mean(0)
    torch.testing.assert_close(frequencies.double(), predicted, atol=0.03, rtol=0)
    assert first.output_gradients.shape == (CHUNK, 3, 1)


def test_a_seed_changes_the_examples_and_nothing_else() -> None:
    one, same, other = (tiny_problem(tiny_mlp(), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.examples(10)[0], same.examples(10)[0])
    assert not torch.equal(one.examples(10)[0], other.examples(10)[0])
    assert torch.equal(one.examples(10)[0], one.examples(20)[0][:10])
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_the_examples_of_a_seed_are_those_of_earlier_records() -> None:
    problem = tiny_problem(tiny_mlp(), seed=5)
    everything = problem._calibration._examples.inputs
    found = [int((everything == row).all(1).nonzero()) for row in problem.examples(6)[0]]
    assert found == [15, 31, 18, 6, 0, 1]


def test_large_seeds_are_different_seeds() -> None:
    one, other = (tiny_problem(tiny_mlp(), seed=seed) for seed in (1, 1 + 2**32))
    assert not torch.equal(one.examples(10)[0], other.examples(10)[0])


def test_a_layer_used_twice_has_the_gradients_of_both_uses() -> None:
    layer = nn.Linear(6, 6)
    problem = tiny_problem(nn.Sequential(layer, nn.Tanh(), layer))
    torch.testing.assert_close(problem.gradients(4), slow_gradients(problem, 4))


def grouped() -> nn.Sequential:
    """In groups, depthwise with a stride, pointwise with a stride, as MobileNet and ResNet."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, groups=2),
        nn.ReLU6(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Tanh(),
        nn.Conv2d(8, 4, 1, stride=2, bias=False),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def test_gradients_of_grouped_convolutions_equal_single_backward_passes() -> None:
    problem = tiny_problem(grouped())
    torch.testing.assert_close(problem.gradients(9), slow_gradients(problem, 9))
    torch.testing.assert_close(problem.gradients_by_layer(9).dense(), slow_gradients(problem, 9))


def test_squares_of_grouped_convolutions_are_those_of_their_gradients() -> None:
    problem = tiny_problem(grouped())
    expected = slow_gradients(problem, 9).square().mean(0)
    torch.testing.assert_close(fisher_diagonal(problem, 9), expected)


def test_a_layer_that_is_never_called_is_said() -> None:
    class Skipping(nn.Sequential):
        def forward(self, inputs):
            return self[2](self[1](self[0](inputs)))[:, :3]

    problem = tiny_problem(Skipping(*tiny_mlp()))
    for asked in (lambda: problem.gradients(4), lambda: list(problem.inputs(4))):
        with pytest.raises(MethodError, match=r"layer 4 is never called"):
            asked()


def test_counting_uses_keeps_no_graph() -> None:
    class Watched(nn.Linear):
        def forward(self, inputs):
            output = super().forward(inputs)
            kept.append(output.requires_grad)
            return output

    kept: list[bool] = []
    net = nn.Sequential(Watched(4, 4), Watched(4, 2))
    assert layer_positions(net, ["0", "1"], torch.ones(1, 5, 4)) == {"0": 5, "1": 5}
    assert kept == [False, False]


def test_an_unsupported_layer_is_a_skip() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 2, 1), nn.ConvTranspose2d(2, 1, 3), nn.Flatten(), nn.Linear(64, 3)
    )
    problem = tiny_problem(net)
    prunable = {f"{name}.weight": name for name in "013"}
    problem = Problem(net, prunable, problem._calibration, problem.target)
    for asked in (lambda: problem.gradients(4), lambda: list(problem.inputs(4))):
        with pytest.raises(Skip, match=r"gradients of ConvTranspose2d\(2, 1.* are not supported"):
            asked()


def test_more_examples_than_there_are_is_said() -> None:
    with pytest.raises(MethodError, match="asked for 41 calibration examples, the pair has 40"):
        tiny_problem(tiny_mlp()).gradients(41)


@pytest.mark.parametrize("memory", [1, 200_000, 2**30])
def test_memory_bounds_the_chunk_and_changes_no_gradient(memory) -> None:
    problem = tiny_problem(tiny_conv())
    bounded = Problem(
        problem._model, problem._prunable, problem._calibration, problem.target, Settings(memory)
    )
    torch.testing.assert_close(bounded.gradients(13, batch=3), problem.gradients(13, batch=3))
    assert bounded.chunk == {1: 1, 2**30: CHUNK}.get(memory, bounded.chunk)
    assert (1 < bounded.chunk < CHUNK) == (memory == 200_000)
