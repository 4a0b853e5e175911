"""CHITA against dense algebra: its model, its line search, its solutions, its stages."""

import itertools

import pytest
import torch
from support.oracles import dense_fisher
from support.tiny import slow_gradients, tiny_conv, tiny_mlp, tiny_problem

from bench.problem.gradients.per_example import DenseGradients
from bench.problem.weights import flatten, unflatten
from methods import build
from methods import chita as chita_module
from methods.combinatorial import quadratic as quadratic_module
from methods.combinatorial.feasible import Feasible
from methods.combinatorial.quadratic import Point, Quadratic, critical_step, descent, thresholded

SAMPLES, DAMPING = 30, 1e-2


def quadratic(problem, first_order=0.0):
    """The model, and the same with dense matrices: αḡᵀδ + δᵀ(λI + F)δ/2."""
    gradients, centre = problem.gradients(SAMPLES), flatten(problem.weights)
    model = Quadratic(DenseGradients(gradients), gradients @ centre - first_order, centre, DAMPING)
    H, mean = dense_fisher(gradients, DAMPING), gradients.mean(0)

    def value(weights):
        step = weights - centre
        return first_order * mean @ step + step @ H @ step / 2

    return model, value, H


def refit(H, mean, centre, keep, first_order):
    """The least of the dense model with weights outside `keep` at zero."""
    gone = ~keep
    step = -centre.clone()
    pull = -first_order * mean[keep] + H[keep][:, gone] @ centre[gone]
    step[keep] = torch.linalg.solve(H[keep][:, keep], pull)
    return centre + step


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("first_order", [0.0, 0.7])
def test_the_regression_is_the_quadratic_model(net, first_order) -> None:
    problem = tiny_problem(net())
    model, value, H = quadratic(problem, first_order)
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(5, len(H), generator=generator, dtype=torch.float64)
    shift = model.value(points[0]) - value(points[0])
    for point in points[1:]:
        assert model.value(point) - value(point) == pytest.approx(float(shift), rel=1e-9, abs=1e-9)
        variable = point.clone().requires_grad_()
        (expected,) = torch.autograd.grad(value(variable), variable)
        torch.testing.assert_close(model.gradient(point), expected)
        assert model.curvature(point) == pytest.approx(float(point @ H @ point))


@pytest.mark.parametrize("kept", [10, 29, 31, 50])
@pytest.mark.parametrize("first_order", [0.0, 0.7])
def test_the_backsolve_is_the_least_on_its_support(kept, first_order) -> None:
    """From the side of the weights and of the gradients, with few and with most kept."""
    problem = tiny_problem(tiny_mlp())
    model, _, H = quadratic(problem, first_order)
    keep = torch.arange(62) * 37 % 62 < kept
    mean = problem.gradients(SAMPLES).mean(0)
    expected = refit(H, mean, model.centre, keep, first_order)
    found = model.solution(keep)
    torch.testing.assert_close(found.weights, expected, rtol=1e-7, atol=1e-9)
    assert torch.equal(found.keep, keep)
    narrow = model.among(keep)
    ones = torch.ones(kept, dtype=torch.bool)
    torch.testing.assert_close(narrow.solution(ones).weights, expected[keep], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_no_weight_changes_places_before_the_critical_step(allocation) -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6, allocation=allocation)
    model, _, _ = quadratic(problem)
    feasible = Feasible(problem)
    project = feasible.projection(torch.ones(62, dtype=torch.bool))
    keep = feasible.largest(model.centre.abs())
    point = Point(model.centre * keep, keep)
    gradient = model.gradient(point.weights)
    critical = critical_step(point, gradient, feasible.group)
    for share, same in ((0.5, True), (0.999, True), (1.001, False)):
        far = point.weights - share * critical * gradient
        assert torch.equal(project(far.abs()), keep) == same


def test_a_step_takes_the_parabola_s_least_or_doubles_while_the_model_falls() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    model, value, H = quadratic(problem)
    feasible = Feasible(problem)
    project = feasible.projection(torch.ones(62, dtype=torch.bool))
    seen = set()
    for seed in range(20):
        noise = torch.randn(62, generator=torch.Generator().manual_seed(seed)).double()
        start = model.centre + noise / 5
        keep = feasible.largest(start.abs())
        point = Point(start * keep, keep)
        gradient = model.gradient(point.weights)
        inside = gradient * keep
        best = inside @ inside / (inside @ H @ inside)
        critical = critical_step(point, gradient, feasible.group)
        found = thresholded(model, point, project, feasible.group)
        if best < critical:
            expected = point.weights - best * inside
            assert value(expected) <= min(
                value(point.weights - t * best * inside) for t in (0, 0.9, 1.1)
            )
        else:
            expected, step = point.weights, critical * (1 + 1e-4)
            while True:
                far = point.weights - step * gradient
                trial = far * project(far.abs())
                if not value(trial) < value(expected):
                    break
                expected, step = trial, 2 * step
        seen.add(bool(best < critical))
        torch.testing.assert_close(found.weights, expected, rtol=1e-6, atol=1e-9)
        assert torch.equal(found.weights != 0, found.keep)
    assert seen == {True, False}


