"""Sparse training step by step, on a small network, against the formulas of the papers."""

import copy
import math

import pytest
import torch
from support.tiny import TinyExamples
from torch import Tensor, nn

from bench.common.errors import UserError
from bench.jobs.allocation import pruned_counts
from bench.jobs.recipe import Recipe
from bench.problem.problem import Target
from bench.problem.training.loop import Sparsifier, Training
from methods import build
from methods.str import SoftThreshold

SHAPES = {"0.weight": torch.Size([20, 12]), "2.weight": torch.Size([3, 20])}
SIZE = 300


class Examples(TinyExamples):
    """Eighty random examples, as a training takes them."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(1)
        inputs = torch.randn(80, 12, generator=draw)
        super().__init__(inputs, torch.randint(3, (80,), generator=draw))

    def batch(self, positions: Tensor, augmentation=None, generator=None):
        return super().batch(positions)


class Watch(Sparsifier):
    """Another sparsifier, with what is there before and after each of its acts."""

    def __init__(self, inner: Sparsifier) -> None:
        self.inner = inner
        self.masks: list[dict[str, Tensor] | None] = []  # before each step, and after the last
        self.weights: list[dict[str, Tensor]] = []
        self.decays: list[float] = []
        self.changes: dict[int, tuple] = {}

    def attach(self, training: Training) -> None:
        self.inner.attach(training)

    def before_step(self, training: Training) -> None:
        self.inner.before_step(training)
        self.masks.append(training.masks)
        self.weights.append({n: p.detach().clone() for n, p in training.parameters.items()})
        self.decays.append(training.optimizer.param_groups[0]["weight_decay"])

    def on_gradients(self, training: Training) -> None:
        before = training.masks
        gradients = {name: p.grad.clone() for name, p in training.parameters.items()}
        old = {name: p.detach().clone() for name, p in training.parameters.items()}
        self.inner.on_gradients(training)
        after = training.masks
        if before is not None and any(not torch.equal(before[n], after[n]) for n in before):
            new = {name: p.detach().clone() for name, p in training.parameters.items()}
            self.changes[training.step] = (before, after, gradients, old, new)


def trained(name: str, allocation="global", sparsity=0.8, epochs=10, rate=0.1, **fields) -> Watch:
    """The method watched over `epochs` of 4 steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))
    target = Target(sparsity, allocation)
    watch = Watch(build(name, fields).sparsifier(target))
    recipe = Recipe(
        epochs=epochs, batch=20, learning_rate=rate, schedule="constant", momentum=0.0,
        nesterov=False, weight_decay=1e-4, decay_after_pruning=False,
    )  # fmt: skip
    prunable = {"0.weight": "0", "2.weight": "2"}
    Training(model, prunable, Examples(), recipe, torch.Generator().manual_seed(3)).run(watch)
    return watch


def kept(masks: dict[str, Tensor] | None) -> int:
    return SIZE if masks is None else sum(int(mask.sum()) for mask in masks.values())


def share(decay: str, step: int, steps: int, fraction: float) -> float:
    """Evci et al. 2020, equation 1: α/2 (1 + cos(tπ/T_end)) with T_end three quarters; SET: ζ."""
    if decay == "constant":
        return fraction
    return fraction / 2 * (1 + math.cos(step * math.pi / (0.75 * steps)))


