"""The one training loop of the suite: dense training, fine-tuning, gradual and sparse training."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bench.common.errors import MethodError
from bench.jobs.budget import Meter
from bench.jobs.recipe import Recipe
from bench.problem.objective import Objective
from bench.problem.objectives import CLASSIFICATION
from bench.problem.training.mode import TrainingMode
from bench.problem.training.optimizer import clip, make_optimizer, make_schedule, stop_weight_decay
from bench.problem.training.saver import Saver
from bench.problem.weights import Masks
from datasets.inputs.augmentation import AUGMENTATIONS
from datasets.inputs.split_inputs import Inputs

Progress = Callable[[int, int], None]
"""A function that is called after each training step with the steps done and the steps in all."""


class Diverged(MethodError):
    """Raised when the training loss or a parameter has become NaN or infinite."""


class Sparsifier:
    """Decides during training which weights are kept; this base class changes nothing."""

    def attach(self, training: "Training") -> None:
        """Called once before the optimiser is made; may reparametrise the model."""

    def before_step(self, training: "Training") -> None:
        """Called before each step, and once more after the last."""

    def on_gradients(self, training: "Training") -> None:
        """Called after each backward pass, when removed weights still have their gradients too."""

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs beside the model, the masks and the optimiser."""
        return {}

    def restore(self, training: "Training", state: dict[str, Any]) -> None:
        """Take up the state that `state` returned, after the model and the masks are restored."""


