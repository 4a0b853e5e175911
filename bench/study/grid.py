"""Expands a study's methods to variants: each method in each of its protocols, and its controls."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_args

from bench.common.errors import UserError
from bench.jobs.job import Control
from bench.jobs.protocol import PROTOCOLS, ProtocolName
from methods import METHODS, build, configuration
from methods.search import fitted

CONTROLS: tuple[Control, ...] = get_args(Control)
"""The names of all controls."""


class Variant(NamedTuple):
    """A configured method in one protocol, or a control of it: one row of the study's tables."""

    label: str
    family: str
    method: str
    hyperparameters: dict[str, Any]
    protocol: ProtocolName
    control: Control | None = None


def variants(
    label: str, fields: dict[str, Any], protocols: Sequence[ProtocolName], *, controls: bool
) -> list[Variant]:
    """Return the method in each protocol that it can run in, each followed by its controls.

    Raises `UserError` for unknown names, impossible fields, and a method that can run in none.
    """
    name, configured = _configured(label, fields)
    fitting = [protocol for protocol in protocols if protocol in METHODS[name].protocols()]
    if not fitting:
        raise UserError(
            f"Method {label!r} runs in the protocols {', '.join(METHODS[name].protocols())}, the "
            f"study has {', '.join(protocols)}: add one to protocols."
        )
    found = []
    for protocol in fitting:
        shown = label if len(fitting) == 1 else f"{label}, {protocol}"
        variant = Variant(shown, label, name, configured, protocol)
        found.append(variant)
        if controls:
            found += [
                variant._replace(label=f"{shown} [{control}]", control=control)
                for control in CONTROLS
            ]
    return found


def check_spaces(variants: Iterable[Variant]) -> None:
    """Raise `UserError` if the search space of a method doesn't fit its fields."""
    for variant in variants:
        method = build(variant.method, variant.hyperparameters)
        try:
            fitted(type(method), method.space())
        except ValueError as error:
            raise UserError(f"Method {variant.family!r} can't be tuned: {error}.") from error


def refuse_equal_labels(variants: Sequence[Variant]) -> None:
    """Raise `UserError` if two methods have variants with the same label in tables."""
    families: dict[str, str] = {}
    for variant in variants:
        label, family = variant.label, variant.family
        other = families.setdefault(label, family)
        if other != family:
            raise UserError(
                f"Methods {other!r} and {family!r} both have a row {label!r}: choose "
                "another label for one of them."
            )


def check_extras(protocols: Sequence[ProtocolName], trials: int, *, controls: bool) -> None:
    """Raise `ValueError` if these protocols can't be tuned or controlled.

    Tuning and controls exclude each other too.
    """
    once = [name for name, protocol in PROTOCOLS.items() if protocol.prunes_once]
    later = [name for name in protocols if name not in once]
    for asked, what in ((trials > 0, "budget.tuning_trials above 0"), (controls, "controls")):
        if asked and later:
            raise ValueError(
                f"{what} needs protocols that prune the dense model once "
                f"({', '.join(once)}), not {later[0]}"
            )
    if trials and controls:
        raise ValueError("controls are of configured methods: leave out budget.tuning_trials")


def refuse_twins(labelled: Iterable[tuple[str, str]]) -> None:
    """Raise `UserError` if two labels have the same job; `labelled` are pairs of key and label."""
    labels: dict[str, str] = {}
    for key, label in labelled:
        other = labels.setdefault(key, label)
        if other != label:
            raise UserError(
                f"Methods {other!r} and {label!r} are the same job twice: change a field or "
                "remove one."
            )


def _configured(label: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the method's name and its full configuration."""
    values = dict(fields)
    name = values.pop("method", label)
    if not isinstance(name, str):
        raise UserError(f"methods.{label}.method must be a method's name, not {name!r}.")
    return name, configuration(build(name, values))