@pytest.mark.parametrize(
    ("method", "decay", "last"),
    [("rigl", "cosine", 30), ("rigl", "constant", 30), ("set", "constant", 40)],
)
@pytest.mark.parametrize("fraction", [0.3, 0.8])
def test_the_smallest_go_by_the_share_of_the_paper(method, decay, last, fraction) -> None:
    watch = trained(method, fraction=fraction, interval=3, decay=decay)
    sizes = [int(mask.sum()) for mask in watch.masks[0].values()]
    planned = [
        step
        for step in range(3, last, 3)
        if any(round(share(decay, step, 40, fraction) * size) for size in sizes)
    ]
    # Now and then, all that were dropped grow again.
    assert set(watch.changes) <= set(planned)
    assert len(watch.changes) >= len(planned) - 1
    for step, (before, after, _, old, _) in watch.changes.items():
        for name, mask in before.items():
            count = round(share(decay, step, 40, fraction) * int(mask.sum()))
            count = min(count, int((~mask).sum()))
            active = mask.flatten().nonzero().squeeze(1)
            order = old[name].flatten().abs()[active].argsort(stable=True)
            stay = active[order[count:]]
            assert after[name].flatten()[stay].all(), "a large weight was dropped"
            assert int(after[name].sum()) == int(mask.sum())
            grown = after[name].flatten().clone()
            grown[stay] = False
            assert int(grown.sum()) == count


def test_rigl_grows_from_zero_where_the_gradient_is_largest() -> None:
    for step, (before, after, gradients, old, new) in trained("rigl", interval=3).changes.items():
        for name, mask in before.items():
            count = round(share("cosine", step, 40, 0.3) * int(mask.sum()))
            active = mask.flatten().nonzero().squeeze(1)
            order = old[name].flatten().abs()[active].argsort(stable=True)
            expected = mask.flatten().clone()
            expected[active[order[:count]]] = False
            merit = gradients[name].flatten().abs().masked_fill(expected, -1)
            expected[merit.argsort(descending=True, stable=True)[:count]] = True
            assert torch.equal(after[name].flatten(), expected)
            assert not new[name][after[name] & ~mask].any()
            assert torch.equal(new[name][after[name] & mask], old[name][after[name] & mask])


def test_set_grows_anywhere_with_new_weights_of_the_usual_size() -> None:
    watch = trained("set", interval=2, fraction=0.5, epochs=30)
    for name, shape in SHAPES.items():
        bound = shape[1] ** -0.5
        fresh, places = [], torch.zeros(shape)
        for before, after, _, old, new in watch.changes.values():
            moved = after[name] & (new[name] != old[name])
            assert moved[after[name] & ~before[name]].all()
            fresh.append(new[name][moved])
            places += moved
        values = torch.cat(fresh)
        assert values.abs().max() <= bound
        assert values.max() > 0.9 * bound
        assert values.min() < -0.9 * bound
        assert abs(values.mean()) < 0.1 * bound
        # U(-b, b) has the standard deviation b/√3.
        assert values.std() == pytest.approx(bound / 3**0.5, rel=0.1)
        # Where it grows doesn't depend on the weight: no place is left out.
        assert (places > 0).float().mean() > 0.99


def test_where_too_few_have_a_gradient_the_largest_dropped_return() -> None:
    """Inputs that never fire give no gradient: of 24 weights, those of 4 inputs can't grow."""
    Dead = type("Dead", (Examples,), {})
    original = Examples.batch

    def batch(self, positions, augmentation=None, generator=None):
        inputs, labels = original(self, positions)
        return inputs * (torch.arange(12) < 1), labels % 2

    Dead.batch = batch
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 2))
    rewiring = build("rigl", {"interval": 1, "fraction": 0.8, "decay": "constant"})
    watch = Watch(rewiring.sparsifier(Target(0.5, "global")))
    recipe = Recipe(epochs=1, batch=20, learning_rate=0.1, schedule="constant", momentum=0.0,
                    nesterov=False)  # fmt: skip
    images, draw = Dead(), torch.Generator().manual_seed(3)
    Training(model, {"0.weight": "0"}, images, recipe, draw).run(watch)
    seen = []
    assert all(kept(mask) == 12 for mask in watch.masks)
    for before, after, gradients, old, _ in watch.changes.values():
        count = round(0.8 * 12)
        active = before["0.weight"].flatten().nonzero().squeeze(1)
        order = active[old["0.weight"].flatten().abs()[active].argsort(stable=True)]
        live = gradients["0.weight"].flatten().abs() > 0
        expected = torch.zeros(24, dtype=torch.bool)
        expected[order[count:]] = True
        grown = (live & ~expected).nonzero().squeeze(1)
        expected[grown] = True
        returned = [q for q in order[:count].flip(0).tolist() if q not in grown.tolist()]
        expected[returned[: count - len(grown)]] = True
        assert torch.equal(after["0.weight"].flatten(), expected)
        seen.append(len(grown) < count)
    assert any(seen)


