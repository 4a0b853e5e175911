"""A plugin in several files, edited in copies that lie in other folders."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from bench.fingerprint import closure, targets_of
from bench.study.user_code import import_file

FILES = {
    "plugin.py": '''
"""A method of somebody's."""
import importlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import bases
from bench.problem.selection import keep_largest
from helper import scaled as scaled_by_the_helper
from torch.nn.functional import relu as bend

log = logging.getLogger(__name__)
HALF = 0.5  # of everything
late = importlib.import_module("late")
SETTINGS = Path(__file__).with_name("settings.json").read_text()


@dataclass(frozen=True)
class Own(bases.Ranked):
    """Ranks weights."""

    power: float = 1.0

    def scores(self, problem):
        """The scores."""
        from lazy import shift

        log.info("scoring %s", problem)
        if self.power < 0:
            raise ValueError(f"the power is {self.power}, below zero")
        assert problem, "a problem"
        found = {}
        word = "a word"
        for name, weight in problem.weights.items():
            found[name] = bend(scaled_by_the_helper(weight, HALF) + shift(weight)) * late.FACTOR
        return found


@dataclass(frozen=True)
class Other(bases.Ranked):
    def scores(self, problem):
        return {name: -weight for name, weight in problem.weights.items()}


METHODS = {"own": Own, "other": Other}
''',
    "bases.py": """
from methods.method import Method


class Ranked(Method):
    def sign(self):
        return 1
""",
    "helper.py": """
from deep import strength


def scaled(weight, factor):
    return weight.abs() * factor * strength(weight)
""",
    "deep.py": """
import math


def strength(weight):
    return math.sqrt(weight.numel())
""",
    "lazy.py": """
def shift(weight):
    return weight.mean()
""",
    "late.py": "FACTOR = 2.0\n",
    "settings.json": '{"damping": 0.1}\n',
}

HEAD = """
import dataclasses
import functools
import torch
from dataclasses import dataclass
from datasets.inputs.images import Normalisation
from bench.pairs import PAIRS as KNOWN
from bench.pairs.pair import Pair
from bench.jobs.recipe import Recipe
from methods import METHODS as REGISTERED
from methods import build
from methods.magnitude import Magnitude
from methods.method import Method
from torch import nn
"""
"""What a plugin of one file begins with."""

Edit = tuple[str, str, str]
"""A file, a text that is in it once, and what takes its place."""

_numbers = itertools.count()


def edited(files: Mapping[str, str], *edits: Edit) -> dict[str, str]:
    """The files with the edits made."""
    found = dict(files)
    for name, old, new in edits:
        assert found[name].count(old) == 1, (name, old)
        found[name] = found[name].replace(old, new)
    return found


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A new folder with the files."""
    place = folder / f"copy{next(_numbers)}"
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    return place


def imported(folder: Path, files: Mapping[str, str], plugin: str = "plugin.py") -> ModuleType:
    """The plugin of these files."""
    return import_file(written(folder, files) / plugin)


def method_sha256(
    folder: Path, files: Mapping[str, str], plugin: str = "plugin.py", method: str = "own"
) -> str:
    """The hash of the method's code."""
    return closure(targets_of(imported(folder, files, plugin).METHODS[method])).sha256
