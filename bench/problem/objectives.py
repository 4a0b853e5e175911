"""The objectives that a pair can have: classification, language models, regression.

Every loss of one example is the negative log-likelihood of its targets, up to a constant and, for
language models, up to the factor 1/t. Nothing else in the suite computes a loss.
"""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.common.errors import MethodError
from bench.problem.objective import Objective, Reduction, Score, reduced, whole

ABSENT = -100
"""In place of a token: its position has no share in the loss."""


class Classification(Objective):
    """Cross-entropy of logits [n, classes] and labels [n]; terms are the classes."""

    name = "classification"
    expects = "logits [n, classes] and whole labels [n]"
    metric = "accuracy"

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        reduction: Reduction = "sum",
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return the cross-entropy in nats."""
        return F.cross_entropy(outputs, targets, reduction=reduction, label_smoothing=smoothing)

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the class probabilities [n, classes]."""
        return outputs.softmax(dim=1)

    def drawn(self, predicted: Tensor, generator: torch.Generator) -> Tensor:
        """Return labels [n], each drawn from its row of class probabilities."""
        labels = torch.multinomial(predicted.cpu(), 1, generator=generator).squeeze(1)
        return labels.to(predicted.device)

    def term_weights(self, predicted: Tensor) -> Tensor:
        """Return the probabilities: diag p - p pᵀ = Σ_c p_c (p - e_c)(p - e_c)ᵀ."""
        return predicted

    def term(self, number: int, targets: Tensor, predicted: Callable[[], Tensor]) -> Tensor:
        """Return this class for every example."""
        return torch.full_like(targets, number)

    def distant(self, outputs: Tensor) -> Tensor:
        """Return the least likely class of each example."""
        return outputs.argmin(1)

    def fits(self, outputs: Tensor, targets: Tensor) -> bool:
        """Return whether they are as `expects` says."""
        return outputs.dim() == 2 and targets.shape == outputs.shape[:1] and whole(targets)

    def choices(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and labels as they are."""
        return outputs, targets


class LanguageModel(Objective):
    """The mean cross-entropy of an example's t tokens: logits [n, t, vocabulary], targets [n, t].

    It is the mean and not the sum, so that gradients, learning rates and damping don't grow with
    the length of the text, and the exponential of the mean loss is the perplexity. As all examples
    have t tokens, the mean over examples is the mean over tokens. The true Fisher draws one token
    for each position; the tokens are independent given the logits, so that it is 1/t of the
    Gauss-Newton matrix: the loss is 1/t of a log-likelihood. Terms are vocabulary × t, each the
    loss of one token at one position.
    """

    name = "language-model"
    expects = "logits [n, t, vocabulary] and whole tokens [n, t]"
    metric = "perplexity"

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        reduction: Reduction = "sum",
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return the mean cross-entropy over positions, in nats; no token is `ABSENT` in data."""
        tokens = F.cross_entropy(
            outputs.flatten(0, 1),
            targets.flatten(),
            reduction="none",
            ignore_index=ABSENT,
            label_smoothing=smoothing,
        )
        return reduced(tokens.view(targets.shape).mean(1), reduction)

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the probabilities of the tokens [n, t, vocabulary]."""
        return outputs.softmax(dim=-1)

    def drawn(self, predicted: Tensor, generator: torch.Generator) -> Tensor:
        """Return tokens [n, t], each drawn from the probabilities of its position."""
        tokens = torch.multinomial(predicted.flatten(0, 1).cpu(), 1, generator=generator)
        return tokens.view(predicted.shape[:2]).to(predicted.device)

    def term_weights(self, predicted: Tensor) -> Tensor:
        """Return t p [n, vocabulary × t]; t, as the loss at a position is divided by t."""
        return predicted.transpose(1, 2).flatten(1) * predicted.shape[1]

    def term(self, number: int, targets: Tensor, predicted: Callable[[], Tensor]) -> Tensor:
        """Return one token at one position, and `ABSENT` elsewhere."""
        token, position = divmod(number, targets.shape[1])
        found = torch.full_like(targets, ABSENT)
        found[:, position] = token
        return found

    def distant(self, outputs: Tensor) -> Tensor:
        """Return the least likely token of each position."""
        return outputs.argmin(-1)

    def fits(self, outputs: Tensor, targets: Tensor) -> bool:
        """Return whether they are as `expects` says."""
        return outputs.dim() == 3 and targets.shape == outputs.shape[:2] and whole(targets)

    def choices(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits [n t, vocabulary] and tokens [n t] of all positions."""
        return outputs.flatten(0, 1), targets.flatten()

    def score(self, loss: float, error: float, outputs: int) -> Score:
        """Return the perplexity, which is infinite where the loss is beyond 709 nats."""
        value = math.exp(loss) if loss < 709 else math.inf
        return Score(value, value * error)


class Regression(Objective):
    """½ ‖y - ŷ‖² of outputs ŷ [n, ...] and targets y of the same shape, summed over the outputs.

    So the predictive distribution is N(ŷ, I), and the Hessian in the outputs is the identity: the
    terms are the outputs of an example, each with the weight 1. The metric is the mean squared
    error over examples and outputs.
    """

    name = "regression"
    expects = "outputs [n, ...] and fractional targets of the same shape"
    metric = "mse"

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        reduction: Reduction = "sum",
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return half the squared distances; raises `MethodError` for a label smoothing."""
        if smoothing:
            raise MethodError("label_smoothing is of classes: a regression's recipe must leave it")
        squares = (outputs - targets).square().reshape(len(outputs), -1)
        return reduced(squares.sum(1) / 2, reduction)

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the mean [n, ...]: the outputs."""
        return outputs

    def drawn(self, predicted: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean with standard normal noise added to each output."""
        noise = torch.randn(predicted.shape, generator=generator, dtype=predicted.dtype)
        return predicted + noise.to(predicted.device)

    def term_weights(self, predicted: Tensor) -> Tensor:
        """Return ones [n, outputs]: I = Σ_k e_k e_kᵀ."""
        return torch.ones_like(predicted).reshape(len(predicted), -1)

    def term(self, number: int, targets: Tensor, predicted: Callable[[], Tensor]) -> Tensor:
        """Return ŷ - e_k, at which the gradient in the outputs is e_k."""
        found = predicted().clone()
        found.view(len(found), -1)[:, number] -= 1
        return found

    def distant(self, outputs: Tensor) -> Tensor:
        """Return targets 1 above every output."""
        return outputs + 1

    def fits(self, outputs: Tensor, targets: Tensor) -> bool:
        """Return whether they are as `expects` says."""
        return outputs.shape == targets.shape and targets.is_floating_point()

    def score(self, loss: float, error: float, outputs: int) -> Score:
        """Return the mean squared error: twice the loss over the number of outputs."""
        return Score(2 * loss / outputs, 2 * error / outputs)


CLASSIFICATION = Classification()
OBJECTIVES: Mapping[str, Objective] = {
    one.name: one for one in (CLASSIFICATION, LanguageModel(), Regression())
}
"""Every objective by name, as `Pair(objective=NAME)` has it."""
