"""The contract that every registered method keeps, and what each is known to do."""

import copy

import pytest
import torch
from support.few import FEW, PRUNING, Noted, small
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.common.errors import UserError
from bench.jobs.allocation import pruned_total
from bench.jobs.budget import Budget, OverBudget
from bench.problem.problem import Target
from bench.problem.weights import flatten
from bench.run.contract import check_weights, untouched
from methods import METHODS, build, configuration
from methods.method import Method
from methods.sparse_training import SparseTraining
from methods.surgeon import Surgeon

RANKING = [name for name in PRUNING if METHODS[name].scores is not Method.scores]
"""Methods that rank weights; one that chooses a set may keep at 0.8 what it removes at 0.4."""


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@pytest.mark.parametrize("sparsity", [0.0, 0.31, 0.9])
def test_counts_are_exact_and_the_model_is_untouched(name, allocation, sparsity) -> None:
    problem = tiny_problem(tiny_conv(), sparsity=sparsity, allocation=allocation)
    reference = copy.deepcopy(problem._model)
    with untouched(problem._model, reference):
        found = small(name).prune(problem)
    check_weights(found, problem.weights, problem.target)
    size = flatten(problem.weights).numel()
    assert int((flatten(found) == 0).sum()) == pruned_total(sparsity, size)


@pytest.mark.parametrize(("allocation", "sparsity"), [("layerwise", 0.7), ("erk", 0.49)])
def test_counts_are_exact_after_several_estimates(allocation, sparsity) -> None:
    """Rounding alone would take one weight more from a layer on the way than at the end."""
    fields = {"samples": 20, "recomputations": 9, "schedule": "polynomial"}
    problem = tiny_problem(tiny_conv(), sparsity=sparsity, allocation=allocation)
    found = build("woodfisher", fields).prune(problem)
    check_weights(found, problem.weights, problem.target)


@pytest.mark.parametrize("name", PRUNING)
def test_the_same_seed_gives_the_same_bits(name) -> None:
    one, other = (flatten(small(name).prune(tiny_problem(tiny_mlp(), seed=5))) for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", PRUNING)
def test_without_a_budget_no_data_is_had(name) -> None:
    problem = tiny_problem(tiny_mlp(), budget=Budget())
    if name in FEW:
        with pytest.raises(OverBudget):
            small(name).prune(problem)
    else:
        small(name).prune(problem)
        assert problem._meter.spent == Budget()


@pytest.mark.parametrize("name", RANKING)
def test_scores_order_the_supports(name) -> None:
    low, high = (tiny_problem(tiny_mlp(), sparsity=sparsity) for sparsity in (0.4, 0.8))
    kept_low, kept_high = (flatten(small(name).prune(p)) != 0 for p in (low, high))
    assert not (kept_high & ~kept_low).any()


def test_magnitude_by_hand() -> None:
    problem = tiny_problem(tiny_mlp())
    scores = build("magnitude", {}).scores(problem)
    assert torch.equal(flatten(scores), flatten(problem.weights).abs())


def test_random_changes_with_the_seed() -> None:
    masks = [flatten(small("random").prune(tiny_problem(tiny_mlp(), seed=s))) != 0 for s in (0, 1)]
    assert not torch.equal(*masks)


def test_obd_is_half_the_squared_weight_times_the_mean_squared_gradient() -> None:
    problem = tiny_problem(tiny_conv())
    expected = flatten(problem.weights) ** 2 * problem.gradients(20).square().mean(0) / 2
    torch.testing.assert_close(flatten(small("obd").scores(problem)), expected)


def test_a_large_damping_makes_woodfisher_choose_the_mask_of_magnitude() -> None:
    problem = tiny_problem(tiny_conv())
    by_magnitude = flatten(small("magnitude").prune(problem))
    damped = build("woodfisher", {"samples": 20, "damping": 1e9})
    undamped = build("woodfisher", {"samples": 20, "damping": 1e-5})
    assert torch.equal(flatten(damped.prune(problem)) != 0, by_magnitude != 0)
    assert not torch.equal(flatten(undamped.prune(problem)) != 0, by_magnitude != 0)
    torch.testing.assert_close(flatten(damped.prune(problem)), by_magnitude, rtol=1e-6, atol=1e-9)


def test_update_scale_0_leaves_the_survivors() -> None:
    problem = tiny_problem(tiny_mlp())
    found = flatten(build("woodfisher", {"samples": 20, "update_scale": 0}).prune(problem))
    weights = flatten(problem.weights)
    assert torch.equal(found[found != 0], weights[found != 0])


def test_compensation_lowers_the_quadratic_loss() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.2)
    fisher = problem.gradients(20).T @ problem.gradients(20) / 20

    def loss(scale: float):
        method = build("woodfisher", {"samples": 20, "damping": 1e-3, "update_scale": scale})
        step = flatten(method.prune(problem)) - flatten(problem.weights)
        return step @ fisher @ step

    assert loss(1.0) < loss(0.0)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("magnitud", {}, "no method 'magnitud'. Did you mean 'magnitude'"),
        ("woodfisher", {"dampings": 1}, "no field of method 'woodfisher' 'dampings'. Did you mean"),
        ("woodfisher", {"damping": 0}, "greater than 0, not 0"),
        ("woodfisher", {"damping": "small"}, "valid number, not 'small'"),
        ("woodfisher", {"samples": 0}, "greater than or equal to 1, not 0"),
        ("obd", {"samples": 1.5}, "valid integer, not 1.5"),
        ("random", {"damping": 1}, "it has none"),
    ],
)
def test_wrong_fields_are_refused_with_a_sentence(name, fields, message) -> None:
    with pytest.raises(UserError, match=message):
        build(name, fields)


