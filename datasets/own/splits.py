"""Draws a split from a table: a fraction of each class, by a seed that is all it depends on."""

import torch
from torch import Tensor

from datasets.own.table import Table


def hold_out(table: Table, fraction: float, seed: int) -> tuple[Table, Table]:
    """Return what is kept of the table and what is held out, both in the table's order.

    Of each class's n examples round(fraction * n) are held out, chosen at random, at least one if
    n is at least two, and never all. Where labels aren't classes, all examples are of one. Cost:
    O(n log n).
    """
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(table.labels), dtype=torch.bool)
    classes = table.labels if table.classified else torch.zeros(len(held), dtype=torch.int64)
    for label in classes.unique():
        members = (classes == label).nonzero().squeeze(1)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1) if fraction else 0
        held[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return taken(table, ~held), taken(table, held)


def taken(table: Table, mask: Tensor) -> Table:
    """Return the examples where the mask [n] is True."""
    return Table(table.inputs[mask], table.labels[mask], table.names)
