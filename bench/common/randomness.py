"""The global random states of torch, numpy and Python, fixed for a while."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def fixed(seed: int) -> Iterator[None]:
    """What the block draws on the CPU follows from the seed; the states before it are put back."""
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
