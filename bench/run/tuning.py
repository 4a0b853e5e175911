"""Chooses hyper-parameters on the validation split, with equally many trials for all methods.

Proposals are made by Optuna's (Akiba et al. 2019) tree-structured Parzen estimator (Bergstra et al.
2011).
"""

import math
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from bench.common.errors import MethodError
from bench.jobs.budget import Budget, Meter
from bench.jobs.findings import Trial
from bench.pairs.evaluate import Evaluation, evaluate
from bench.problem.calibration import seeded
from bench.run.case import Case
from methods import build
from methods.method import Method
from methods.search import Search, Space, Whole, fitted

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def tune(case: Case) -> None:
    """Give the case's method the best values of as many trials as the budget grants.

    A trial prunes the dense model to the job's target and is judged by the pair's metric on the
    validation split: by accuracy, and by the loss if accuracies are equal, or by the lower score.
    Training comes after tuning and isn't part of a
    trial. The first trial is the method as configured, and it is chosen unless another one is
    better. A method without a search space has this trial only. Each trial may use the whole
    budget, so that values are tuned for the amount of data they will be used with; what all trials
    used together is among the findings. A trial in which the method fails counts, and so does one
    with values that the fields' types refuse. If all trials fail, the first one's exception is
    raised.
    """
    space = fitted(type(case.method), case.method.space())
    count = case.job.budget.tuning_trials if space else 1
    proposals = Proposals(case.method, space, seeded(case.job.seed, "tuning").initial_seed())
    attempts: list[Attempt] = []
    began = time.perf_counter()
    for number in range(count):
        case.meter.charge("tuning_trials", 1)
        attempts.append(_attempt(case, proposals.next() if number else proposals.configured))
        proposals.tell(attempts[-1].trial.values, attempts[-1].worth)
    best = max(attempts, key=lambda attempt: attempt.worth)
    if best.error is not None:
        raise attempts[0].error or best.error
    case.method = _configured(case, best.trial.values)
    found = case.findings
    found.chosen = best.trial.values
    found.trials = [attempt.trial for attempt in attempts]
    found.tuning_spent = _sum([attempt.spent for attempt in attempts])
    spared = sum(attempt.spared for attempt in attempts)
    found.tuning_seconds = time.perf_counter() - began + spared


def remark(case: Case) -> str:
    """Return what a reader must know of the case's tuning, in one sentence."""
    spent, values = case.findings.tuning_spent, case.findings.chosen
    assert spent is not None and values is not None, "the case was tuned"
    passes = spent.backward_passes + spent.hessian_vector_products
    chosen = ", ".join(f"{name} {value}" for name, value in values.items())
    before = ", before training" if case.job.training else ""
    return (
        f"tuned on the validation split in {len(case.findings.trials)} trials{before} (Optuna "
        f"{version('optuna')}), which took {passes:,} passes in all: {chosen or 'nothing to tune'}"
    )


@dataclass(frozen=True)
class Attempt:
    """A trial and what it spent; `worth` ranks trials and is -inf if there was an `error`.

    `spared` are the seconds that it didn't take because other trials or jobs had computed the same.
    """

    trial: Trial
    spent: Budget
    worth: float = -math.inf
    error: Exception | None = None
    spared: float = 0.0


class Proposals:
    """Proposes values to try next, by field.

    The same seed and the same results give the same proposals.
    """

    def __init__(self, method: Method, space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.configured = _values(method, space)
        self._inside = all(what.contains(self.configured[name]) for name, what in space.items())
        self._space = {name: _distribution(what) for name, what in space.items()}
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked: optuna.Trial | None = None

    def next(self) -> dict[str, Any]:
        """Return proposed values for all fields of the space."""
        self._asked = self._study.ask(self._space)
        return dict(self._asked.params)

    def tell(self, values: dict[str, Any], worth: float) -> None:
        """Report what the latest values were worth; -inf if the method failed with them."""
        import optuna

        failed = worth == -math.inf
        if self._asked is not None and failed:
            self._study.tell(self._asked, state=optuna.trial.TrialState.FAIL)
        elif self._asked is not None:
            self._study.tell(self._asked, worth)
        elif self._inside and not failed:
            # Configured values outside the space, such as no damping, teach the sampler nothing.
            self._study.add_trial(
                optuna.create_trial(params=values, distributions=self._space, value=worth)
            )


def _distribution(what: Any) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(what, Whole):
        return IntDistribution(what.low, what.high, log=what.log)
    if isinstance(what, Search):
        return FloatDistribution(what.low, what.high, log=what.log)
    return CategoricalDistribution(what.values)


def _configured(case: Case, values: dict[str, Any]) -> Method:
    """Return the case's method with these values; raises `UserError` if its types refuse one."""
    return build(case.job.method, case.job.hyperparameters | values)


def _attempt(case: Case, values: dict[str, Any]) -> Attempt:
    """Prune with these values and evaluate on the validation split."""
    meter = Meter(case.job.budget)
    try:
        trial = Case(
            case.job, case.dense, _configured(case, values), meter, case.memory, cache=case.cache
        )
        trial.prune(trial.target.sparsity)
        trial.recalibrate()
        result = evaluate(trial.model, case.dense.validation, case.dense.objective)
        if not math.isfinite(result.loss):
            raise MethodError(f"the pruned model's validation loss is {result.loss}")
    except Exception as error:  # As in a job: a method's failure is data, not a crash.
        reason = f"{type(error).__name__}: {error}".strip()
        return Attempt(Trial(values=values, reason=reason), meter.spent, error=error)
    found = Trial(values=values, accuracy=result.accuracy, loss=result.loss, score=result.score)
    spared = trial.findings.reused_seconds or 0.0
    return Attempt(found, meter.spent, _worth(result), spared=spared)


def _worth(result: Evaluation) -> float:
    """Return one number that ranks by accuracy, and by lower loss where accuracies are equal.

    Where the metric isn't the accuracy, it ranks by the lower score.
    """
    if result.score is not None:
        return -result.score
    assert result.accuracy is not None, "either one is the metric"
    right = round(result.accuracy * result.examples / 100)
    return right - result.loss / (1 + result.loss)


def _values(method: Method, space: Space) -> dict[str, Any]:
    return {name: getattr(method, name) for name in space}


def _sum(spent: list[Budget]) -> Budget:
    """Return what the trials spent together.

    Calibration examples are the largest number of any trial, because all trials see the same ones.
    """
    total = {name: sum(getattr(one, name) for one in spent) for name in Budget.model_fields}
    total["calibration_examples"] = max(one.calibration_examples for one in spent)
    total["tuning_trials"] += len(spent)
    return Budget(**total)
