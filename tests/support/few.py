"""Every registered method with few samples, for tests that try them all."""

import torch

from bench.problem.stopwatch import Stopwatch
from methods import METHODS, build

FEW = {name: {"samples": 20} for name in METHODS if "samples" in METHODS[name].__dataclass_fields__}


PRUNING = [name for name, method in METHODS.items() if "one-shot" in method.protocols()]


def small(name: str):
    return build(name, FEW.get(name, {}))


class Noted(Stopwatch):
    """A stopwatch that keeps the names of all phases."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.names: set[str] = set()

    def phase(self, name):
        self.names.add(name)
        return super().phase(name)