@pytest.mark.parametrize("method", ["rigl", "set", "scratch"])
@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
def test_the_first_mask_is_random_with_the_counts_of_the_job(method, allocation) -> None:
    watch = trained(method, allocation, epochs=1)
    counts = pruned_counts(allocation, SHAPES, 0.8)
    assert kept(watch.masks[0]) == 60
    for name, count in (counts or {}).items():
        assert int((~watch.masks[0][name]).sum()) == count
    sizes = watch.weights[0]["0.weight"].abs()
    assert sizes[watch.masks[0]["0.weight"]].min() < 0.1  # not the largest ones


def test_scratch_may_keep_the_largest() -> None:
    watch = trained("scratch", mask="magnitude", epochs=1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))
    every = torch.cat([model.get_parameter(name).flatten() for name in SHAPES])
    largest = torch.zeros(SIZE, dtype=torch.bool)
    largest[every.abs().argsort(descending=True)[:60]] = True
    assert torch.equal(torch.cat([m.flatten() for m in watch.masks[0].values()]), largest)
    assert all(torch.equal(m["0.weight"], watch.masks[0]["0.weight"]) for m in watch.masks)


@pytest.mark.parametrize(
    ("method", "fields", "end"),
    [
        ("scratch", {}, 0),
        ("rigl", {}, 30),
        ("rigl", {"end": 0.5}, 20),
        ("set", {}, 40),
        ("gmp", {}, 30),
        ("gmp", {"end": 0.3}, 12),
        ("str", {"interval": 4}, 34),
    ],
)
def test_weight_decay_ends_with_the_last_change(method, fields, end) -> None:
    decays = trained(method, **fields).decays
    assert decays == [1e-4] * end + [0.0] * (41 - end)


def test_gmp_follows_the_cubic_of_the_paper() -> None:
    """Zhu & Gupta 2017, equation 1: s_f + (s_i - s_f)(1 - (t - t_0)/nΔt)³ at n + 1 moments."""
    watch = trained("gmp", begin=0.25, end=0.75, prunings=5, initial_sparsity=0.2)
    expected = SIZE
    plan = {10 + 5 * k: 0.8 - 0.6 * (1 - k / 4) ** 3 for k in range(5)}
    for step, masks in enumerate(watch.masks):
        if step in plan:
            expected = SIZE - round(plan[step] * SIZE)
        assert kept(masks) == expected, step
    assert kept(watch.masks[-1]) == 60
    every = [torch.cat([w.flatten() for w in weights.values()]) for weights in watch.weights]
    for step in plan:
        if step > 10:
            before = every[step - 1]
            assert not (every[step][before == 0] != 0).any()
    dense = trained("gmp", begin=0.25, end=0.75, prunings=5, initial_sparsity=0.2, rate=1e-9)
    order = torch.cat([w.flatten() for w in dense.weights[0].values()]).abs()
    mask = torch.cat([m.flatten() for m in dense.masks[-1].values()])
    assert order[mask].min() >= order[~mask].max()


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        # As many moments as there are steps between them at most, and one is the end alone.
        ({"begin": 0.5, "end": 0.6, "prunings": 40}, [20, 21, 22, 23, 24]),
        ({"begin": 0.1, "end": 0.9, "prunings": 1}, [36]),
        ({"begin": 0.0, "end": 1.0, "prunings": 3}, [20, 40]),
        ({"begin": 0.0, "end": 0.75, "prunings": 3, "initial_sparsity": 0.1}, [0, 15, 30]),
    ],
)
def test_gmp_prunes_at_its_moments(fields, steps) -> None:
    counts = [SIZE, *(kept(masks) for masks in trained("gmp", **fields).masks)]
    changes = [step for step in range(41) if counts[step + 1] != counts[step]]
    assert set(steps) - {0} == set(changes) - {0} - set(steps[:1]) | (set(steps) - {0})
    assert changes[-1] == steps[-1]
    assert set(changes) <= set(steps)


