"""A dataset of the user's own in memory: where it comes from, and how it is split."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bench.common.errors import UserError
from bench.common.randomness import fixed
from datasets.dataset import Dataset, Split
from datasets.folder import contents
from datasets.own.given import table_of
from datasets.own.splits import hold_out
from datasets.own.table import Files, Table, check_classes, checked

log = logging.getLogger(__name__)

Given = Callable[[], Any] | Files
"""A function that returns (inputs, labels) or a torch dataset, or files to read."""


@dataclass(frozen=True)
class TensorDefinition:
    """A dataset that is held in memory, of any type and shape: features, images or tokens.

    `data` is a function that returns (inputs [n, ...], labels [n]) as tensors or arrays, or a
    map-style torch dataset with items (input, label); or it is `ImageFiles` or `ArrowFiles`. `test`
    and `validation` are given likewise, or as the fraction of each class that is held out, drawn by
    `seed`; a validation fraction of 0 holds nothing out. `classes` is their number, by default one
    more than the largest of labels [n]; labels may also be tokens [n, ...] or floating-point. Of
    inputs, uint8 are pixels from 0 to 255, other whole numbers are tokens.

    The digest is the SHA-256 over the bits of the three splits: when the data or the split change,
    the records made of them are stale. A function is called with fixed random states.
    """

    name: str
    data: Given
    test: Given | float
    classes: int | None = None
    validation: Given | float = 0.1
    seed: int = 0
    summary: str = "your own data"

    split: ClassVar[None] = None
    """How the splits are made isn't part of a pair's hash: the digest tells what they are."""

    def dataset(self) -> Dataset:
        """Return the dataset with its three splits; raises `UserError` for what can't be used."""
        for what, share in (("test", self.test), ("validation", self.validation)):
            if fault := _fault(what, share):
                raise UserError(f"The dataset {self.name} can't be used: {fault}.")
        given = self._given()
        classes = self._classes(given)
        train, parts = given["data"], {}
        for what, share in (("test", self.test), ("validation", self.validation)):
            if isinstance(share, int | float):
                train, parts[what] = hold_out(train, float(share), self.seed)
            else:
                parts[what] = given[what]
        if not len(parts["test"].labels):
            raise UserError(
                f"The dataset {self.name}: of {len(train.labels):,} examples, one of each class, "
                "none can be held out for the test split."
            )
        if classes is not None and train.classified:
            self._check_complete(train, classes)
        tables = (train, parts["validation"], parts["test"])
        learned, chosen, tested = (Split(table.inputs, table.labels) for table in tables)
        named = digest(classes, tables)
        data = Dataset(self.name, classes, learned, chosen, tested, named)
        log.info("%s: %s", self.name, contents(data, "examples"))
        return data

    def _given(self) -> dict[str, Table]:
        """Return the checked table of each field that isn't a fraction."""
        fields = {"data": self.data, "test": self.test, "validation": self.validation}
        tables = {
            what: self._table(what, given)
            for what, given in fields.items()
            if not isinstance(given, int | float)
        }
        for what, table in tables.items():
            self._check_alike(what, table, tables["data"])
        return tables

    def by_hand(self) -> str:
        """Return a sentence on where the data come from."""
        return "Its data are your own, and its plug-in says where they are."

    def missing(self) -> str:
        """Return a sentence on the files that aren't there; empty if all are. Quick."""
        for given in (self.data, self.test, self.validation):
            if hasattr(given, "missing") and (reason := given.missing()):
                return f"{reason}."
        return ""

    def _where(self, what: str) -> str:
        return f"The dataset {self.name}" + ("" if what == "data" else f", its {what} data")

    def _table(self, what: str, given: Any) -> Table:
        """Return the checked table of one field."""
        where = self._where(what)
        if hasattr(given, "read"):
            try:
                table = given.read(self.name)
            except UserError as error:
                raise UserError(f"{where}: {error}") from error
            return checked(where, *table)
        if not callable(given):
            raise UserError(
                f"{where} must be a function that returns (inputs, labels), or files to read, not "
                f"a {type(given).__name__}."
            )
        with fixed(self.seed):
            try:
                made = given()
            except UserError:
                raise
            except Exception as error:  # the function is the user's own, and may raise anything
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise UserError(f"{where} can't be made ({reason}).") from error
            return table_of(where, made)

    def _classes(self, given: dict[str, Table]) -> int | None:
        """Return the number of classes, None for labels that are none; raises `UserError`."""
        data, classes = given["data"], self.classes
        if classes is None:
            if data.names is not None:
                classes = len(data.names)
            elif data.classified:
                classes = 1 + max(int(table.labels.max()) for table in given.values())
        elif not isinstance(classes, int) or classes < 2:
            raise UserError(
                f"The dataset {self.name}: classes must be a number of at least 2, not {classes!r}."
            )
        if classes is not None:
            for what, table in given.items():
                check_classes(self._where(what), table, classes)
        return classes

    def _check_alike(self, what: str, table: Table, train: Table) -> None:
        for part, one, other in (
            ("inputs", table.inputs, train.inputs),
            ("labels", table.labels, train.labels),
        ):
            mine, others = (f"{list(t.shape[1:])} of {t.dtype}" for t in (one, other))
            if mine != others:
                raise UserError(
                    f"{self._where(what)}: {part} are {mine}, those of data are {others}."
                )
        if table.names != train.names:
            odd = sorted(set(table.names or ()) ^ set(train.names or ()))
            raise UserError(
                f"{self._where(what)}: classes aren't those of data, differing in "
                f"{', '.join(odd[:5])}{' and others' if len(odd) > 5 else ''}."
            )

    def _check_complete(self, train: Table, classes: int) -> None:
        empty = (train.labels.bincount(minlength=classes) == 0).nonzero().flatten().tolist()
        if empty:
            names = [str(train.names[label] if train.names else label) for label in empty[:5]]
            raise UserError(
                f"The dataset {self.name}: of {classes:,} classes {len(empty):,} have no example "
                f"to train on ({', '.join(names)}{', ...' if len(empty) > 5 else ''}): classes are "
                "numbered from 0 without gaps."
            )


def digest(classes: int | None, tables: tuple[Table, ...]) -> str:
    """Return the SHA-256 over the types, shapes and bits of all splits."""
    whole = hashlib.sha256(f"{classes} classes\n".encode())
    for table in tables:
        for values in (table.inputs, table.labels):
            whole.update(f"{values.dtype} {list(values.shape)}\n".encode())
            whole.update(_bytes(values))
    return whole.hexdigest()


def _bytes(values: Tensor) -> memoryview:
    return values.contiguous().flatten().view(torch.uint8).numpy().data


def _fault(what: str, share: object) -> str:
    """Return why the field can't say how much is held out; empty if it can."""
    if callable(share) or hasattr(share, "read"):
        return ""
    lowest = "from 0" if what == "validation" else "above 0"
    if isinstance(share, bool) or not isinstance(share, int | float):
        return f"{what} must be a fraction or its own data as in `data`, not {share!r}"
    if not (0 <= share < 1) or (what == "test" and share == 0):
        return f"{what} must be a fraction {lowest} to below 1, not {share!r}"
    return ""