def test_descent_never_rises_and_keeps_the_count() -> None:
    problem = tiny_problem(tiny_conv(), sparsity=0.7)
    model, value, H = quadratic(problem, 0.5)
    feasible = Feasible(problem)
    project = feasible.projection(torch.ones(len(H), dtype=torch.bool))
    keep = feasible.largest(model.centre.abs())
    point = Point(model.centre * keep, keep)
    values = [value(point.weights)]
    for _ in range(10):
        point = descent(model, point, project, feasible.group, 1)
        assert int(point.keep.sum()) == int(keep.sum())
        values.append(value(point.weights))
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


def test_descent_ends_where_the_model_falls_no_more(monkeypatch) -> None:
    """As many steps as there are falls, and the one that isn't: no more are tried."""
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    model, value, _ = quadratic(problem)
    feasible = Feasible(problem)
    project = feasible.projection(torch.ones(62, dtype=torch.bool))
    keep = feasible.largest(model.centre.abs())
    taken = []

    def noted(*arguments):
        taken.append(thresholded(*arguments))
        return taken[-1]

    monkeypatch.setattr(quadratic_module, "thresholded", noted)
    start = Point(model.centre * keep, keep)
    found = descent(model, start, project, feasible.group, 10_000)
    values = [float(value(point.weights)) for point in (start, *taken)]
    falls = [before - after > 1e-7 * abs(before) for before, after in itertools.pairwise(values)]
    assert falls == [True] * (len(falls) - 1) + [False]
    assert 1 < len(falls) < 10_000
    assert torch.equal(found.weights, taken[-2].weights)
    taken.clear()
    few = descent(model, start, project, feasible.group, 2)
    assert len(taken) == 2
    assert torch.equal(few.weights, taken[-1].weights)
    # Where nothing can fall, nothing is moved.
    solved = model.solution(found.keep)
    taken.clear()
    again = descent(model, solved, project, feasible.group, 50)
    assert len(taken) <= 50 and value(again.weights) <= value(solved.weights)


@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_the_search_ends_with_the_round_in_which_no_weights_change_places(
    monkeypatch, allocation
) -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.8, allocation=allocation)
    rounds = []

    def noted(model, start, *rest, steps):
        rounds.append(steps)
        return descent(model, start, *rest, steps=steps)

    monkeypatch.setattr(chita_module, "descent", noted)
    fields = {"samples": SAMPLES, "damping": 1e-4, "steps": 1}
    found = flatten(build("chita", fields | {"rounds": 200}).prune(problem))
    used = len(rounds)
    assert rounds == [1] * used
    assert 1 < used < 200
    for count in (1, used):
        few = flatten(build("chita", fields | {"rounds": count}).prune(problem))
        assert torch.equal(few != 0, found != 0) == (count == used), count
        torch.testing.assert_close(few, found) if count == used else None


@pytest.mark.parametrize(("active", "wide"), [(1.0, 25), (1.5, 37), (2.0, 50), (9.0, 62)])
def test_the_first_active_set_is_a_multiple_of_what_is_kept(monkeypatch, active, wide) -> None:
    """62 weights, of which round(0.6 × 62) = 37 go: 25 are kept, and 0.4 × active stay in play."""
    sizes = []
    among = Quadratic.among

    def noted(self, chosen):
        sizes.append(int(chosen.sum()))
        return among(self, chosen)

    monkeypatch.setattr(Quadratic, "among", noted)
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    build("chita", {"samples": SAMPLES, "active": active, "rounds": 1}).prune(problem)
    live = int(problem.gradients(SAMPLES).any(0).sum())
    assert live > 55
    assert sizes[0] in (live, 62)  # all that have a gradient, and the few that must be kept
    assert sizes[1] == min(wide, sizes[0])