SAMPLED = {"samples": 1000}
BATCHED = SAMPLED | {"batch": 1}
SURGEON = SAMPLED | {"update_scale": 1.0, "recomputations": 1, "schedule": "linear"}
WOODFISHER = (
    SURGEON | BATCHED | {"damping": 1e-5, "fisher": "empirical", "blocks": "full", "update": "sum"}
)
CBS = BATCHED | {"damping": 1e-3, "fisher": "empirical", "judge": "model", "update_scale": 0.9}
CHITA = BATCHED | {"damping": 1e-3, "fisher": "empirical", "first_order": 0.0, "fresh": False}
SETTINGS = {
    "random": {},
    "magnitude": {"scale": "none"},
    # No additive floor: the authors' code adds 1e-4, which erases small scores.
    "obd": SAMPLED
    | {"curvature": "empirical-fisher", "damping": 0.0, "probes": 10, "negative": "absolute"},
    "l-obs": SURGEON | {"damping": 1e-5, "update": "sum"},
    "kfac": SURGEON | {"damping": 1e-5, "pi": False, "fisher": "empirical", "style": "obs"},
    "ekfac": SURGEON | {"damping": 1e-5, "fisher": "empirical"},
    # Singh & Alistarh 2020: λ = 1e-5, and 1e-1 for WoodTaylor.
    "woodfisher": WOODFISHER,
    "woodtaylor": WOODFISHER | {"damping": 1e-1, "step_scale": 1.0},
    # SparseGPT's share of the mean of the diagonal.
    "obc": SAMPLED | {"damping": 1e-2},
    # Yu et al. 2022: 100 draws, ρ = 10, ε = 1e-4, τ = 20.
    "cbs": CBS
    | {"start": "randomised", "constructions": 100, "reach": 10, "least": 1e-4, "misses": 20}
    | {"passes": 100},
    "chita": CHITA | {"steps": 10, "active": 1.5, "rounds": 3, "stages": 1, "base": 0.1},
    # Benbaki et al. 2023: 15 stages.
    "chita++": CHITA | {"steps": 10, "active": 1.5, "rounds": 3, "stages": 15, "base": 0.1},
    "str": {"start": "dense", "threshold": "layer", "initial": -10.0, "interval": 20}
    | {"rise": 0.7, "settle": 0.85, "threshold_rate": 0.01},
    # Pruned early and often, with the last quarter of the training at the target.
    "gmp": {"start": "dense", "begin": 0.0, "end": 0.75, "prunings": 40, "initial_sparsity": 0.0},
    # Evci et al. 2020: ΔT = 100, α = 0.3 with a cosine, to three quarters of the training.
    "rigl": {"start": "scratch", "fraction": 0.3, "interval": 100, "end": 0.75}
    | {"decay": "cosine", "growth": "gradient"},
    # Mocanu et al. 2018: ζ = 0.3, to the end.
    "set": {"start": "scratch", "fraction": 0.3, "interval": 100, "end": 1.0}
    | {"decay": "constant", "growth": "random"},
    "scratch": {"start": "scratch", "mask": "random"},
}
"""What a method is without any field: another default is another method under the same name."""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_without_fields_has_the_published_settings(name) -> None:
    assert configuration(build(name, {})) == SETTINGS[name]


def test_every_method_has_the_protocols_of_its_kind() -> None:
    training = {"str", "gmp", "rigl", "set", "scratch"}
    for name, method in METHODS.items():
        trains = ("sparse-training",)
        prunes = ("one-shot", "fine-tune", "gradual")
        assert method.protocols() == (trains if name in training else prunes), name


@pytest.mark.parametrize("name", PRUNING)
def test_every_step_of_a_method_falls_into_its_phase(name) -> None:
    """Curvature and scores, the mask, the survivors' move; a set is chosen without scores."""
    problem = tiny_problem(tiny_mlp())
    problem._stopwatch = Noted()
    small(name).prune(problem)
    expected = {"inverse", "selection", "update"}
    if name in FEW:
        expected.add("gradients")
    if name == "cbs":
        expected.remove("inverse")
    if name.startswith("chita"):
        expected = {"gradients", "selection"}  # the search moves the weights that it chooses
    assert problem._stopwatch.names == expected


@pytest.mark.parametrize(
    ("method", "call", "sentence"),
    [
        (Method, "scores", "Mine defines neither scores nor prune"),
        (Surgeon, "inverse", "Mine defines no inverse"),
        (SparseTraining, "sparsifier", "Mine defines no sparsifier"),
    ],
)
def test_a_method_that_defines_nothing_is_named(method, call, sentence) -> None:
    mine = type("Mine", (method,), {})()
    with pytest.raises(NotImplementedError, match=sentence):
        getattr(mine, call)(tiny_problem(tiny_mlp()))


def test_a_method_says_nothing_of_itself_and_uses_labels_unless_it_says_so() -> None:
    assert Method().uses_labels is True
    assert Method().remarks(Target(0.5, "global")) == []


def test_configuration_and_build_are_inverse() -> None:
    fields = {"samples": 20, "damping": 0.5, "blocks": 7, "update": "joint"}
    method = build("woodfisher", fields)
    assert build("woodfisher", configuration(method)) == method
    assert {name: configuration(method)[name] for name in fields} == fields
