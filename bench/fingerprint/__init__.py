"""What a result depends on, as a hash: code wherever it stands, and values that code has made.

In come functions, classes and objects, out comes a hash that is the same as long as the results
must be. Files may move, be renamed and documented anew, and nothing changes.
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
