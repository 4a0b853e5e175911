"""The quadratic loss of removing a set of weights together, and swaps of weights that lower it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.problem.gradients.per_example import JoinedGradients


class Removal:
    """The loss (1/m) ‖G w_P‖² = w_PᵀFw_P of removing a set P of weights without compensation.

    F = GᵀG/m for gradients G [m, d]. A weight matters only through its effect c_q = G_:q w_q [m],
    and a set through the sum r = Σ_{q∈P} c_q. So a swap costs O(m), and F is never formed.
    """

    def __init__(self, gradients: JoinedGradients, weights: Tensor) -> None:
        """Takes w [d] and G [m, d]; the effects are stored as a matrix [d, m]."""
        self.samples = gradients.shape[0]
        sizes = [layer.shape[1] for layer in gradients.layers]
        self.effects = weights.new_empty(len(weights), self.samples)
        for part, layer, own in zip(
            self.effects.split(sizes), gradients.layers, weights.split(sizes), strict=True
        ):
            torch.mul(layer.dense().T, own.unsqueeze(1), out=part)
        self.squares = self.effects.square().sum(1)

    def total(self, keep: Tensor) -> Tensor:
        """Return r [m] of the weights that `keep` [d] removes; of each row, if it is [n, d]."""
        return (~keep).to(self.effects) @ self.effects

    def loss(self, keep: Tensor) -> float:
        """Return (1/m) ‖r‖², the loss of removing the weights outside `keep` [d]."""
        return float(self.losses(keep.unsqueeze(0)))

    def losses(self, keep: Tensor) -> Tensor:
        """Return the loss [n] of each of several masks, the rows of `keep` [n, d].

        They share one pass over the effects: O(ndm) time at the speed of a matrix product.
        """
        return self.total(keep).double().square().sum(1) / self.samples

    def alone(self, total: Tensor, removed: Tensor) -> Tensor:
        """Return what changing sides alone would save or cost for each weight, in one vector [d].

        A weight i of P saves α_i = (2 c_i·r - ‖c_i‖²)/m by coming back; any other weight j costs
        β_j = (2 c_j·r + ‖c_j‖²)/m by being removed.
        """
        own = torch.where(removed, -1, 1) * self.squares
        return (2 * (self.effects @ total) + own) / self.samples

    def swaps(self, total: Tensor, back: Tensor, out: Tensor) -> Tensor:
        """Return what is added to the loss if `back` returns for each of `out` [n]: β - α - γ."""
        c = self.effects[back]
        saved = 2 * (c @ total) - self.squares[back]
        cost = 2 * (self.effects[out] @ (total - c)) + self.squares[out]
        return (cost - saved) / self.samples


@dataclass(frozen=True)
class SwapSearch:
    """Swaps removed weights with kept ones for as long as that lowers the loss of `Removal`.

    In a pass the removed weights are sorted by α, the largest saving first, and the kept ones by β
    - γ, where γ is the interaction with the first removed weight, the smallest cost first. The i-th
    removed weight may swap with a kept one at most `reach` places from the i-th: the first that
    lowers the loss by `least` or more. A pass ends once more than `misses` removed weights have
    found no partner. Source: Yu et al. 2022 (The Combinatorial Brain Surgeon), algorithm 1 with ρ,
    ε and τ.
    """

    reach: int
    least: float
    misses: int

    def improved(self, loss: Removal, keep: Tensor, within: Tensor) -> Tensor:
        """Return the mask [d] after one pass over the weights `within` [d].

        The number of weights kept stays the same.
        """
        total = loss.total(keep)
        values = loss.alone(total, ~keep)
        removed, kept = ((within & side).nonzero().squeeze(1) for side in (~keep, keep))
        if not (len(removed) and len(kept)):
            return keep
        removed = removed[values[removed].argsort(descending=True, stable=True)]
        shared = (loss.effects @ loss.effects[removed[0]]) * (2 / loss.samples)
        kept = kept[(values - shared)[kept].argsort(stable=True)]
        free = torch.ones_like(kept, dtype=torch.bool)
        keep, missed = keep.clone(), 0
        for place, back in enumerate(removed.tolist()):
            first = max(0, place - self.reach)
            near = first + free[first : place + self.reach + 1].nonzero().squeeze(1)
            lower = loss.swaps(total, back, kept[near]) <= -self.least
            if not lower.any():
                missed += 1
                if missed > self.misses:
                    break
                continue
            partner = near[lower.byte().argmax()]
            free[partner] = False
            keep[back], keep[kept[partner]] = True, False
            total = total - loss.effects[back] + loss.effects[kept[partner]]
        return keep
