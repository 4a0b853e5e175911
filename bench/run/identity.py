"""The hash of all code that a job's result depends on: the method's and the harness's."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from bench.fingerprint import (
    Outside,
    Target,
    bound_to_class,
    closure,
    code_of,
    describe,
    outside_of,
    target_of,
)
from bench.jobs import findings, record, store
from bench.jobs.allocation import ALLOCATIONS
from bench.jobs.budget import Budget
from bench.jobs.job import Job, canonical_json
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.pairs.batchnorm import recalibrate
from bench.pairs.preparing import identity as pair_identity
from bench.pairs.preparing import soundness, validation
from bench.pairs.preparing.dense_training import trained
from bench.pairs.preparing.identity import SET_ASIDE
from bench.pairs.preparing.prepare import (
    _assert_channels,
    _assert_expected,
    _assert_targets,
    prepare,
)
from bench.run import control, environment, snapshot, tuning
from bench.run.case import Case
from bench.run.protocols import PRUNED, TRAINED
from bench.run.retrain import Retraining
from datasets.inputs.augmentation import AUGMENTATIONS
from methods import METHODS, build

_SET_ASIDE = SET_ASIDE | outside_of(
    *(environment, pair_identity, findings, record, snapshot, store),
    *(Case._add_cost, Case.restore),
    *(_assert_expected, _assert_channels, _assert_targets, trained),
    *(soundness, validation),  # they refuse pairs, and change no number
    *(Job, Budget),  # their fields are in the job's key
)
"""Code that the hash leaves out, because no number of a result depends on it."""

_PARTS: dict[str, tuple[Any, ...]] = {
    "control": (control.calibration_examples, control.controlled),
    "recalibration": (recalibrate,),
    "training": (Retraining, Recipe, Gradual),
    "tuning": (tuning.tune, tuning.remark),
}
"""Code that only some jobs run, by the name of what a job must have to run it."""


def source_sha256(job: Job, path: Callable[..., None]) -> str:
    """Return the hash of all code that the job's result depends on.

    `path` is the function that carries the job out.
    """
    method: Any = METHODS[job.method]  # to mypy, a class with fields is unhashable
    parts = [harness_sha256(job, path), _method(method, _parts(job))]
    if job.control:
        parts.append(closure(_targets(_PARTS["control"]), _outside(_parts(job))).sha256)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def harness_sha256(job: Job, path: Callable[..., None]) -> str:
    """Return the hash of the harness's share of that code, which is the same for all methods.

    Controls are left out of it.
    """
    chosen: tuple[Any, ...] = (ALLOCATIONS[job.allocation],)
    if job.training is None:
        chosen += (PRUNED[job.protocol],)
    else:
        chosen += (TRAINED[job.protocol], AUGMENTATIONS[job.training.augmentation])
    return _harness(path, _parts(job) - {"control"}, chosen)


def _parts(job: Job) -> frozenset[str]:
    """Return the names of the `_PARTS` that the job runs."""
    comes_to = {
        "control": job.control,
        "recalibration": job.recalibration,
        "training": job.training,
        "tuning": job.budget.tuning_trials,
    }
    return frozenset(name for name, value in comes_to.items() if value)


@functools.cache
def _harness(path: Callable[..., None], parts: frozenset[str], chosen: tuple[Any, ...]) -> str:
    roots = [path, Case, prepare, build, *chosen]
    roots += [one for part in sorted(parts) for one in _PARTS[part]]
    return closure(_targets(roots), _outside(parts)).sha256


@functools.cache
def _method(method: type, parts: frozenset[str]) -> str:
    bound = canonical_json(describe(bound_to_class(method)))
    return f"{code_of(method, _outside(parts))} {bound}"


def _targets(roots: Iterable[Any]) -> tuple[Target, ...]:
    found = (target_of(root) for root in roots if root is not None)
    return tuple(target for target in found if target is not None)


@functools.cache
def _outside(parts: frozenset[str]) -> Outside:
    others = (code for name, part in _PARTS.items() if name not in parts for code in part)
    return _SET_ASIDE | outside_of(*others)
