"""Networks small enough for dense algebra, with data, as problems in double precision."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget, Meter
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target

PLENTY = Budget(
    calibration_examples=10**6,
    backward_passes=10**6,
    hessian_vector_products=10**6,
    recomputations=10**6,
    tuning_trials=10**6,
)


class TinyExamples:
    """Random inputs and labels."""

    def __init__(self, inputs: Tensor, labels: Tensor) -> None:
        self.inputs, self.labels = inputs, labels

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self.inputs[positions], self.labels[positions]


def tiny_mlp() -> nn.Sequential:
    """6-5-4-3 without biases: 62 weights; one activation works in place."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 5, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(5, 4, bias=False),
        nn.Tanh(),
        nn.Linear(4, 3, bias=False),
    )


def tiny_conv() -> nn.Sequential:
    """Convolutions with stride, padding and batch normalisation, then a linear layer."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return net


def tiny_problem(
    net: nn.Module,
    count: int = 40,
    sparsity: float = 0.5,
    allocation: Allocation = "global",
    seed: int = 0,
    budget: Budget = PLENTY,
    dtype: torch.dtype = torch.float64,
) -> Problem:
    """The net's weights in `dtype` as a problem with `count` random examples."""
    net = net.to(dtype).eval().requires_grad_(False)
    prunable = {
        f"{name}.weight": name
        for name, module in net.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    generator = torch.Generator().manual_seed(1)
    first = next(iter(net.children()))
    shape = (6,) if isinstance(first, nn.Linear) else (2, 6, 6)
    inputs = torch.randn(count, *shape, generator=generator, dtype=torch.float64).to(dtype)
    labels = torch.randint(3, (count,), generator=generator)
    examples = TinyExamples(inputs, labels)
    calibration = Calibration(examples, seed, Meter(budget))
    return Problem(net, prunable, calibration, Target(sparsity, allocation))


def slow_gradients(problem: Problem, count: int, labels: Tensor | None = None) -> Tensor:
    """Gradients [count, d] of the first calibration examples, by one plain backward pass each."""
    model = problem._model
    parameters = [model.get_parameter(name) for name in problem.weights]
    inputs, own = problem.examples(count)
    rows = []
    for example, label in zip(inputs, own if labels is None else labels, strict=True):
        for parameter in parameters:
            parameter.requires_grad_(True)
        loss = F.cross_entropy(model(example[None]), label[None])
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
        for parameter in parameters:
            parameter.requires_grad_(False)
    return torch.stack(rows)
