"""Carries out the protocols; all prune by the job's method and train by the job's recipe."""

from collections.abc import Callable

from bench.common.errors import MethodError
from bench.problem.training.frozen import frozen_state
from bench.problem.training.loop import Sparsifier, Training
from bench.run.case import Case
from bench.run.present import shortfall
from bench.run.retrain import Retraining
from methods.sparse_training import SparseTraining


def one_shot(case: Case) -> None:
    """Prune the dense model once."""
    case.prune(case.target.sparsity)


def fine_tune(case: Case, retraining: Retraining) -> None:
    """Prune the dense model once, then train the remaining weights."""
    if retraining.saved is None:
        case.prune(case.target.sparsity)
    training = retraining.begin()
    training.set_masks({name: weight != 0 for name, weight in case.weights.items()})
    training.run(Fixed())
    retraining.finish(training)


def gradual(case: Case, retraining: Retraining) -> None:
    """Prune by the job's schedule during the training."""
    training = retraining.begin()
    _keep_zeros(case, training)
    training.run(Pruning(case, training.steps_per_epoch))
    retraining.finish(training)


def sparse_training(case: Case, retraining: Retraining) -> None:
    """Let the method find its mask during the training."""
    method = case.method
    if not isinstance(method, SparseTraining):
        raise MethodError(f"{case.job.method} doesn't train: it needs another protocol")
    if method.starts_anew:
        _start_anew(case)
    training = retraining.begin()
    if not method.starts_anew:
        _keep_zeros(case, training)
    method.train(training, case.target)
    retraining.finish(training)


PRUNED: dict[str, Callable[[Case], None]] = {"one-shot": one_shot}
"""The function of each protocol that doesn't train, by the protocol's name."""

TRAINED: dict[str, Callable[[Case, Retraining], None]] = {
    "fine-tune": fine_tune,
    "gradual": gradual,
    "sparse-training": sparse_training,
}
"""The function of each protocol that trains, by the protocol's name."""


class Fixed(Sparsifier):
    """Keeps the masks as they are for the whole training."""

    def before_step(self, training: Training) -> None:
        """Signal before the first step that pruning has ended."""
        if training.step == 0:
            training.pruning_ended()


class Pruning(Sparsifier):
    """Lets the job's method prune by the job's schedule, each time among the remaining weights."""

    def __init__(self, case: Case, steps_per_epoch: int) -> None:
        if case.job.schedule is None:
            raise MethodError("gradual pruning needs a schedule")
        self._case = case
        self._plan = case.job.schedule.sparsities(case.target.sparsity, steps_per_epoch)

    def before_step(self, training: Training) -> None:
        """Prune in evaluation mode at the steps of the schedule."""
        if training.step not in self._plan:
            return
        goal = self._case.step_to(self._plan[training.step])
        if shortfall(training.masks, goal) is not None:
            return  # more weights are zero in the dense model than should be now
        with training.paused():
            self._case.prune(goal.sparsity, training.masks)
        training.set_masks({name: weight != 0 for name, weight in self._case.weights.items()})
        if training.step == max(self._plan):
            training.pruning_ended()


def _keep_zeros(case: Case, training: Training) -> None:
    """Keep weights that are zero in the dense model at zero from the first step on."""
    if case.left is not None:
        training.set_masks(case.left)


def _start_anew(case: Case) -> None:
    """Give the model new weights that follow from the job's seed; frozen parts stay as they are."""
    seed = case.problem(0.0).generator("new weights").initial_seed()
    state = case.dense.pair.build(seed).state_dict()
    dense = case.model.state_dict()
    state |= {
        name: dense[name] for name in frozen_state(case.model, case.dense.frozen) & set(dense)
    }
    case.model.load_state_dict(state)
