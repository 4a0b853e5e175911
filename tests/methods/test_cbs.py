"""The Combinatorial Brain Surgeon against dense algebra: swap by swap, and end to end."""

import itertools

import pytest
import torch
from support.few import Noted
from support.oracles import dense_fisher, joint_obs
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.common.errors import Skip
from bench.jobs.budget import Budget
from bench.problem.passes import Settings
from bench.problem.problem import Problem
from bench.problem.weights import flatten, unflatten
from methods import build
from methods.cbs import TOGETHER, _bucket_ranks, _cheapest
from methods.combinatorial.swaps import Removal, SwapSearch

SAMPLES = 30


def quadratic(problem):
    """w_PᵀFw_P of a mask with a dense, undamped F."""
    F = dense_fisher(problem.gradients(SAMPLES), 0.0)
    weights = flatten(problem.weights)

    def loss(keep):
        removed = weights * ~keep
        return float(removed @ F @ removed)

    return loss


def a_mask(size, kept, seed=0):
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return torch.zeros(size, dtype=torch.bool).index_fill(0, order[:kept], True)


def swapped(keep, back, out):
    changed = keep.clone()
    changed[back], changed[out] = True, False
    return changed


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
def test_the_loss_of_a_set_and_of_its_changes(net) -> None:
    problem = tiny_problem(net())
    loss, removal = (
        quadratic(problem),
        Removal(problem.gradients_by_layer(SAMPLES), flatten(problem.weights)),
    )
    keep = a_mask(len(flatten(problem.weights)), 20)
    total = removal.total(keep)
    assert removal.loss(keep) == pytest.approx(loss(keep), rel=1e-10)
    values = removal.alone(total, ~keep)
    removed, kept = ((side.nonzero().squeeze(1)) for side in (~keep, keep))
    for q in removed[:10].tolist():
        saved = loss(keep) - loss(keep.index_fill(0, torch.tensor(q), True))
        assert float(values[q]) == pytest.approx(saved, rel=1e-8, abs=1e-12)
        changes = removal.swaps(total, q, kept)
        expected = [loss(swapped(keep, q, out)) - loss(keep) for out in kept.tolist()]
        torch.testing.assert_close(changes.tolist(), expected, rtol=1e-8, atol=1e-12)
    for q in kept.tolist():
        cost = loss(keep.index_fill(0, torch.tensor(q), False)) - loss(keep)
        assert float(values[q]) == pytest.approx(cost, rel=1e-8, abs=1e-12)


def slow_pass(loss, keep, group, reach, least, misses):
    """Algorithm 1 with every loss computed anew: the mask, and how many it tried."""
    old = keep.clone()
    removed = [q for q in group if not old[q]]
    kept = [q for q in group if old[q]]
    removed.sort(key=lambda q: loss(old.index_fill(0, torch.tensor(q), True)))
    first = removed[0]
    kept.sort(key=lambda q: loss(swapped(old, first, q)))
    used, missed, tried = set(), 0, 0
    for place, back in enumerate(removed):
        tried += 1
        for j in range(max(0, place - reach), min(len(kept), place + reach + 1)):
            changed = swapped(keep, back, kept[j])
            if j not in used and loss(changed) - loss(keep) <= -least:
                keep = changed
                used.add(j)
                break
        else:
            missed += 1
            if missed > misses:
                break
    return keep, tried