class Training:
    """A model in training: the loop, and everything that a `Sparsifier` may read and set.

    `parameters` holds the trained tensors of the prunable weights by name; `step` counts the steps
    done out of `steps`. Weights outside the masks are exactly zero at every step, and so are their
    entries in the optimiser's state. `emergent_sparsity` is the sparsity that a method reached by
    itself before it was projected to the target; None for methods that meet the target directly.
    """

    def __init__(
        self,
        model: nn.Module,
        prunable: Mapping[str, str],
        images: Inputs,
        recipe: Recipe,
        generator: torch.Generator,
        meter: Meter | None = None,
        progress: Progress = lambda *_: None,
        saver: Saver | None = None,
        frozen: Collection[str] = (),
        objective: Objective = CLASSIFICATION,
    ) -> None:
        """`prunable` maps the name of each prunable parameter to its module.

        All randomness comes from `generator`. Charges each training step to `meter`, calls
        `progress(step, steps)` after it, and passes the state to `saver`, if there is one, when it
        is due. The parameters named in `frozen` don't train, see `frozen.py` beside this file.
        Raises `MethodError` if there are no images.
        """
        if not len(images):
            raise MethodError("there are no images to train on: the training split is empty")
        self.model = model
        self.prunable = dict(prunable)
        self.recipe = recipe
        self.generator = generator
        self.parameters = {name: model.get_parameter(name) for name in prunable}
        self.steps_per_epoch = recipe.steps(len(images))
        self.steps = recipe.epochs * self.steps_per_epoch
        self.step = 0
        self.losses: list[float] = []
        self.emergent_sparsity: float | None = None
        self._masks: dict[str, Tensor] = {}
        self._mode = TrainingMode(model, recipe, frozen)
        self._images, self._meter, self._progress, self._saver = images, meter, progress, saver
        self._objective = objective
        self._augmentation = AUGMENTATIONS[recipe.augmentation]
        self._optimizer: Optimizer | None = None
        self._order = torch.empty(0, dtype=torch.long)
        self._loss = torch.zeros((), device=next(model.parameters()).device)

    @property
    def masks(self) -> Masks | None:
        """True where a weight is kept, by parameter name; None before anything was removed."""
        return {name: mask.bool() for name, mask in self._masks.items()} or None

    def set_masks(self, masks: Masks) -> None:
        """Zero all weights outside the masks, and their momentum, and keep them at zero."""
        for name, parameter in self.parameters.items():
            mask = masks[name].to(parameter.dtype)
            self._masks[name] = mask
            with torch.no_grad():
                parameter.mul_(mask)
            if self._optimizer is not None:
                for value in self._optimizer.state[parameter].values():
                    if torch.is_tensor(value) and value.shape == mask.shape:
                        value.mul_(mask)

    def pruning_ended(self) -> None:
        """Signal that no more weights will be removed: weight decay stops if the recipe says so."""
        if not self.recipe.decay_after_pruning:
            stop_weight_decay(self.optimizer)

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser; raises `MethodError` before `run` was called."""
        if self._optimizer is None:
            raise MethodError("asked for the optimiser before the training began")
        return self._optimizer

    def run(self, sparsifier: Sparsifier | None = None) -> None:
        """Train to the end of the recipe; an interrupted training resumes from its saved state.

        The same model, images, recipe, generator and thread count give the same bits, however often
        the training was interrupted. Raises `Diverged` if the loss or a parameter stops being
        finite, and `OverBudget` before a step that the budget doesn't allow.
        """
        sparsifier = sparsifier or Sparsifier()
        sparsifier.attach(self)
        self._mode.begin()
        self._optimizer = make_optimizer(self.model, self.recipe)
        self._schedule = make_schedule(self._optimizer, self.recipe, self.steps_per_epoch)
        self.step = 0
        saved = self._saver.saved if self._saver is not None else None
        with self._own_randomness():
            if saved is not None:
                self._restore(saved, sparsifier)
            self._loop(sparsifier)
        self._check_finite()
        self._mode.end()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the model is in evaluation mode and has no gradients."""
        return self._mode.paused()

    def _loop(self, sparsifier: Sparsifier) -> None:
        while True:
            sparsifier.before_step(self)
            if self.step >= self.steps:
                return
            self._one_step(sparsifier)
            self._progress(self.step, self.steps)
            if self._saver is not None and self._saver.due():
                self._saver.save(self._state(sparsifier))

    def _one_step(self, sparsifier: Sparsifier) -> None:
        if self._meter is not None:
            self._meter.charge("training_steps", 1)
        positions = self._next_positions()
        inputs, targets = self._images.batch(positions, self._augmentation, self.generator)
        outputs = self._mode.outputs(inputs)
        loss = self._objective.loss(outputs.float(), targets, "mean", self.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        sparsifier.on_gradients(self)
        for name, mask in self._masks.items():
            gradient = self.parameters[name].grad
            if gradient is not None:  # None if the model doesn't use the layer in training
                gradient.mul_(mask)
        if self.recipe.clip_norm is not None:
            clip(self.optimizer, self.recipe.clip_norm)
        self.optimizer.step()
        self._schedule.step()
        self._loss += loss.detach()
        self.step += 1
        if self.step % self.steps_per_epoch == 0:
            self._end_epoch()

    def _next_positions(self) -> Tensor:
        if not len(self._order):
            shuffled = torch.randperm(len(self._images), generator=self.generator)
            self._order = shuffled[: self.recipe.examples(len(shuffled))]
        size = self.recipe.take(len(self._order))
        positions, self._order = self._order.tensor_split([size])
        return positions

    def _end_epoch(self) -> None:
        """Store the epoch's mean loss; raises `Diverged` if any step's loss wasn't finite."""
        loss = float(self._loss) / self.steps_per_epoch
        if not torch.isfinite(self._loss):
            raise Diverged(f"the training loss was {loss} in epoch {len(self.losses) + 1}")
        self.losses.append(loss)
        self._loss.zero_()

    def _check_finite(self) -> None:
        """Check the parameters too, which the step after the last loss may have destroyed."""
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                raise Diverged(f"{name} was NaN or infinite after the last step of the training")

    @contextlib.contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Give dropout and the like a random state of their own, and leave the global one alone."""
        device = self._loss.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self.generator.initial_seed())
            yield

    def _state(self, sparsifier: Sparsifier) -> dict[str, Any]:
        """Return everything that the rest of the training depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "masks": self._masks,
            "generator": self.generator.get_state(),
            "randomness": torch.get_rng_state(),
            "order": self._order.clone(),
            "step": self.step,
            "loss": self._loss,
            "losses": self.losses,
            "emergent sparsity": self.emergent_sparsity,
            "sparsifier": sparsifier.state(),
        }

    def _restore(self, saved: dict[str, Any], sparsifier: Sparsifier) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self._schedule.load_state_dict(saved["schedule"])
        device = self._loss.device
        self._masks = {name: mask.to(device) for name, mask in saved["masks"].items()}
        self.generator.set_state(saved["generator"])
        torch.set_rng_state(saved["randomness"])
        self._order = saved["order"]
        self.step = saved["step"]
        self._loss = saved["loss"].to(device)
        self.losses = saved["losses"]
        self.emergent_sparsity = saved["emergent sparsity"]
        sparsifier.restore(self, saved["sparsifier"])