@pytest.mark.parametrize("fields", [{"begin": 0.75}, {"begin": 0.8}, {"end": 0.0}])
def test_gmp_must_end_after_it_begins(fields) -> None:
    with pytest.raises(
        UserError, match="can't have these fields: the end .* must come after the begin"
    ):
        build("gmp", fields)


def test_a_soft_threshold_by_hand() -> None:
    """Kusupati et al. 2020, equation 4: sign(W) relu(|W| - g(s)), with its gradients."""
    s = nn.Parameter(torch.tensor(0.0))  # g = 1/2, g' = 1/4
    weight = torch.tensor([2.0, -3.0, 0.25, -0.25], requires_grad=True)
    out = SoftThreshold(s)(weight)
    assert out.tolist() == [1.5, -2.5, 0.0, 0.0]
    (out * torch.tensor([1.0, 10.0, 100.0, 100.0])).sum().backward()
    assert weight.grad.tolist() == [1.0, 10.0, 0.0, 0.0]
    assert float(s.grad) == pytest.approx(-(1.0 - 10.0) / 4)


class Pulled(Sparsifier):
    """STR under a constant pull on every s, with each s noted at every step."""

    def __init__(self, inner: Sparsifier, pull: float) -> None:
        self.inner, self.pull = inner, pull
        self.s: list[list[float]] = []
        self.original: dict[str, Tensor] = {}

    def attach(self, training: Training) -> None:
        self.original = {n: p.detach().clone() for n, p in training.parameters.items()}
        self.inner.attach(training)
        self.thresholds = [m for m in training.model.modules() if isinstance(m, SoftThreshold)]

    def before_step(self, training: Training) -> None:
        self.s.append([float(threshold.s.detach()) for threshold in self.thresholds])
        self.inner.before_step(training)
        if training.step < training.steps:
            with torch.no_grad():
                for s in {id(t.s): t.s for t in self.thresholds}.values():
                    s.sub_(self.pull)


def pulled(pull: float, allocation="global", steps=40, **fields) -> Pulled:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))
    watch = Pulled(build("str", fields).sparsifier(Target(0.8, allocation)), pull)
    recipe = Recipe(epochs=steps // 4, batch=20, learning_rate=1e-30, schedule="constant",
                    momentum=0.0, nesterov=False)  # fmt: skip
    draw = torch.Generator().manual_seed(3)
    prunable = {"0.weight": "0", "2.weight": "2"}
    watch.training = Training(model, prunable, Examples(), recipe, draw)
    watch.training.run(watch)
    return watch


def wanted(watch: Pulled, allocation: str, sparsity: float) -> list[float]:
    """The s of each layer at which it has its share of this sparsity: between two weights."""
    logits = [w.abs().logit().flatten().sort().values for w in watch.original.values()]
    counts = pruned_counts(allocation, SHAPES, sparsity)
    if counts is None:
        logits = [torch.cat(logits).sort().values] * 2
        numbers = [round(sparsity * SIZE)] * 2
    else:
        numbers = list(counts.values())
    return [
        float((o[n - 1] + o[n]) / 2) if n else float(o[0]) - 0.5
        for o, n in zip(logits, numbers, strict=True)
    ]


