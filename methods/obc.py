"""ExactOBS (Frantar & Alistarh 2022, Optimal Brain Compression)."""

from dataclasses import dataclass

from torch import Tensor

from bench.problem.problem import Problem, Target
from bench.problem.weights import Scores, Weights
from methods.combinatorial.elimination import Trace, elimination
from methods.curvature.factors import Moments, diagonal_of
from methods.curvature.kronecker import SharedInverse
from methods.method import Count, Method
from methods.search import Damping


@dataclass(frozen=True)
class Elimination:
    """The damped H⁻¹ of each layer, and the order in which all weights of its units are removed."""

    inverses: dict[str, SharedInverse]
    traces: dict[str, Trace]


@dataclass(frozen=True)
class OBC(Method):
    """OBS on each layer's own output error, one weight after the other with an exact inverse.

    The error (1/n) Σ_i Σ_t ‖δW x_it‖² of a layer separates into one problem per output unit, all
    with H = (2/n) Σ_i Σ_t x_it x_itᵀ [in, in] over n = `samples` examples and the positions t of a
    convolution, plus `damping` times the mean of H's diagonal. A convolution in groups has an H for
    each, and the mean is over the diagonals of all, so that a group whose inputs are all zero is
    damped too. In each unit the weight with the smallest w_q² / (2 [H⁻¹]_qq) is removed, the others
    move, and H⁻¹ becomes that of the remaining weights, until none is left. A weight's score is the
    largest loss that a removal in its unit has added up to its own: so at every step the next
    weight that is cheapest of all units goes. The survivors are the least-squares solution on their
    support, which is where the single moves end.
    Cost: n forward passes, no labels and no backward pass; O(Σ n T in² + out in³) time.

    Differs from the paper: damping is always on, as in the authors' later SparseGPT, where their
    code for OBC adds I to an H that is singular; the statistics of batch normalisation, which that
    code re-estimates afterwards, are left to the study. A global ranking is a variation.
    """

    samples: Count = 1000
    damping: Damping = 1e-2

    @property
    def uses_labels(self) -> bool:
        """False: the method uses the inputs of layers only."""
        return False

    def estimate(self, problem: Problem) -> Elimination:
        """Eliminate all weights of each unit: what remains at any sparsity is a start of it."""
        with problem.phase("inverse"):
            inverses = self.inverses(problem)
        with problem.phase("selection"):
            return Elimination(inverses, eliminations(problem, inverses))

    def apply(self, problem: Problem, estimate: Elimination) -> Weights:
        """Remove as many weights per unit as rank lowest, in the unit's order; refit the rest."""
        traces = estimate.traces
        with problem.phase("selection"):
            masks = problem.select(_scores(problem, traces), within=problem.support)
            keep = {name: traces[name].kept(mask.flatten(1)) for name, mask in masks.items()}
        with problem.phase("update"):
            return refitted(problem.weights, estimate.inverses, keep)

    def scores(self, problem: Problem) -> Scores:
        """Return for each weight the largest loss added in its unit up to its own removal."""
        return _scores(problem, self.estimate(problem).traces)

    def inverses(self, problem: Problem) -> dict[str, SharedInverse]:
        """Return the damped H⁻¹ of each layer."""
        moments = Moments()
        for columns in problem.inputs(self.samples):
            moments.add(columns)
        inverses = {}
        for name, mean in moments.means.items():
            hessian = 2 * mean
            diagonal_of(hessian).add_(self.damping * diagonal_of(hessian).mean())
            weight = problem.weights[name]
            inverses[name] = SharedInverse(hessian, len(weight), weight.dtype)
        return inverses

    def remarks(self, target: Target) -> list[str]:
        """Return the remark that a global ranking isn't the paper's method, if it applies."""
        if target.allocation == "global":
            return [
                "a global ranking across layers is a variation of OBC, which prunes each layer to "
                "its own ratio"
            ]
        return []


def eliminations(problem: Problem, inverses: dict[str, SharedInverse]) -> dict[str, Trace]:
    """Return the greedy removal of all of each layer's weights."""
    traces, support = {}, problem.support
    for name, weight in problem.weights.items():
        gone = None if support is None else ~support[name].flatten(1)
        traces[name] = elimination(weight.flatten(1), inverses[name].by_group, gone)
    return traces


def refitted(
    weights: Weights, inverses: dict[str, SharedInverse], keep: dict[str, Tensor]
) -> Weights:
    """Return the least-squares solution of each layer on the support `keep`, masks [out, in]."""
    pruned = {}
    for name, weight in weights.items():
        mask = keep[name].view(weight.shape)
        removed = weight.masked_fill(mask, 0)
        move = inverses[name].joint_move(removed.flatten(), mask.flatten())
        pruned[name] = (weight + move.view(weight.shape)).masked_fill(~mask, 0)
    return pruned


def _scores(problem: Problem, traces: dict[str, Trace]) -> Scores:
    """Return the traces' scores, shaped like the weights."""
    weights = problem.weights
    return {name: trace.scores().view(weights[name].shape) for name, trace in traces.items()}
