"""Runs the authors' codes beside ours on the same inputs, on one thread; see side-by-side.md.

A checkout of theirs is given by PYTHONPATH, and nothing of it is part of this repository:
`PYTHONPATH=.:CHECKOUT python results/published/side_by_side.py chita|obc`.
"""

import argparse
import contextlib
import copy
import importlib
import io
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget, Meter
from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.calibration import Calibration, Examples
from bench.problem.problem import Problem, Target
from bench.problem.weights import flatten
from methods import build
from methods.combinatorial.elimination import elimination
from methods.curvature.kronecker import SharedInverse

PLENTY = Budget(calibration_examples=10**9, backward_passes=10**9, recomputations=10**6)
GRADIENTS, RIDGE, ITERATIONS, BASE = 1000, 1e-3, 50, 0.1
LAYERS = ["fc1.weight", "fc2.weight", "fc3.weight"]


class Repeated:
    """Training examples several times over, for stages that together take more than there are."""

    def __init__(self, examples: Examples, times: int) -> None:
        self.examples, self.times = examples, times

    def __len__(self) -> int:
        return self.times * len(self.examples)

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs and labels at these positions, counted on through all repetitions."""
        return self.examples.batch(positions % len(self.examples))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and the processor's seconds that it took."""
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


def problem_of(
    dense: Dense,
    examples: Examples,
    sparsity: float,
    seed: int,
    allocation: Allocation = "global",
) -> Problem:
    """Return the pair's dense model as a problem with a budget that bounds nothing."""
    calibration = Calibration(examples, seed, Meter(PLENTY))
    target = Target(sparsity, allocation)
    return Problem(copy.deepcopy(dense.model), dense.prunable, calibration, target)


def their_mlpnet(dense: Dense) -> nn.Module:
    """Return their MLPNet, which ends in log-probabilities, with the dense model's weights."""
    model: nn.Module = importlib.import_module("models.mlpnet").MlpNet(args=None, dataset="mnist")
    model.load_state_dict(dense.model.state_dict())
    return model.eval()


def their_chita(dense: Dense, sparsity: float, stages: int, seed: int) -> dict[str, Any]:
    """Return accuracy and seconds of their pruner, with gradients of new random batches."""
    tools = importlib.import_module("utils.main_utils")
    tools.set_seed(seed)
    model, batch = their_mlpnet(dense), 16 if stages > 1 else 1
    images, labels = dense.train.batch(torch.arange(len(dense.train)))
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch, shuffle=True)
    pruner = importlib.import_module("pruners.CHITA").CHITA(
        *(model, LAYERS, loader, GRADIENTS, batch, nn.functional.nll_loss, -1, RIDGE, ITERATIONS),
        *(stages > 1, False, "cpu", "Active_IHTCDLS"),
    )
    total = 0.0
    for level in tools.generate_schedule(stages, BASE, sparsity, "exp"):
        pruner.reset_pruner()
        (weights, _), seconds = timed(lambda level=level: pruner.prune(None, level))  # type: ignore[misc]
        pruner.update_model(weights)
        total += seconds
    return {
        "accuracy": evaluate(model, dense.test).accuracy,
        "kept": int((weights != 0).sum()),
        "seconds": round(total, 1),
    }


def our_chita(dense: Dense, sparsity: float, stages: int, seed: int) -> dict[str, Any]:
    """Return accuracy and seconds of ours with the same settings."""
    fields: dict[str, Any] = {"samples": GRADIENTS, "damping": RIDGE}
    if stages > 1:
        fields |= {"batch": 16, "first_order": 1.0, "fresh": True, "stages": stages, "base": BASE}
    examples = Repeated(dense.calibration, 5) if stages > 1 else dense.calibration
    problem = problem_of(dense, examples, sparsity, seed)
    weights, seconds = timed(lambda: build("chita", fields).prune(problem))
    for name, weight in weights.items():
        problem.model.get_parameter(name).copy_(weight)
    return {
        "accuracy": evaluate(problem.model, dense.test).accuracy,
        "kept": int((flatten(weights) != 0).sum()),
        "seconds": round(seconds, 1),
    }


def chita(options: argparse.Namespace) -> None:
    """CHITA with one stage, CHITA++ with several, in turn with ours."""
    dense = prepare(PAIRS["mlpnet-mnist"], torch.device("cpu"))
    dense.model.requires_grad_(False)
    with contextlib.redirect_stdout(io.StringIO()):
        their_chita(dense, 0.95, 1, 0)  # numba compiles in the first call
    for seed in range(options.seeds):
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = their_chita(dense, options.sparsity, options.stages, seed)
        print(f"seed {seed} theirs {theirs}", flush=True)
        ours = our_chita(dense, options.sparsity, options.stages, seed)
        print(f"seed {seed} ours   {ours}", flush=True)


def obc(options: argparse.Namespace) -> None:
    """ExactOBS on one layer with the same inputs; the loss is ‖(W - Ŵ) X‖² / n."""
    trueobs: Any = importlib.import_module("trueobs")
    torch.cuda.synchronize = lambda *_: None
    torch.manual_seed(0)
    layer = nn.Linear(options.inputs, options.outputs, bias=False).requires_grad_(False)
    mixing = torch.randn(options.inputs, options.inputs) / options.inputs**0.5
    inputs = torch.randn(4 * options.inputs, options.inputs) @ mixing
    weight = layer.weight.double()
    wide = inputs.double()
    hessian = 2 * wide.T @ wide / len(wide)
    damping = 1e-2 * hessian.diagonal().mean()
    hessian.diagonal().add_(damping)

    def theirs() -> Tensor:
        pruner = trueobs.TrueOBS(layer, rel_damp=1e-2)
        pruner.add_batch(inputs, None)
        pruner.prepare_unstr(parallel=options.outputs)
        found: Tensor = pruner.prune_unstr([options.sparsity])[0]
        return found

    def ours() -> Tensor:
        inverse = SharedInverse(hessian, options.outputs, torch.float32)
        trace = elimination(layer.weight, inverse.input, None)
        scores = trace.scores().flatten()
        mask = torch.ones_like(scores, dtype=torch.bool)
        mask[scores.argsort(stable=True)[: round(options.sparsity * len(scores))]] = False
        keep = trace.kept(mask.view_as(layer.weight))
        removed = layer.weight.masked_fill(keep, 0)
        move = inverse.joint_move(removed.flatten(), keep.flatten()).view_as(removed)
        return (layer.weight + move).masked_fill(~keep, 0)

    masks = {}
    for name, call in (("theirs", theirs), ("ours", ours)):
        with contextlib.redirect_stdout(io.StringIO()):
            found, seconds = timed(call)
        off = found.double() - weight
        loss = float((off @ hessian * off).sum() / 2)
        masks[name] = found != 0
        zeros = int((found == 0).sum())
        print(f"{name:6} loss {loss:.4f} zeros {zeros} seconds {seconds:.2f}", flush=True)
    print(f"weights in one mask alone: {int((masks['theirs'] != masks['ours']).sum())}")


def main() -> None:
    """Read the command line, and run on one thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("code", choices=["chita", "obc"])
    parser.add_argument("--sparsity", type=float, default=0.95)
    sizes = {"stages": 15, "seeds": 1, "inputs": 576, "outputs": 64}
    for name, count in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"chita": chita, "obc": obc}[options.code](options)


if __name__ == "__main__":
    main()