@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@pytest.mark.parametrize("threshold", ["layer", "global"])
def test_str_keeps_to_the_cubic_where_nothing_pulls(allocation, threshold) -> None:
    """At the end of each interval the thresholds are where the schedule wants them."""
    if threshold == "global" and allocation != "global":
        return
    watch = pulled(0.0, allocation, interval=4, threshold=threshold, initial=-10.0)
    assert watch.s[0] == [-10.0, -10.0]
    for step in range(4, 33, 4):
        sparsity = 0.8 - 0.8 * max(0.0, 1 - step / 28) ** 3
        assert watch.s[step] == pytest.approx(wanted(watch, allocation, sparsity), abs=1e-3), step
    # A force is constant within its interval.
    moves = [b[0] - a[0] for a, b in zip(watch.s, watch.s[1:], strict=False)]
    for first in range(0, 32, 4):
        assert moves[first : first + 4] == pytest.approx([moves[first]] * 4, abs=1e-4)


def test_str_makes_up_for_half_of_a_pull_in_each_interval() -> None:
    watch = pulled(0.05, interval=4, threshold="layer", initial=-10.0)
    expected = 0.2  # an interval's pull is missed at first, then half as much each time
    for step in range(4, 33, 4):
        sparsity = 0.8 - 0.8 * max(0.0, 1 - step / 28) ** 3
        missed = wanted(watch, "global", sparsity)[0] - watch.s[step][0]
        assert missed == pytest.approx(expected, abs=2e-3), step
        expected /= 2


@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
def test_str_projects_to_the_exact_count_at_settle(allocation) -> None:
    watch = pulled(0.03, allocation, interval=4, settle=0.9)
    before = watch.s[36]
    weights = watch.original
    left = sum(
        int((w.abs().logit() > s).sum()) for w, s in zip(weights.values(), before, strict=True)
    )
    emergent = watch.training.emergent_sparsity
    assert emergent == pytest.approx(1 - left / SIZE)
    goal = wanted(watch, allocation, 0.8)
    masks = watch.training.masks
    assert kept(masks) == 60
    for (name, weight), s in zip(weights.items(), goal, strict=True):
        assert torch.equal(masks[name], weight.abs().logit() > s)
        behind = weight.sign() * (weight.abs() - torch.tensor(s).sigmoid()).relu()
        found = watch.training.model.get_parameter(name)
        torch.testing.assert_close(found.detach(), behind, rtol=1e-4, atol=1e-5)
    assert not hasattr(watch.training.model[0], "parametrizations")


class Kept:
    """The state before one of the steps, as an interrupted training leaves it."""

    def __init__(self, saved: dict | None = None) -> None:
        self.saved = saved
        self.states: list[dict] = []

    def due(self) -> bool:
        return self.saved is None

    def save(self, state: dict) -> None:
        self.states.append(copy.deepcopy(state))


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("str", {"interval": 4, "settle": 0.8}),
        ("str", {"interval": 4, "settle": 0.8, "threshold": "global"}),
        ("gmp", {}),
        ("rigl", {"interval": 5}),
        ("set", {"interval": 5}),
        ("scratch", {}),
    ],
)
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(method, fields) -> None:
    """After any number of steps, with momentum and weight decay, and to the same bits."""

    def run(saver: Kept) -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))
        recipe = Recipe(epochs=10, batch=20, learning_rate=0.1, weight_decay=1e-3)
        prunable = {"0.weight": "0", "2.weight": "2"}
        draw = torch.Generator().manual_seed(3)
        training = Training(model, prunable, Examples(), recipe, draw, saver=saver)
        training.run(build(method, fields).sparsifier(Target(0.8, "global")))
        emergent.append(training.emergent_sparsity)
        return model.state_dict()

    emergent: list[float | None] = []
    whole = Kept()
    expected = run(whole)
    assert sum(int((expected[name] == 0).sum()) for name in SHAPES) == 240
    assert len(whole.states) == 40
    for steps in (1, 7, 20, 31, 32, 33, 39, 40):
        found = run(Kept(whole.states[steps - 1]))
        assert all(torch.equal(found[name], value) for name, value in expected.items()), steps
    assert len(set(emergent)) == 1


def test_str_must_not_settle_before_it_has_risen() -> None:
    build("str", {"rise": 0.5, "settle": 0.5})
    with pytest.raises(UserError, match="must not come before rise"):
        build("str", {"rise": 0.6, "settle": 0.5})
