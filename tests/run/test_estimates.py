"""One estimate serves many jobs: the same bits and charges as separate runs, or it isn't shared."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from support.few import FEW, PRUNING
from support.grids import PAIR
from support.trained import RECIPE

from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.schedule import Gradual
from bench.pairs import evaluate as evaluation
from bench.pairs.preparing.dense import Dense
from bench.problem.cache import Cache
from bench.run import tested
from bench.run.one_job import run_job
from bench.run.sharing.watched import Watched
from methods import METHODS, build, configuration
from methods.magnitude import Magnitude
from methods.method import Method

BUDGET = Budget(
    calibration_examples=2000, backward_passes=2000, recomputations=20, hessian_vector_products=2000
)
SPLIT = [name for name in PRUNING if name not in ("cbs", "chita", "chita++")]


def make(method: str, fields: dict[str, Any] | None = None, **changes: Any) -> Job:
    values = {
        "pair": PAIR,
        "method": method,
        "hyperparameters": configuration(build(method, FEW.get(method, {}) | (fields or {}))),
        "allocation": "global",
        "sparsity": 0.9,
        "seed": 0,
        "protocol": "one-shot",
        "budget": BUDGET,
    }
    return Job(**(values | changes))


@pytest.fixture
def dense(pairs) -> Dense:
    return pairs[PAIR]


@pytest.fixture
def shared(dense):
    """Runs a job with one cache for all of them."""
    cache = Cache(2**30)
    return lambda job: run_job(job, dense, "study", job.method, cache=cache)


@pytest.fixture
def plugin(monkeypatch):
    """Registers a method for one test."""

    def register(kind: type[Method]) -> str:
        monkeypatch.setitem(METHODS, "own", kind)
        return "own"

    return register


def same(one, other) -> None:
    """Everything of two records that doesn't depend on the clock or the memory is equal."""
    assert (one.status, one.reason) == (other.status, other.reason)
    for name in ("weights_sha256", "mask_sha256", "accuracy", "loss", "flops", "spent", "notes"):
        assert getattr(one, name) == getattr(other, name), name


def test_these_are_all_methods_that_split() -> None:
    assert [name for name in PRUNING if build(name, {}).splits] == SPLIT


@pytest.mark.parametrize("name", PRUNING)
def test_a_row_of_cells_is_that_of_separate_runs(name, dense, shared) -> None:
    fields = {"samples": 5} if name in ("obc", "l-obs", "chita++") else {}
    targets = [("global", 0.5), ("layerwise", 0.9), ("global", 0.95)]
    for number, (allocation, sparsity) in enumerate(targets):
        job = make(name, fields, allocation=allocation, sparsity=sparsity)
        alone = run_job(job, dense, "study", name)
        found = shared(job)
        assert alone.status == "ok", alone.reason
        same(found, alone)
        assert alone.reused_seconds is None
        if name in SPLIT:
            assert bool(found.reused_seconds) == (number > 0)
            if number:
                assert found.prune_seconds > found.reused_seconds
                parts = sum(found.phase_seconds.values())
                assert parts <= found.prune_seconds * 1.01 + 1e-3


def test_seeds_share_what_no_data_and_no_chance_went_into(shared) -> None:
    assert shared(make("magnitude")).reused_seconds is None
    assert shared(make("magnitude", seed=1)).reused_seconds
    for name in ("random", "obd", "l-obs", "woodfisher"):
        shared(make(name))
        assert not shared(make(name, seed=1)).reused_seconds, name
        assert shared(make(name, seed=1, sparsity=0.5)).reused_seconds, name


def test_fields_that_only_the_update_reads_may_differ(dense, shared) -> None:
    first = shared(make("woodfisher"))
    assert not first.reused_seconds
    for fields in ({"update": "joint"}, {"update_scale": 0.5}, {"recomputations": 2}):
        job = make("woodfisher", fields)
        found = shared(job)
        assert found.reused_seconds > 0
        same(found, run_job(job, dense, "study", "woodfisher"))
        assert found.weights_sha256 != first.weights_sha256
    other = make("woodfisher", {"damping": 1e-2})
    same(shared(other), run_job(other, dense, "study", "woodfisher"))


