"""Evaluates a job's model, once for all jobs of a process whose models have equal weights.

A deterministic method gives the same model under every seed, and a control may be its method's own
twin. Their accuracy is the same too, and it isn't computed again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.pairs.evaluate import Evaluation, evaluate
from bench.pairs.flops import Flops, forward_flops
from bench.problem.cache import Cost
from bench.run.case import Case


@dataclass(frozen=True)
class Tested:
    """What the test split says of a model, and the FLOPs of one example."""

    evaluation: Evaluation
    flops: Flops


def tested(case: Case, weights_sha256: str) -> Tested:
    """Return the evaluation of the case's model, whose state has this hash, on the test split."""
    model, cache = case.model, case.cache
    key = (case.dense, "tested", weights_sha256)
    kept = None if cache is None else cache.find(key)
    if kept is not None:
        known: Tested = kept.value
        return known
    flops = forward_flops(model, case.dense.test.batch(torch.arange(1))[0])
    found = Tested(evaluate(model, case.dense.test, case.dense.objective), flops)
    if cache is not None:
        cache.keep(key, found, Cost())
    return found


def sha256_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the hash of the tensors' names and bits."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        # Viewed as bytes, because NumPy has no bfloat16; flattened, because scalars can't be
        # viewed.
        content = tensor.cpu().contiguous().flatten().view(torch.uint8)
        digest.update(name.encode() + content.numpy().tobytes())
    return digest.hexdigest()
