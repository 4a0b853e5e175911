"""The ways from a dense model to a pruned one; all prune by the job and train by its recipe."""

from collections.abc import Callable

from bench.common.errors import MethodError
from bench.problem.problem import Target
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
    """Prune the dense model once, then train the weights that are left."""
    if retraining.saved is None:
        case.prune(case.target.sparsity)
    training = retraining.begin()
    training.set_masks({name: weight != 0 for name, weight in case.weights.items()})
    training.run(Fixed())
    retraining.finish(training)


def gradual(case: Case, retraining: Retraining) -> None:
    """Prune by the job's schedule in the course of the training."""
    training = retraining.begin()
    _keep_zeros(case, training)
    training.run(Pruning(case, training.steps_per_epoch))
    retraining.finish(training)


def sparse_training(case: Case, retraining: Retraining) -> None:
    """Let the method find its mask in the course of the training."""
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
"""What protocols do that don't train, by name."""

TRAINED: dict[str, Callable[[Case, Retraining], None]] = {
    "fine-tune": fine_tune,
    "gradual": gradual,
    "sparse-training": sparse_training,
}
"""What protocols do that train."""


class Fixed(Sparsifier):
    """The masks stay as they are."""

    def before_step(self, training: Training) -> None:
        """Pruning has ended before the first step."""
        if training.step == 0:
            training.pruning_ended()


class Pruning(Sparsifier):
    """The job's method prunes by the job's schedule, each time within what is left."""

    def __init__(self, case: Case, steps_per_epoch: int) -> None:
        if case.job.schedule is None:
            raise MethodError("gradual pruning needs a schedule")
        self._case = case
        self._plan = case.job.schedule.sparsities(case.target.sparsity, steps_per_epoch)

    def before_step(self, training: Training) -> None:
        """Prune where the plan says so, in evaluation mode."""
        if training.step not in self._plan:
            return
        goal = Target(self._plan[training.step], self._case.job.allocation)
        if shortfall(training.masks, goal) is not None:
            return  # more was zero in the dense model than is to go by now
        with training.paused():
            self._case.prune(goal.sparsity, training.masks)
        training.set_masks({name: weight != 0 for name, weight in self._case.weights.items()})
        if training.step == max(self._plan):
            training.pruning_ended()


def _keep_zeros(case: Case, training: Training) -> None:
    """Weights that are zero in the dense model stay so from the first step on."""
    if case.left is not None:
        training.set_masks(case.left)


def _start_anew(case: Case) -> None:
    """New weights that follow from the job's seed, but for frozen parts, which stay as they are."""
    seed = case.problem(0.0).generator("new weights").initial_seed()
    state = case.dense.pair.build(seed).state_dict()
    dense = case.model.state_dict()
    state |= {
        name: dense[name] for name in frozen_state(case.model, case.dense.frozen) & set(dense)
    }
    case.model.load_state_dict(state)
