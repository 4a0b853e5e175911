"""Runs the authors' WoodFisher beside ours, on one thread; see side-by-side.md.

A checkout of theirs is given by PYTHONPATH, and nothing of it is part of this repository:
`PYTHONPATH=.:WoodFisher python results/published/side_by_side_woodfisher.py`.
"""

import argparse
import contextlib
import importlib
import io
import sys
from typing import Any

import matplotlib.style
import torch
from side_by_side import problem_of, timed
from torch import Tensor
from torch.utils.data import TensorDataset

from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.weights import flatten
from methods import build

LAYERS = ["fc1", "fc2", "fc3"]


def their_arguments(options: argparse.Namespace) -> Any:
    """Return what their command line gives for this run's settings, all else at its defaults."""
    words = ["main.py", "--dset=mnist", "--dset_path=.", "--arch=mlpnet", "--config_path=."]
    words += [
        "--fisher-subsample-size",
        str(options.samples),
        "--fisher-damp",
        str(options.damping),
    ]
    words += ["--fisher-mini-bsz", str(options.batch)]
    if options.allocation == "global":
        words += ["--woodburry-joint-sparsify"]
    if options.blocks.isdigit():
        words += ["--fisher-split-grads", "--fittable-params", options.blocks]
    else:  # outer products in parts, for one d×d matrix is 4 GB already
        words += ["--fisher-optimized"]
    kept, sys.argv = sys.argv, words
    try:
        return importlib.import_module("options").get_parser()
    finally:
        sys.argv = kept


def theirs(dense: Dense, options: argparse.Namespace, seed: int) -> tuple[Tensor, float, float]:
    """Return the weights [d] that their pruner leaves, with its seconds and those of gradients.

    The recursion over all weights takes its gradients one by one and doesn't tell their seconds.
    """
    problem = problem_of(dense, dense.calibration, options.sparsity, seed)
    inputs, labels = problem.examples(options.samples * options.batch)
    model: Any = importlib.import_module("models.mlpnet").MlpNet(args=None, dataset="mnist")
    model.load_state_dict(dense.model.state_dict())
    model = importlib.import_module("utils.masking_utils").get_wrapped_model(model).eval()
    found = importlib.import_module("policies.pruners")
    whole = options.blocks == "full"
    kind = found.WoodburryFisherPruner if whole else found.BlockwiseWoodburryFisherPruner
    pruner = kind(
        *(model, their_arguments(options)),
        **{"epochs": [0, 2, 2], "modules": LAYERS, "weight_only": True},
        **{"initial_sparsity": 0.0, "target_sparsity": options.sparsity},
    )
    of_gradients = 0.0
    if not whole:
        gradients = pruner._compute_all_grads

        def counted(*words: Any, **named: Any) -> None:
            nonlocal of_gradients
            _, of_gradients = timed(lambda: gradients(*words, **named))

        pruner._compute_all_grads = counted
    asked = (TensorDataset(inputs, labels), list(range(len(labels))), torch.device("cpu"), 0, 2)
    torch.manual_seed(seed)  # their sampler shuffles the examples, which changes roundings
    _, seconds = timed(lambda: pruner.on_epoch_begin(*asked))
    layers = [model.get_submodule(name) for name in LAYERS]
    weights = [layer.weight.detach() * layer.weight_mask for layer in layers]
    return torch.cat([weight.flatten() for weight in weights]), seconds, of_gradients


def ours(dense: Dense, options: argparse.Namespace, seed: int) -> tuple[Tensor, float, float]:
    """Return the same of our method; the gradients are computed once more to time them."""
    blocks = int(options.blocks) if options.blocks.isdigit() else options.blocks
    fields = {name: getattr(options, name) for name in ("samples", "batch", "damping")}
    method = build("woodfisher", {**fields, "blocks": blocks})
    target = (options.sparsity, seed, options.allocation)
    problem = problem_of(dense, dense.calibration, *target)
    _, of_gradients = timed(lambda: problem.gradients(options.samples, options.batch, "empirical"))
    problem = problem_of(dense, dense.calibration, *target)
    weights, seconds = timed(lambda: method.prune(problem))
    return flatten(weights), seconds, of_gradients


def accuracy(dense: Dense, weights: Tensor) -> float:
    """Return the test accuracy of the pair's model with these prunable weights [d]."""
    problem = problem_of(dense, dense.calibration, 0.0, 0)
    for weight in problem.weights.values():
        weight.copy_(weights[: weight.numel()].view_as(weight))
        weights = weights[weight.numel() :]
    return evaluate(problem.model, dense.test).accuracy


def main() -> None:
    """Read the command line, and run both in turn, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", default="2000", help="full, layer, or the width of chunks")
    parser.add_argument("--allocation", default="global", choices=["global", "layerwise"])
    for name, number in {"sparsity": 0.95, "damping": 1e-5}.items():
        parser.add_argument(f"--{name}", type=float, default=number)
    for name, count in {"samples": 400, "batch": 1, "seeds": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    torch.set_num_threads(1)
    matplotlib.style.use = lambda *_: None  # theirs names a style that matplotlib no longer has
    dense = prepare(PAIRS["mlpnet-mnist"], torch.device("cpu"))
    dense.model.requires_grad_(False)
    for seed in range(options.seeds):
        kept = {}
        for name, run in {"theirs": theirs, "ours": ours}.items():
            with contextlib.redirect_stdout(io.StringIO()):
                weights, seconds, of_gradients = run(dense, options, seed)
            kept[name] = weights != 0
            print(
                f"seed {seed} {name:6} {seconds:.2f} s, of which gradients {of_gradients:.2f} s, "
                f"accuracy {accuracy(dense, weights):.2f} %, kept {int(kept[name].sum())}",
                flush=True,
            )
        print(f"weights kept by one alone: {int((kept['theirs'] != kept['ours']).sum())}")


if __name__ == "__main__":
    main()
