"""Fixes the global random states of PyTorch, NumPy and Python for a while."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def fixed(seed: int) -> Iterator[None]:
    """Let random numbers drawn on the CPU in the block follow from the seed.

    The states before the block are restored after it.
    """
    states = random.getstate(), np.random.get_state(legacy=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
