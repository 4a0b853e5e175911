"""Hashes what a result depends on: code, wherever it is, and values that code has made.

What comes in: functions, classes and objects. What goes out: a hash that stays the same as long as
the results must. Moving, renaming or redocumenting files doesn't change it.

To let another kind of value be described, touch these files: bench/fingerprint/values.py, which
registers a function for its type (`described`), and tests/fingerprint.
"""

from bench.fingerprint.closure import NOTHING, Closure, Outside, closure
from bench.fingerprint.code_of import code_of, file_of, outside_of, target_of, targets_of
from bench.fingerprint.forms import Target
from bench.fingerprint.source import remember_suite
from bench.fingerprint.structure import structure
from bench.fingerprint.values import bound_to_class, describe

__all__ = [
    "NOTHING",
    "Closure",
    "Outside",
    "Target",
    "bound_to_class",
    "closure",
    "code_of",
    "describe",
    "file_of",
    "outside_of",
    "remember_suite",
    "structure",
    "target_of",
    "targets_of",
]