class Counted(Removal):
    """A removal that counts the weights whose swaps are looked at."""

    tried = 0

    def swaps(self, total, back, out):
        self.tried += 1
        return super().swaps(total, back, out)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize(("reach", "misses"), [(1, 0), (3, 4), (100, 100)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_pass_is_the_algorithm_of_the_paper(net, reach, misses, seed) -> None:
    """The same swaps, found in as many steps: a pass ends with the weight after the last miss."""
    problem = tiny_problem(net())
    weights = flatten(problem.weights)
    loss, removal = quadratic(problem), Counted(problem.gradients_by_layer(SAMPLES), weights)
    keep = a_mask(len(weights), 25, seed)
    within = torch.arange(len(weights)) % 5 > 0
    search = SwapSearch(reach, 1e-6, misses)
    for _ in range(3):
        group = within.nonzero().squeeze(1).tolist()
        expected, tried = slow_pass(loss, keep, group, reach, 1e-6, misses)
        removal.tried = 0
        found = search.improved(removal, keep, within)
        assert torch.equal(found, expected)
        assert removal.tried == tried
        keep = found


@pytest.mark.parametrize("least", [0.9, 1.1])
def test_a_swap_must_lower_the_loss_by_the_least(least) -> None:
    """The best swap of all, asked for a little more or less than what it brings."""
    problem = tiny_problem(tiny_mlp())
    weights = flatten(problem.weights)
    loss, removal = quadratic(problem), Removal(problem.gradients_by_layer(SAMPLES), weights)
    keep = a_mask(len(weights), 61)  # one is gone, so one can come back
    (back,) = (~keep).nonzero().squeeze(1).tolist()
    gains = [loss(keep) - loss(swapped(keep, back, q)) for q in range(62) if q != back]
    assert max(gains) > 0
    found = SwapSearch(100, least * max(gains), 5).improved(removal, keep, torch.ones_like(keep))
    assert torch.equal(found, keep) == (least > 1)


@pytest.mark.parametrize("kept", [0, 62])
def test_where_nothing_can_change_places_nothing_does(kept) -> None:
    problem = tiny_problem(tiny_mlp())
    removal = Removal(problem.gradients_by_layer(SAMPLES), flatten(problem.weights))
    keep = torch.full((62,), kept > 0)
    assert torch.equal(SwapSearch(9, 1e-9, 9).improved(removal, keep, torch.ones_like(keep)), keep)


def test_the_search_ends_with_the_first_pass_without_a_swap(monkeypatch) -> None:
    passes = []
    improved = SwapSearch.improved

    def noted(self, loss, keep, within):
        found = improved(self, loss, keep, within)
        passes.append(not torch.equal(found, keep))
        return found

    monkeypatch.setattr(SwapSearch, "improved", noted)
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    fields = {"samples": SAMPLES, "least": 1e-9, "start": "magnitude"}
    found = build("cbs", fields | {"passes": 50}).prune(problem)
    assert passes == [True] * (len(passes) - 1) + [False]
    useful = len(passes) - 1
    assert 1 < useful < 49
    for count in (1, useful):
        few = build("cbs", fields | {"passes": count}).prune(problem)
        assert torch.equal(flatten(few), flatten(found)) == (count == useful)


def test_only_survivors_that_move_have_an_update() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    watch = Noted()
    problem._stopwatch = watch
    found = flatten(build("cbs", {"samples": SAMPLES, "update_scale": 0.0}).prune(problem))
    assert watch.names == {"gradients", "selection"}
    assert torch.equal(found[found != 0], flatten(problem.weights)[found != 0])


def test_gradients_that_do_not_fit_are_a_skip() -> None:
    kept = tiny_problem(tiny_conv())
    little = Settings(gradients_memory=1)
    swept = Problem(kept._model, kept._prunable, kept._calibration, kept.target, little)
    with pytest.raises(Skip, match="the swaps need all gradients at once"):
        build("cbs", {"samples": SAMPLES}).prune(swept)


def test_the_search_comes_near_the_best_of_all_sets() -> None:
    """Every set of 5 out of 18 weights tried: the search's is among the best hundredth."""
    torch.manual_seed(2)  # weights of which magnitude doesn't take the best set already
    net = torch.nn.Sequential(torch.nn.Linear(6, 3, bias=False))
    problem = tiny_problem(net, sparsity=5 / 18)
    loss = quadratic(problem)
    fields = {"samples": SAMPLES, "least": 1e-9, "reach": 18, "misses": 18}
    keep = flatten(build("cbs", fields).prune(problem)) != 0
    every = sorted(
        loss(torch.ones(18, dtype=torch.bool).index_fill(0, torch.tensor(gone), False))
        for gone in itertools.combinations(range(18), 5)
    )
    assert loss(keep) <= every[len(every) // 100]
    magnitude = flatten(build("magnitude", {}).prune(problem)) != 0
    assert loss(keep) < loss(magnitude)


@pytest.mark.parametrize("start", ["randomised", "magnitude", "woodfisher"])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
def test_survivors_are_moved_jointly(start, allocation) -> None:
    problem = tiny_problem(tiny_conv(), sparsity=0.6, allocation=allocation)
    fields = {"samples": SAMPLES, "start": start, "damping": 1e-2, "update_scale": 0.8}
    found = flatten(build("cbs", fields).prune(problem))
    keep, weights = found != 0, flatten(problem.weights)
    inverse = torch.linalg.inv(dense_fisher(problem.gradients(SAMPLES), 1e-2))
    expected = (weights + 0.8 * joint_obs(weights, inverse, keep)) * keep
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    plain = build("woodfisher" if start == "woodfisher" else "magnitude", {})
    if start == "woodfisher":
        plain = build("woodfisher", {"samples": SAMPLES, "damping": 1e-2})
    loss = quadratic(problem)
    assert loss(keep) <= loss(flatten(plain.prune(problem)) != 0)


def test_the_judge_loss_keeps_the_mask_with_the_least_loss_and_pays_for_it() -> None:
    method = build("cbs", {"samples": SAMPLES, "judge": "loss", "constructions": 7})
    with_loss = tiny_problem(tiny_mlp(), sparsity=0.6)
    found = flatten(method.prune(with_loss)) != 0
    by_model = flatten(build("cbs", {"samples": SAMPLES}).prune(with_loss)) != 0

    def loss(keep):
        masked = flatten(with_loss.weights) * keep
        return with_loss.loss(unflatten(masked, like=with_loss.weights), SAMPLES)

    assert loss(found) <= loss(by_model)
    # Where no swap is worth it: a trial for each start, and one for the only mask of the way.
    for start, trials in (("randomised", 1 + 7 + 1), ("magnitude", 2), ("woodfisher", 2)):
        spent = tiny_problem(tiny_mlp(), sparsity=0.6)
        fields = {"samples": 10, "batch": 3, "judge": "loss", "constructions": 7, "least": 1e9}
        build("cbs", fields | {"start": start}).prune(spent)
        assert spent._meter.spent.tuning_trials == trials
        assert spent._meter.spent.calibration_examples == 30
    assert method.space() == {}
    assert build("cbs", {}).space().keys() == {"damping", "fisher", "update_scale"}
    poor = tiny_problem(
        tiny_mlp(), budget=Budget(calibration_examples=SAMPLES, backward_passes=SAMPLES)
    )
    with pytest.raises(Exception, match="tuning trials"):
        method.prune(poor)


@pytest.mark.parametrize("count", [1, TOGETHER, 2 * TOGETHER + 3])
def test_the_cheapest_of_many_masks_is_the_first_with_the_least_loss(count) -> None:
    problem = tiny_problem(tiny_mlp())
    loss = quadratic(problem)
    removal = Removal(problem.gradients_by_layer(SAMPLES), flatten(problem.weights))
    generator = torch.Generator().manual_seed(0)
    masks = list(torch.rand(count, len(flatten(problem.weights)), generator=generator) < 0.5)
    expected = min(masks, key=loss)
    assert _cheapest(iter(masks), removal) is expected
    assert _cheapest(iter([*masks, expected.clone()]), removal) is expected
    costs = torch.tensor([loss(mask) for mask in masks], dtype=torch.float64)
    torch.testing.assert_close(removal.losses(torch.stack(masks)), costs, rtol=1e-10, atol=0)


def test_bucket_ranks_are_ranks_within_buckets() -> None:
    sizes = torch.rand(103, generator=torch.Generator().manual_seed(0)).double()
    ranks = _bucket_ranks(sizes, sizes.argsort(), torch.Generator().manual_seed(1))
    bucket = torch.randperm(103, generator=torch.Generator().manual_seed(1)) % 10
    for number in range(10):
        own = ranks[bucket == number][sizes[bucket == number].argsort()]
        expected = (torch.arange(len(own)).double() + 0.5) / len(own)
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize(("count", "buckets"), [(1, 1), (3, 1), (24, 4), (1_100_000, 1000)])
def test_there_are_as_many_buckets_as_the_root_up_to_a_thousand(count, buckets) -> None:
    """The largest of each bucket of n has the rank 1 - 1/2n, so ranks above 1 - 1/n count them."""
    sizes = torch.rand(count, generator=torch.Generator().manual_seed(0)).double()
    ranks = _bucket_ranks(sizes, sizes.argsort(), torch.Generator().manual_seed(1))
    assert int((ranks > 1 - 1 / (count // buckets)).sum()) == buckets
    assert float(ranks.min()) > 0


def test_a_support_is_kept() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    masks = {name: weight > -0.1 for name, weight in problem.weights.items()}
    pruned = {name: weight * masks[name] for name, weight in problem.weights.items()}
    for start in ("randomised", "woodfisher"):
        method = build("cbs", {"samples": SAMPLES, "start": start})
        found = flatten(method.prune(problem.at(pruned, masks)))
        assert not (found[~flatten(masks)] != 0).any()
        assert int((found == 0).sum()) == round(0.6 * 62)
