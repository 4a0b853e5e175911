"""What the rows of a comparison have in common, and where they differ: read from the records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.jobs.record import Record

# A condition is a heading and a part of it, such as ("budget", "backward passes").
Condition = tuple[str, str]
_STEPS: Condition = ("training steps taken", "")


@dataclass(frozen=True)
class Conditions:
    """`held` says what is equal in all rows, `differing` what makes the rows incomparable.

    `remarks` are differences that a reader must know but that don't forbid the comparison.
    """

    held: str
    differing: tuple[str, ...]
    remarks: tuple[str, ...]

    def stamp(self) -> str:
        """The sentences that stand on every table and figure."""
        held = f"Held equal in all rows: {self.held}."
        return " ".join([*warnings(self.differing), held, *self.remarks])


def warnings(differing: Sequence[str]) -> list[str]:
    """The mark of a comparison that was asked for with `--anyway`, if it needs one."""
    if not differing:
        return []
    return [f"NOT A FAIR COMPARISON (--anyway): {'; '.join(differing)}."]


def conditions(cells: Sequence[Cell]) -> Conditions:
    """The conditions of the cells that have records; rows are compared within each panel.

    A panel is a pair, allocation and protocol: between panels, checkpoints may differ.
    """
    recorded = [(cell.label, cell.record) for cell in cells if cell.record]
    panels: dict[tuple[str, str, str], list[tuple[str, Record]]] = {}
    for label, record in recorded:
        panel = record.pair, record.allocation, record.protocol
        panels.setdefault(panel, []).append((label, record))
    tables = {", ".join(panel): _values(rows) for panel, rows in panels.items()}
    unequal: dict[str, list[str]] = {}
    for where, table in tables.items():
        for condition, values in table.items():
            if len(values) > 1 and condition != _STEPS:
                what = f"rows differ in {_name(condition)} ({_who(values)})"
                unequal.setdefault(what, []).append(where)
    binding = [f"{what} in {_first(where)}" for what, where in unequal.items()]
    steps = [
        f"In {where}, the training steps taken differ ({_who(table[_STEPS])})."
        for where, table in tables.items()
        if len(table.get(_STEPS, ())) > 1
    ]
    return Conditions(
        _held(list(tables.values())),
        (*binding, *_mixed_methods(recorded)),
        (*steps, *_environments([record for _, record in recorded])),
    )


def refuse(differing: Sequence[str]) -> None:
    """Raises `UserError` if there is anything in it."""
    if differing:
        more = len(differing) - 3
        named = "; ".join(differing[:3]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(
            f"This is no fair comparison: {named}. Run the cells again under one setting into an "
            "empty folder, or add --anyway, which marks all that is written."
        )


Values = Mapping[Condition, Mapping[str, list[str]]]


def _values(rows: Sequence[tuple[str, Record]]) -> Values:
    """For each condition its values, and the labels that have each."""
    found: dict[Condition, dict[str, list[str]]] = {}
    all_settings = [(label, _settings(record), record.status) for label, record in rows]
    names = dict.fromkeys(name for _, settings, _ in all_settings for name in settings)
    for label, settings, status in all_settings:
        for name in names:
            # A job that failed may not have come to its checkpoint; its budget holds all the same.
            if name in settings or status == "ok":
                labels = found.setdefault(name, {}).setdefault(settings.get(name, "none"), [])
                if label not in labels:
                    labels.append(label)
    return found


def _settings(record: Record) -> dict[Condition, str]:
    """All that must be equal for two results to differ by their methods alone."""
    settings: dict[Condition, str] = {
        ("allocation", ""): record.allocation,
        ("protocol", ""): record.protocol,
        ("BatchNorm recalibration", ""): f"{record.recalibration:,} examples",
    }
    settings |= _fields("budget", record.budget.model_dump())
    for name in ("training", "schedule"):
        part = getattr(record, name)
        settings |= _fields(name, part.model_dump()) if part else {(name, ""): "none"}
    if record.status == "ok":
        for name, sha256 in (
            ("dense checkpoint", record.checkpoint_sha256),
            ("pair's settings and model", record.pair_sha256),
            ("data", record.data_sha256),
            ("harness's code", record.harness_sha256),
        ):
            settings[(name, "")] = f"sha256 {sha256[:12]}" if sha256 else "none"
        settings[("test images", "")] = _count(record.test_examples)
        settings[("prunable weights", "")] = _count(record.prunable)
        settings[_STEPS] = _count(record.spent.training_steps)
    return settings


def _fields(head: str, values: Mapping[str, Any]) -> dict[Condition, str]:
    return {
        (head, name.replace("_", " ")): f"{value:,}" if type(value) is int else str(value)
        for name, value in values.items()
    }


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _name(condition: Condition) -> str:
    head, part = condition
    return f"the {head}'s {part}" if part else f"the {head}"


def _who(values: Mapping[str, list[str]]) -> str:
    """Such as `400 for obd, kfac; 1,000 for woodfisher`."""
    return "; ".join(f"{value} for {_some(labels)}" for value, labels in values.items())


def _first(named: Sequence[str]) -> str:
    """The first of several tables, and how many more there are."""
    more = len(named) - 1
    return named[0] + (f" and {more} more table{'s' * (more > 1)}" if more else "")


def _some(labels: Sequence[str]) -> str:
    more = len(labels) - 3
    return ", ".join(labels[:3]) + (f" and {more} more" if more > 0 else "")


def _held(tables: Sequence[Values]) -> str:
    """Such as `protocol (one-shot), budget (calibration examples 400, recomputations 0)`."""
    heads: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [table[name] for table in tables if name in table]
        if any(len(value) > 1 for value in values):
            continue
        texts = dict.fromkeys(text for value in values for text in value)
        text = next(iter(texts)) if len(texts) == 1 else "equal in each table"
        heads.setdefault(name[0], []).append(f"{name[1]} {text}".strip())
    return ", ".join(f"{head} ({', '.join(parts)})" for head, parts in heads.items())


def _mixed_methods(rows: Iterable[tuple[str, Record]]) -> list[str]:
    """A row whose own cells differ in the method's fields or code."""
    methods: dict[str, list[Record]] = {}
    for label, record in rows:
        methods.setdefault(label, []).append(record)
    found = []
    for label, records in methods.items():
        fields = dict.fromkeys(name for record in records for name in record.hyperparameters)
        for name in fields:
            values = dict.fromkeys(str(record.hyperparameters.get(name)) for record in records)
            if len(values) > 1:
                found.append(f"the field {name} of {label} differs ({' and '.join(values)})")
        if len({record.method for record in records}) > 1:
            found.append(f"{label} stands for several methods")
        elif len({record.source_sha256 for record in records if record.status == "ok"}) > 1:
            found.append(f"the cells of {label} ran different versions of its code")
    return found


def _environments(records: Iterable[Record]) -> list[str]:
    """Environments may move a result by a little: said, not refused."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        there = record.environment
        parts = {"processor": there.processor, "device": there.device, "threads": there.threads}
        for name, value in {**parts, **there.versions}.items():
            found.setdefault(name, {})[str(value)] = None
    parts_differ = [
        f"{name} ({', '.join(values)})" for name, values in found.items() if len(values) > 1
    ]
    if not parts_differ:
        return []
    return [f"The records' environments differ in {', '.join(parts_differ)}."]
