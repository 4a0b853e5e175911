"""Switches a model between training and evaluation, and runs one forward pass in training."""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench.common.errors import MethodError
from bench.jobs.recipe import Recipe
from bench.problem.training.frozen import frozen_norms, set_trainable


class TrainingMode:
    """Switches a model between training and evaluation; the parameters in `frozen` never train.

    Normalisation layers of frozen parts keep their running statistics, see `frozen.py`, and so do
    all BatchNorm layers if the recipe says so.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, frozen: Collection[str]) -> None:
        self._model, self._recipe, self._frozen = model, recipe, frozenset(frozen)
        self._still = frozen_norms(model, frozen)
        if recipe.batchnorm == "frozen":
            self._still += [m for m in model.modules() if isinstance(m, _BatchNorm)]

    def begin(self) -> None:
        """Let all but the frozen parameters have gradients; the first pass sets training mode."""
        set_trainable(self._model.eval(), self._frozen)

    def end(self) -> None:
        """Turn gradients off and set evaluation mode."""
        self._model.requires_grad_(False).eval()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Turn gradients off and set evaluation mode for the duration of the `with` block."""
        flags = [(parameter, parameter.requires_grad) for parameter in self._model.parameters()]
        self.end()
        yield
        for parameter, trains in flags:
            parameter.requires_grad_(trains)

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the model's outputs [n, ...] in training mode and in the recipe's precision.

        Raises `MethodError` if n = 1 and the model normalises by the statistics of its batch.
        """
        self._switch_on()
        try:
            with self._precision(inputs.device):
                outputs: Tensor = self._model(inputs)
        except ValueError as error:
            if len(inputs) == 1 and "Expected more than 1 value per channel" in str(error):
                raise MethodError(
                    "the model normalises by the statistics of its batch, and one example has "
                    "none: train it on batches of two or more"
                ) from error
            raise
        return outputs

    def _switch_on(self) -> None:
        """Set training mode again after an evaluation in between; does nothing if it is set."""
        if self._model.training:
            return
        self._model.train()
        for module in self._still:
            module.eval()

    def _precision(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        if self._recipe.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device.type, torch.bfloat16)
