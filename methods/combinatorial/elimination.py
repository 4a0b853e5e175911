"""Greedy elimination of the weights of a least-squares problem, one by one with exact updates."""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 32
"""The number of removals whose updates of the inverse are collected and then made as one matrix
product."""

WORKING_SET = 2**26
"""The bytes of inverses, one per row of weights, that are updated together."""


@dataclass(frozen=True)
class Trace:
    """The order in which each row's weights were removed, and the loss that each removal added.

    `order` [out, in] holds column numbers, `losses` [out, in] the added losses, both in order of
    removal.
    """

    order: Tensor
    losses: Tensor

    def scores(self) -> Tensor:
        """Return a score [out, in] per weight: the largest loss added in its row up to its removal.

        The scores rise along each row's order of removal. So removing the smallest scores of all
        rows equals removing, again and again, the next weight of whichever row offers the cheapest
        one.
        """
        scores = torch.empty_like(self.losses)
        return scores.scatter_(1, self.order, self.losses.cummax(1).values)

    def kept(self, mask: Tensor) -> Tensor:
        """Return a mask [out, in] that removes as many weights per row as `mask`, in order.

        The order is that in which the row's weights were removed.
        """
        counts = (~mask).sum(1, keepdim=True)
        steps = torch.arange(self.order.shape[1], device=mask.device)
        return torch.empty_like(mask).scatter_(1, self.order, steps >= counts)


def elimination(weights: Tensor, inverse: Tensor, gone: Tensor | None) -> Trace:
    """Remove all weights greedily, one at a time, from each row of `weights` [out, in].

    Each row w has the loss δHδᵀ/2 and its own copy of H⁻¹ [in, in]. In `inverse` [groups, in, in],
    or [in, in] for one group, are those of equally many rows each, in order. The weight q with the
    smallest w_q² / (2 [H⁻¹]_qq) is removed, of equal ones that with the lower index; the remaining
    weights move, and the inverse becomes that of the remaining ones:

    w ← w - (w_q / [H⁻¹]_qq) H⁻¹_q:,  H⁻¹ ← H⁻¹ - H⁻¹_:q H⁻¹_q: / [H⁻¹]_qq.

    Weights marked in `gone` [out, in], which must be zero already, are removed first. In double
    precision. Cost: O(out in³ / 3) time, O(out in²) memory up to `WORKING_SET`. Source: Frantar &
    Alistarh 2022 (Optimal Brain Compression), algorithm 1 and lemma 1.
    """
    shared = inverse.double().view(-1, *inverse.shape[-2:])
    at_once = max(1, WORKING_SET // shared[0].nbytes)
    owners = torch.arange(len(weights), device=weights.device) // (len(weights) // len(shared))
    marks = torch.zeros_like(weights, dtype=torch.bool) if gone is None else gone
    parts = [
        _Rows(rows.double(), shared[own], first).removals()
        for rows, own, first in zip(
            *(rows.split(at_once) for rows in (weights, owners, marks)), strict=True
        )
    ]
    return Trace(*(torch.cat(column) for column in zip(*parts, strict=True)))


class _Rows:
    """A few rows [r, in] in the course of elimination; each has lost equally many weights."""

    def __init__(self, weights: Tensor, inverse: Tensor, gone: Tensor) -> None:
        """Takes weights [r, in] and an inverse for each row [r, in, in], which is overwritten."""
        self.weights, self.inverse, self.gone = weights.clone(), inverse, gone
        self.columns = torch.arange(weights.shape[1], device=weights.device).expand(weights.shape)
        self.every = torch.arange(len(weights), device=weights.device)

    def removals(self) -> tuple[Tensor, Tensor]:
        """Return the columns in order of removal and the loss each removal added, both [r, in]."""
        blocks = []
        while self.columns.shape[1]:
            blocks.append(self._block(min(BLOCK, self.columns.shape[1])))
        order, losses = zip(*blocks, strict=True)
        return torch.cat(order, dim=1), torch.cat(losses, dim=1)

    def _block(self, steps: int) -> tuple[Tensor, Tensor]:
        """Remove `steps` more weights from each row, then drop their columns from all matrices."""
        order, losses = [], []
        diagonal = self.inverse.diagonal(dim1=1, dim2=2).clone()
        taken = torch.zeros_like(self.gone)
        # Row k is H⁻¹_q: / √[H⁻¹]_qq of the k-th removal, after the updates of the removals before
        # it.
        factors = self.weights.new_zeros(len(self.weights), steps, self.columns.shape[1])
        for step in range(steps):
            scores = self.weights.square() / (2 * diagonal)
            chosen = scores.masked_fill(self.gone, -1).masked_fill(taken, torch.inf).argmin(1)
            here = (self.every, chosen)
            order.append(self.columns[here])
            losses.append(scores[here])
            before = factors[:, :step]
            waiting = torch.bmm(before[self.every, :, chosen].unsqueeze(1), before).squeeze(1)
            row = self.inverse[here] - waiting
            pivot = diagonal[here].unsqueeze(1)
            self.weights -= self.weights[here].unsqueeze(1) / pivot * row
            factors[:, step] = row / pivot.sqrt()
            diagonal -= factors[:, step].square()
            taken[here] = True
        self.inverse.baddbmm_(factors.mT, factors, alpha=-1)
        self._shrink(~taken)
        return torch.stack(order, dim=1), torch.stack(losses, dim=1)

    def _shrink(self, left: Tensor) -> None:
        """Drop all columns except those in `left` [r, in], which are equally many in each row."""
        kept = left.nonzero()[:, 1].view(len(left), -1)
        self.columns, self.weights, self.gone = (
            part.gather(1, kept) for part in (self.columns, self.weights, self.gone)
        )
        across = kept.unsqueeze(1).expand(-1, self.inverse.shape[1], -1)
        narrow = self.inverse.gather(2, across)
        self.inverse = narrow.gather(1, kept.unsqueeze(2).expand(-1, -1, kept.shape[1]))
