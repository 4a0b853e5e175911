"""A small text for the character model, and the model with fewer and narrower layers."""

import dataclasses
import functools

import torch

import datasets
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.nanogpt import NanoGPT
from bench.pairs.pair import Pair
from datasets import shakespeare

LETTERS = 9
SMALL = functools.partial(NanoGPT, vocabulary=LETTERS, layers=2, heads=2, width=12)
RECIPE = Recipe(
    epochs=2, examples_per_epoch=360, batch=12, optimizer="adamw", learning_rate=1e-2,
    minimum_learning_rate=1e-3, warmup_steps=10, beta2=0.99, weight_decay=0.1, decay="matrices",
    clip_norm=1.0,
)  # fmt: skip


def text(length: int = 34_000) -> torch.Tensor:
    """Bytes of which each is the next in the alphabet, or, one time in four, any other."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.ones(length, dtype=torch.int64)
    odd = torch.rand(length, generator=generator) < 0.25
    steps[odd] = torch.randint(LETTERS, (int(odd.sum()),), generator=generator)
    return (97 + steps.cumsum(0) % LETTERS).to(torch.uint8)


def small_data() -> datasets.Dataset:
    """The text in the splits of the dataset `shakespeare`."""
    splits = shakespeare.split({"text": text()})
    return datasets.Dataset("shakespeare", LETTERS, *splits, digest="3" * 64)


def small_pair() -> Pair:
    """The pair `nanogpt-shakespeare` with a small model and a short training."""
    own = PAIRS["nanogpt-shakespeare"]
    return dataclasses.replace(own, model=SMALL, dense=RECIPE, dense_score=None)
