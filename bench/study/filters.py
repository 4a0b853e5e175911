"""The command line's filters, which limit a run to a part of a study, and its changes of fields."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.common.errors import UserError, unknown
from bench.jobs.cell import Cell
from bench.study.study import Study


@dataclass(frozen=True)
class Filters:
    """The part of a grid that a run is limited to; an empty filter lets everything pass."""

    pairs: Sequence[str] = ()
    methods: Sequence[str] = ()
    allocations: Sequence[str] = ()
    sparsities: Sequence[float] = ()
    seeds: Sequence[int] = ()
    protocols: Sequence[str] = ()

    def apply(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that pass; raises `UserError` for a value the grid doesn't have."""
        for sparsity in self.sparsities:
            if not 0 <= sparsity < 1:
                raise UserError(
                    f"A sparsity is the fraction removed, at least 0 and below 1, not {sparsity}."
                )
        left = list(cells)
        for kind, wanted, value in (
            ("pair", self.pairs, lambda cell: cell.job.pair),
            ("method", self._labels(cells), lambda cell: cell.label),
            ("allocation", self.allocations, lambda cell: cell.job.allocation),
            ("sparsity", self.sparsities, lambda cell: cell.job.sparsity),
            ("seed", self.seeds, lambda cell: cell.job.seed),
            ("protocol", self.protocols, lambda cell: cell.job.protocol),
        ):
            _refuse_absent(kind, wanted, [value(cell) for cell in cells])
            left = [cell for cell in left if not wanted or value(cell) in wanted]
        if not left:
            raise UserError("No job of the study passes all filters together: loosen one.")
        return left

    def _labels(self, cells: Sequence[Cell]) -> list[str]:
        """Return the labels of the methods wanted.

        A method's own label stands for all its variants.
        """
        families: dict[str, list[str]] = {}
        for cell in cells:
            families.setdefault(cell.family, []).append(cell.label)
        labels = {label for own in families.values() for label in own}
        return [
            label
            for wanted in self.methods
            for label in ([wanted] if wanted in labels else families.get(wanted, [wanted]))
        ]


def _refuse_absent(kind: str, wanted: Iterable[Any], present: Sequence[Any]) -> None:
    for value in wanted:
        if value not in present:
            names = [str(item) for item in dict.fromkeys(present)]
            raise unknown(f"{kind} of this study called", str(value), names)


def overridden(study: Study, assignments: Sequence[str]) -> Study:
    """Return the study with each `METHOD.FIELD=VALUE` applied to the method of that label.

    Raises `UserError` for an assignment of another form or an unknown method.
    """
    methods = {label: dict(fields) for label, fields in study.methods.items()}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        label, dot, field = target.rpartition(".")
        if not (equals and dot):
            raise UserError(f"--set takes METHOD.FIELD=VALUE, not {assignment!r}.")
        if label not in methods:
            raise unknown("method of this study called", label, methods)
        methods[label][field] = _value(text)
    return study.model_copy(update={"methods": methods})


def _value(text: str) -> Any:
    """Return a number or truth value if the text is one in TOML, otherwise the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