@pytest.mark.parametrize(
    ("stages", "target", "expected"),
    [
        (1, 0.6, [0.6]),
        (2, 0.6, [0.1, 0.6]),
        # Halves of what is left of the way from 0.1 to 0.6, stretched so that it ends: 4/7, 6/7.
        (4, 0.6, [0.1, 0.1 + 0.5 * 4 / 7, 0.1 + 0.5 * 6 / 7, 0.6]),
        # A target below the base is there from the first stage on.
        (3, 0.04, [0.04, 0.04, 0.04]),
    ],
)
def test_stages_near_the_target_by_halves(stages, target, expected) -> None:
    found = build("chita", {"stages": stages}).sparsities(target)
    assert found == pytest.approx(expected)
    assert found[-1] == target


def test_a_larger_batch_weighs_the_first_order_term_less() -> None:
    """α = first_order / batch: the mean over 3 of 30 gradients, and a third of the pull."""
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    fields = {"samples": 10, "batch": 3, "damping": DAMPING, "first_order": 0.9}
    found = flatten(build("chita", fields).prune(problem))
    gradients, centre = problem.gradients(10, 3), flatten(problem.weights)
    H = dense_fisher(gradients, DAMPING)
    expected = refit(H, gradients.mean(0), centre, found != 0, 0.3)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_fresh_stages_take_as_many_new_examples_as_a_stage_has() -> None:
    problem = tiny_problem(tiny_mlp(), count=60, sparsity=0.6)
    fields = {"samples": 10, "batch": 3, "stages": 2, "fresh": True}
    build("chita", fields).prune(problem)
    assert problem._meter.spent.calibration_examples == 60


def test_a_line_search_doubles_its_step_ten_times_at_most(monkeypatch) -> None:
    """Along a direction in which the model falls for ever, as it would without damping."""

    class Falling(Quadratic):
        """A model that is less at every new place."""

        def value(self, weights, outputs=None):
            seen.append(weights)
            return -float(len(seen))

    seen = []
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    model, _, _ = quadratic(problem)
    falling = Falling(model.gradients, model.target, model.centre, model.damping)
    feasible = Feasible(problem)
    project = feasible.projection(torch.ones(62, dtype=torch.bool))
    keep = feasible.largest(model.centre.abs())
    # From the least on its support only a change of places helps, so the step isn't a parabola's.
    start = model.solution(keep)
    found = thresholded(falling, start, project, feasible.group)
    assert len(seen) == 1 + 10
    gradient = model.gradient(start.weights)
    critical = critical_step(start, gradient, feasible.group) * (1 + 1e-4)
    far = start.weights - 2**9 * critical * gradient
    torch.testing.assert_close(found.weights, far * project(far.abs()))


def test_critical_steps_by_hand() -> None:
    """w = (2, -1, 0), g = (1, 2, 4): |2 - τ| = 4τ at 2/5, |-1 - 2τ| = 4τ at 1/2."""
    weights = torch.tensor([2.0, -1.0, 0.0])
    keep = torch.tensor([True, True, False])
    gradient = torch.tensor([1.0, 2.0, 4.0])
    one = torch.zeros(3, dtype=torch.long)
    assert critical_step(Point(weights, keep), gradient, one) == pytest.approx(0.4)
    # Alone in its set, no weight of it can be overtaken, and it goes by shrinking to zero alone.
    apart = torch.tensor([0, 1, 1])
    assert critical_step(Point(weights, keep), gradient, apart) == pytest.approx(0.5)
    growing = torch.tensor([-1.0, 2.0, 1.0])
    assert critical_step(Point(weights, keep), growing, one) == float("inf")