def test_another_method_of_the_same_fields_has_an_estimate_of_its_own(dense, shared) -> None:
    shared(make("woodfisher", {"damping": 0.1}))
    job = make("woodtaylor", {"damping": 0.1})
    same(shared(job), run_job(job, dense, "study", "woodtaylor"))


def test_a_job_is_charged_for_an_estimate_it_was_given(shared) -> None:
    assert shared(make("woodfisher")).status == "ok"
    poor = make("woodfisher", sparsity=0.5, budget=Budget(calibration_examples=20))
    found = shared(poor)
    assert (found.status, found.accuracy) == ("over-budget", None)
    assert "backward passes" in found.reason


def test_an_estimate_that_looks_at_the_target_is_not_shared(plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            sign = 1 if problem.target.sparsity < 0.7 else -1
            return {name: sign * weight.abs() for name, weight in problem.weights.items()}

    name = plugin(Own)
    for sparsity in (0.5, 0.9):
        job = make(name, sparsity=sparsity)
        found = shared(job)
        assert not found.reused_seconds
        same(found, run_job(job, dense, "study", name))


def test_an_estimate_that_selects_is_not_shared(plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            largest = problem.select({n: w.abs() for n, w in problem.weights.items()})
            return {name: mask.float() for name, mask in largest.items()}

    name = plugin(Own)
    for sparsity in (0.5, 0.9):
        job = make(name, sparsity=sparsity)
        same(shared(job), run_job(job, dense, "study", name))


def test_an_estimate_that_was_written_to_is_made_again(plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Method):
        def estimate(self, problem):
            return {"scores": super().estimate(problem), "used": [0]}

        def scores(self, problem):
            return {name: weight.abs() for name, weight in problem.weights.items()}

        def apply(self, problem, estimate):
            if problem.target.sparsity == 0.5:
                for score in estimate["scores"].values():
                    score.neg_()
            else:
                estimate["used"][0] += 1
                assert estimate["used"] == [1]
            return super().apply(problem, estimate["scores"])

    name = plugin(Own)
    for sparsity in (0.5, 0.9, 0.95, 0.5, 0.6):
        job = make(name, sparsity=sparsity)
        found = shared(job)
        same(found, run_job(job, dense, "study", name))
        assert found.status == "ok", found.reason
        assert not found.reused_seconds


def test_what_a_method_stores_in_itself_is_there_when_it_prunes(plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            object.__setattr__(self, "sizes", {n: w.abs() for n, w in problem.weights.items()})
            return self.sizes

        def compensate(self, problem, masks):
            return {name: self.sizes[name] * mask for name, mask in masks.items()}

    name = plugin(Own)
    for sparsity in (0.5, 0.9):
        job = make(name, sparsity=sparsity)
        found = shared(job)
        same(found, run_job(job, dense, "study", name))
        assert found.status == "ok" and not found.reused_seconds


@pytest.mark.parametrize("way", ["attribute", "property", "vars"])
def test_a_field_that_was_read_in_any_way_keeps_estimates_apart(way, plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Magnitude):
        sign: int = 1
        unread: int = 0

        @property
        def direction(self) -> int:
            return self.sign

        def scores(self, problem):
            read = {
                "attribute": lambda: self.sign,
                "property": lambda: self.direction,
                "vars": lambda: vars(self)["sign"],
            }
            sign = read[way]()
            return {name: sign * score for name, score in super().scores(problem).items()}

    name = plugin(Own)
    for sign, unread in itertools.product((1, -1), (0, 1)):
        job = make(name, {"sign": sign, "unread": unread})
        same(shared(job), run_job(job, dense, "study", name))


def test_an_estimate_that_computes_later_is_not_shared(plugin, dense, shared) -> None:
    @dataclass(frozen=True)
    class Own(Method):
        samples: int = 5

        def estimate(self, problem):
            return lambda: problem.gradients(self.samples).square().mean(0)

        def apply(self, problem, estimate):
            sizes = [weight.numel() for weight in problem.weights.values()]
            parts = estimate().split(sizes)
            scores = {
                name: part.view(weight.shape)
                for part, (name, weight) in zip(parts, problem.weights.items(), strict=True)
            }
            return self.compensate(problem, problem.select(scores))

    name = plugin(Own)
    for sparsity in (0.5, 0.9):
        job = make(name, sparsity=sparsity)
        same(shared(job), run_job(job, dense, "study", name))


def test_the_first_step_of_gradual_pruning_shares_with_one_shot(dense, shared) -> None:
    schedule = Gradual(end=1.0, frequency=0.5, initial_sparsity=0.3)
    budget = BUDGET.model_copy(update={"training_steps": 1000})
    one_shot = shared(make("woodfisher"))
    assert not one_shot.reused_seconds
    gradual = make(
        "woodfisher", protocol="gradual", training=RECIPE, schedule=schedule, budget=budget
    )
    found = shared(gradual)
    same(found, run_job(gradual, dense, "study", "woodfisher"))
    assert found.status == "ok" and found.reused_seconds > 0
    assert found.reused_seconds < found.prune_seconds


def test_trials_that_change_only_the_update_share_an_estimate(dense, shared) -> None:
    budget = BUDGET.model_copy(update={"tuning_trials": 8})
    job = make("woodfisher", budget=budget)
    found, alone = shared(job), run_job(job, dense, "study", "woodfisher")
    same(found, alone)
    assert (found.trials, found.tuning_spent) == (alone.trials, alone.tuning_spent)
    assert found.tuning_spent.backward_passes == 8 * 20


def test_a_shuffled_label_is_never_mixed_with_a_true_one(dense, shared) -> None:
    shared(make("woodfisher"))
    job = make("woodfisher", control="shuffled labels")
    same(shared(job), run_job(job, dense, "study", "woodfisher"))
    shuffled = make("woodfisher", control="shuffled mask")
    found = shared(shuffled)
    assert found.reused_seconds > 0
    same(found, run_job(shuffled, dense, "study", "woodfisher"))


def test_equal_weights_are_evaluated_once(shared, monkeypatch) -> None:
    calls = []

    def counted(*given):
        calls.append(given)
        return evaluation.evaluate(*given)

    monkeypatch.setattr(tested, "evaluate", counted)
    found = [shared(make("magnitude", seed=seed)) for seed in range(3)]
    assert len(calls) == 1
    assert len({one.weights_sha256 for one in found}) == 1 == len({one.loss for one in found})
    found += [shared(make("random", seed=seed)) for seed in range(2)]
    assert len(calls) == 3
    assert len({one.loss for one in found}) == 3


def test_memory_is_said_as_if_each_ran_alone(dense, shared) -> None:
    samples = {"samples": 1000, "batch": 2}
    first, *others = (shared(make("woodfisher", samples, sparsity=s)) for s in (0.5, 0.8, 0.9))
    gradients = 4 * 1000 * sum(w.numel() for w in dense.model.parameters())
    assert first.peak_bytes > gradients
    for other in others:
        assert 0.7 * first.peak_bytes < other.peak_bytes < 1.5 * first.peak_bytes


def test_a_failure_is_not_kept(plugin, dense, shared) -> None:
    broken = [True]

    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            if broken[0]:
                raise RuntimeError("not yet")
            return {name: weight.abs() for name, weight in problem.weights.items()}

    name = plugin(Own)
    assert "not yet" in shared(make(name)).reason
    broken[0] = False
    assert shared(make(name)).status == "ok"
    assert torch.isfinite(torch.tensor(shared(make(name, sparsity=0.5)).loss))


class Slotted(Magnitude):
    """What a user may write: one slot named by a string, and private ones, some never filled."""

    __slots__ = "kept"  # noqa: PLC0205


class PrivatelySlotted(Magnitude):
    __slots__ = ("__kept", "unfilled")

    def keep(self, value: float) -> None:
        object.__setattr__(self, "_PrivatelySlotted__kept", value)

    def kept(self) -> float:
        return self.__kept


def test_a_copy_has_what_lies_in_slots_of_every_spelling() -> None:
    one, other = Slotted(), PrivatelySlotted()
    object.__setattr__(one, "kept", 3.0)
    other.keep(4.0)
    assert Watched(one).method.kept == 3.0
    watched = Watched(other)
    assert watched.method.kept() == 4.0 and not hasattr(watched.method, "unfilled")
    assert not watched.changed
    watched.method.keep(5.0)
    assert watched.changed and other.kept() == 4.0