def test_the_search_comes_near_the_best_of_all_supports() -> None:
    """Every support of 6 out of 12 weights solved: the search's is among the best twentieth."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 2, bias=False))
    problem = tiny_problem(net, sparsity=0.5)
    problem._calibration._examples.labels %= 2
    model, value, H = quadratic(problem)
    zero = torch.zeros(12, dtype=torch.float64)
    every = []
    for kept in itertools.combinations(range(12), 6):
        keep = torch.zeros(12, dtype=torch.bool).index_fill(0, torch.tensor(kept), True)
        every.append(float(value(refit(H, zero, model.centre, keep, 0.0))))
    fields = {"samples": SAMPLES, "damping": DAMPING, "rounds": 20}
    found = float(value(flatten(build("chita", fields).prune(problem))))
    assert found <= sorted(every)[len(every) // 20]


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@pytest.mark.parametrize("name", ["chita", "chita++"])
def test_pruned_weights_are_the_least_on_their_support(net, allocation, name) -> None:
    problem = tiny_problem(net(), sparsity=0.6, allocation=allocation)
    fields = {"samples": SAMPLES, "damping": DAMPING, "first_order": 0.3, "stages": 1}
    found = flatten(build(name, fields).prune(problem))
    model, _, H = quadratic(problem)
    mean = problem.gradients(SAMPLES).mean(0)
    expected = refit(H, mean, model.centre, found != 0, 0.3)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    plain = flatten(build("magnitude", {}).prune(problem)) != 0
    model, value, _ = quadratic(problem, 0.3)
    assert value(found) <= value(refit(H, mean, model.centre, plain, 0.3)) + 1e-12


@pytest.mark.parametrize("fresh", [False, True])
def test_each_stage_starts_from_the_weights_of_the_one_before(fresh) -> None:
    """By hand: single stages at moved problems; each with its own examples where they are fresh."""
    problem = tiny_problem(tiny_mlp(), count=90, sparsity=0.6)
    fields = {"samples": SAMPLES, "damping": DAMPING, "first_order": 0.5}
    method = build("chita", fields | {"stages": 3, "fresh": fresh})
    found = flatten(method.prune(problem))
    spent = problem._meter.spent
    assert (spent.recomputations, spent.backward_passes) == (2, 3 * SAMPLES)
    assert spent.calibration_examples == (3 * SAMPLES if fresh else SAMPLES)
    assert method.sparsities(0.6) == pytest.approx([0.1, 0.1 + 0.5 * 2 / 3, 0.6])
    here, every = problem, {name: torch.ones_like(w) > 0 for name, w in problem.weights.items()}
    for stage, sparsity in enumerate(method.sparsities(0.6)):
        skip = stage * SAMPLES if fresh else 0
        centre, gradients = flatten(here.weights), slow_gradients(here, skip + SAMPLES)[skip:]
        weights = build("chita", fields)._stage(here, Feasible(here, sparsity), skip)
        H = dense_fisher(gradients, DAMPING)
        expected = refit(H, gradients.mean(0), centre, weights != 0, 0.5)
        torch.testing.assert_close(weights, expected, rtol=1e-6, atol=1e-8)
        here = problem.at(unflatten(weights, problem.weights), every)
    torch.testing.assert_close(found, weights)


def test_what_has_no_reason_to_come_back_gives_way_to_weights_without_gradients() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.5, allocation="layerwise")
    feasible = Feasible(problem)
    dense = flatten(problem.weights)
    keep = feasible.largest(dense.abs())
    lost = keep.nonzero().squeeze(1)[::7]
    found = dense * keep
    found[lost] = 0
    without = (~keep).nonzero().squeeze(1)
    spare = torch.zeros_like(dense)
    spare[without] = dense[without]
    filled = chita_module.filled(Point(found, keep), spare, feasible)
    assert torch.equal((filled != 0).sum(), keep.sum())
    assert torch.equal(filled[found != 0], found[found != 0])
    came = (filled != 0) & (found == 0)
    for number in feasible.group.unique():
        here = feasible.group == number
        largest = (spare.abs() * here).topk(int(here[lost].sum())).indices
        assert set(largest.tolist()) == set((came & here).nonzero().squeeze(1).tolist())
    assert torch.equal(filled[came], dense[came])
    assert torch.equal(
        chita_module.filled(Point(dense * keep, keep), spare, feasible), dense * keep
    )


def test_weights_without_gradient_go_first() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.5)
    problem._calibration._examples.inputs[:, 2] = 0
    found = build("chita", {"samples": SAMPLES}).prune(problem)
    assert not (found["0.weight"][:, 2] != 0).any()
    sparse = tiny_problem(tiny_mlp(), sparsity=2 / 62)
    sparse._calibration._examples.inputs[:, 2] = 0
    found = build("chita", {"samples": SAMPLES}).prune(sparse)
    gone = sparse.weights["0.weight"][:, 2].abs().argsort()[:2]
    assert (found["0.weight"][:, 2] == 0).nonzero().squeeze(1).tolist() == sorted(gone.tolist())


@pytest.mark.parametrize("name", ["chita", "chita++"])
def test_a_support_is_kept(name) -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    masks = {name: weight > -0.1 for name, weight in problem.weights.items()}
    pruned = {name: weight * masks[name] for name, weight in problem.weights.items()}
    found = flatten(build(name, {"samples": SAMPLES}).prune(problem.at(pruned, masks)))
    assert not (found[~flatten(masks)] != 0).any()
    assert int((found == 0).sum()) == round(0.6 * 62)


def test_a_large_damping_is_magnitude() -> None:
    problem = tiny_problem(tiny_conv())
    expected = flatten(build("magnitude", {}).prune(problem))
    found = flatten(build("chita", {"samples": 20, "damping": 1e9}).prune(problem))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_where_nothing_is_kept_everything_is_zero(allocation) -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.999, allocation=allocation)
    found = flatten(build("chita", {"samples": SAMPLES}).prune(problem))
    assert found.shape == (62,) and not found.any()
