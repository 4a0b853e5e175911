"""Every block structure of the Fisher against dense algebra, and the limits between them."""

import pytest
import torch
from support.oracles import block_mask, dense_fisher, joint_obs, mfac_static, sum_of_single_moves
from support.tiny import slow_gradients, tiny_conv, tiny_mlp, tiny_problem

from bench.common.errors import MethodError
from bench.problem.weights import flatten, unflatten
from methods import build
from methods.curvature.blocks import ChunkInverse
from methods.curvature.wide_chunks import WideChunkInverse

SAMPLES = 30
BLOCKS = ["full", "layer", 1, 4, 7, 50, 1000]


def dense_inverse(problem, blocks, damping, gradients=None):
    """The dense inverse with everything outside the blocks set to zero beforehand."""
    gradients = problem.gradients(SAMPLES) if gradients is None else gradients
    sizes = [weight.numel() for weight in problem.weights.values()]
    return torch.linalg.inv(dense_fisher(gradients, damping) * block_mask(sizes, blocks))


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("blocks", BLOCKS)
def test_diagonal_products_and_mean_gradient(net, blocks) -> None:
    problem = tiny_problem(net())
    dense = dense_inverse(problem, blocks, 1e-2)
    method = build("woodfisher", {"samples": SAMPLES, "damping": 1e-2, "blocks": blocks})
    inverse = method.inverse(problem)
    torch.testing.assert_close(inverse.diagonal, dense.diagonal(), rtol=1e-9, atol=0)
    vector = torch.randn(len(dense), generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(inverse.product(vector), dense @ vector, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(inverse.mean_gradient, problem.gradients(SAMPLES).mean(0))


@pytest.mark.parametrize("blocks", BLOCKS)
def test_m_fac_is_the_same_inverse(blocks) -> None:
    """M-FAC's static algorithm, block by block as its pruner has it, gives the same matrix."""
    problem = tiny_problem(tiny_conv())
    gradients = problem.gradients(SAMPLES)
    sizes = [weight.numel() for weight in problem.weights.values()]
    ones = block_mask(sizes, blocks)
    starts = [q for q in range(len(ones)) if q == 0 or ones[q, q - 1] == 0]
    parts = [
        mfac_static(gradients[:, first:last], 1e-2)
        for first, last in zip(starts, [*starts[1:], len(ones)], strict=True)
    ]
    mfac = torch.block_diag(*parts)
    method = build("woodfisher", {"samples": SAMPLES, "damping": 1e-2, "blocks": blocks})
    inverse = method.inverse(problem)
    torch.testing.assert_close(inverse.diagonal, mfac.diagonal(), rtol=1e-8, atol=0)
    vector = torch.randn(len(mfac), generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(inverse.product(vector), mfac @ vector, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("update", ["sum", "joint"])
@pytest.mark.parametrize("fisher", ["empirical", "true"])
def test_scores_and_pruned_weights(net, blocks, update, fisher) -> None:
    problem = tiny_problem(net(), sparsity=0.6)
    fields = {"blocks": blocks, "update": update, "fisher": fisher, "update_scale": 0.9}
    method = build("woodfisher", {"samples": SAMPLES, "damping": 1e-2} | fields)
    gradients = problem.gradients(SAMPLES, fisher=fisher)
    dense = dense_inverse(problem, blocks, 1e-2, gradients)
    weights = flatten(problem.weights)
    scores = weights**2 / (2 * dense.diagonal())
    torch.testing.assert_close(flatten(method.scores(problem)), scores, rtol=1e-8, atol=0)

    keep = flatten(problem.select(unflatten(scores, like=problem.weights)))
    move = sum_of_single_moves if update == "sum" else joint_obs
    expected = weights + 0.9 * move(weights, dense, keep)
    expected[~keep] = 0
    torch.testing.assert_close(flatten(method.prune(problem)), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("removed_share", [0.1, 0.5, 0.9])
def test_a_joint_move_by_dense_algebra(net, blocks, removed_share) -> None:
    """Every entry, those of the removed too; with more and with fewer kept than gradients."""
    problem = tiny_problem(net())
    dense = dense_inverse(problem, blocks, 1e-2)
    fields = {"samples": SAMPLES, "damping": 1e-2, "blocks": blocks}
    weights = flatten(problem.weights)
    order = torch.randperm(len(weights), generator=torch.Generator().manual_seed(0))
    keep = order >= round(removed_share * len(weights))
    found = build("woodfisher", fields).inverse(problem).joint_move(weights * ~keep, keep)
    expected = joint_obs(weights, dense, keep)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(found[~keep], -weights[~keep])


@pytest.mark.parametrize("blocks", ["full", "layer", 7])
def test_the_joint_move_is_the_least_loss(blocks) -> None:
    """No other move of the survivors makes up better for what was removed."""
    problem = tiny_problem(tiny_mlp(), sparsity=0.5)
    dense = torch.linalg.inv(dense_inverse(problem, blocks, 1e-2))
    losses = {}
    for update in ("sum", "joint"):
        fields = {"samples": SAMPLES, "damping": 1e-2, "blocks": blocks, "update": update}
        step = flatten(build("woodfisher", fields).prune(problem)) - flatten(problem.weights)
        losses[update] = step @ dense @ step / 2
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            noise = torch.randn(len(step), generator=generator, dtype=torch.float64)
            other = step + 1e-3 * noise * (flatten(problem.weights) + step != 0)
            if update == "joint":
                assert other @ dense @ other / 2 > losses[update]
    assert losses["joint"] < losses["sum"]


def test_a_predicted_loss_is_what_the_quadratic_model_says() -> None:
    """The score of a weight is the loss that its own removal with compensation adds."""
    problem = tiny_problem(tiny_mlp(), sparsity=1 / 70)
    size = flatten(problem.weights).numel()
    assert round(size / 70) == 1
    method = build("woodfisher", {"samples": SAMPLES, "damping": 1e-2})
    step = flatten(method.prune(problem)) - flatten(problem.weights)
    fisher = dense_fisher(problem.gradients(SAMPLES), 1e-2)
    predicted = flatten(method.scores(problem)).min()
    torch.testing.assert_close(step @ fisher @ step / 2, predicted)


def same_bits(one: dict, other: dict, net=tiny_conv, **settings) -> bool:
    """Whether two configurations prune to the same weights."""
    problems = [tiny_problem(net(), **settings) for _ in range(2)]
    found = [
        flatten(build(fields.pop("method", "woodfisher"), {"samples": SAMPLES} | fields).prune(p))
        for fields, p in zip((dict(one), dict(other)), problems, strict=True)
    ]
    return torch.allclose(found[0], found[1], rtol=1e-7, atol=1e-10)


def test_a_block_as_large_as_the_model_is_full() -> None:
    problem = tiny_problem(torch.nn.Sequential(torch.nn.Linear(6, 3, bias=False)))
    whole, full = (
        flatten(build("woodfisher", {"samples": SAMPLES, "blocks": blocks}).prune(problem))
        for blocks in (18, "full")
    )
    torch.testing.assert_close(whole, full)


def test_a_chunk_as_large_as_the_largest_layer_is_layer() -> None:
    assert same_bits({"blocks": 10_000}, {"blocks": "layer"})
    assert not same_bits({"blocks": "layer"}, {"blocks": "full"})


def test_blocks_of_one_are_obd_with_the_same_damping() -> None:
    obd = {"method": "obd", "damping": 1e-2}
    diagonal = {"blocks": 1, "damping": 1e-2}
    assert same_bits(diagonal, obd)
    assert same_bits(diagonal | {"update_scale": 0}, obd)
    assert not same_bits(diagonal | {"blocks": 4}, obd)


def test_one_recomputation_is_none() -> None:
    assert same_bits({"recomputations": 1, "schedule": "geometric"}, {})
    assert not same_bits({"recomputations": 3}, {})


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.3, 0.6, 0.9]),
        ("polynomial", [0.9 * 19 / 27, 0.9 * 26 / 27, 0.9]),
        ("geometric", [1 - 0.1 ** (1 / 3), 1 - 0.1 ** (2 / 3), 0.9]),
    ],
)
def test_schedules_reach_the_target_exactly(schedule, expected) -> None:
    method = build("woodfisher", {"recomputations": 3, "schedule": schedule})
    assert method.sparsities(0.9) == pytest.approx(expected)
    assert method.sparsities(0.9)[-1] == 0.9


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # From 0.4 to 0.9 in four: equal steps; (1 - t)³ of the way left; equal factors of 1 - s.
        ("linear", [0.525, 0.65, 0.775, 0.9]),
        ("polynomial", [0.9 - 0.5 * 27 / 64, 0.9 - 0.5 * 8 / 64, 0.9 - 0.5 / 64, 0.9]),
        ("geometric", [1 - 0.6 / 6**0.25, 1 - 0.6 / 6**0.5, 1 - 0.6 / 6**0.75, 0.9]),
    ],
)
def test_schedules_go_on_from_what_is_gone_already(schedule, expected) -> None:
    method = build("woodfisher", {"recomputations": 4, "schedule": schedule})
    assert method.sparsities(0.9, 0.4) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["linear", "polynomial", "geometric"])
def test_recomputed_inverses_are_those_of_the_survivors(schedule) -> None:
    """Two estimates by hand: the second Fisher is that of the weights left, over them alone."""
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    method = build(
        "woodfisher",
        {"samples": 20, "damping": 1e-2, "recomputations": 2, "schedule": schedule},
    )
    found = flatten(method.prune(problem))
    assert problem._meter.spent.recomputations == 1
    assert problem._meter.spent.backward_passes == 40

    weights, keep = flatten(problem.weights), torch.ones(50 + 12, dtype=torch.bool)
    model = problem._model
    for sparsity in method.sparsities(0.6):
        for (name, _), part in zip(
            problem.weights.items(), unflatten(weights, problem.weights).values(), strict=True
        ):
            model.get_parameter(name).data.copy_(part)
        gradients = slow_gradients(problem, 20)[:, keep]
        inverse = torch.linalg.inv(dense_fisher(gradients, 1e-2))
        scores = torch.full_like(weights, -1)
        scores[keep] = weights[keep] ** 2 / (2 * inverse.diagonal())
        still = flatten(problem.select(unflatten(scores, problem.weights), sparsity))
        weights[keep] += sum_of_single_moves(weights[keep], inverse, still[keep])
        keep = still
        weights[~keep] = 0
    torch.testing.assert_close(found, weights, rtol=1e-7, atol=1e-9)


def test_woodtaylor_by_dense_algebra() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    method = build("woodtaylor", {"samples": SAMPLES, "damping": 0.1, "step_scale": 0.7})
    gradients = problem.gradients(SAMPLES)
    inverse = torch.linalg.inv(dense_fisher(gradients, 0.1))
    weights = flatten(problem.weights)
    step = 0.7 * inverse @ gradients.mean(0)
    scores = (weights - step) ** 2 / (2 * inverse.diagonal())
    torch.testing.assert_close(flatten(method.scores(problem)), scores)
    keep = flatten(problem.select(unflatten(scores, problem.weights)))
    expected = weights - step
    for q in (~keep).nonzero().squeeze(1):
        expected -= (weights[q] - step[q]) / inverse[q, q] * inverse[:, q]
    expected[~keep] = 0
    torch.testing.assert_close(flatten(method.prune(problem)), expected)


def test_the_score_of_woodtaylor_is_the_optimal_rise_of_its_quadratic_model() -> None:
    """Brute force: minimise ḡᵀδ + δᵀFδ/2 with δ_q = -w_q, for each q, against the free minimum."""
    problem = tiny_problem(tiny_mlp())
    gradients = problem.gradients(SAMPLES)
    fisher, mean = dense_fisher(gradients, 0.1), gradients.mean(0)
    weights = flatten(problem.weights)
    free = -mean @ torch.linalg.solve(fisher, mean) / 2
    scores = flatten(build("woodtaylor", {"samples": SAMPLES, "damping": 0.1}).scores(problem))
    for q in range(0, len(weights), 7):
        others = torch.arange(len(weights)) != q
        pull = -mean[others] + fisher[others][:, q] * weights[q]
        step = torch.full_like(weights, -weights[q])
        step[others] = torch.linalg.solve(fisher[others][:, others], pull)
        rise = mean @ step + step @ fisher @ step / 2 - free
        torch.testing.assert_close(scores[q], rise, rtol=1e-8, atol=1e-12)


def test_woodtaylor_without_a_gradient_is_woodfisher() -> None:
    taylor = {"method": "woodtaylor", "damping": 1e-2}
    assert same_bits(taylor | {"step_scale": 0}, {"damping": 1e-2})
    assert not same_bits(taylor, {"damping": 1e-2})


@pytest.mark.parametrize("blocks", ["full", "layer", 5])
@pytest.mark.parametrize("update", ["sum", "joint"])
def test_a_large_damping_is_magnitude_whatever_the_blocks(blocks, update) -> None:
    damped = {"damping": 1e9, "blocks": blocks, "update": update}
    problem = tiny_problem(tiny_conv())
    expected = flatten(build("magnitude", {}).prune(problem))
    found = flatten(build("woodfisher", {"samples": 20} | damped).prune(problem))
    assert torch.equal(found != 0, expected != 0)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_singular_blocks_are_said() -> None:
    with pytest.raises(MethodError, match="2 blocks of the Fisher are numerically singular"):
        ChunkInverse(torch.full((5, 6), 1e3), 1e-30, 3)
    with pytest.raises(MethodError, match="2 blocks of the Fisher are numerically singular"):
        WideChunkInverse(torch.full((5, 12), 1e3), 1e-30, 6)


def test_one_singular_block_among_others_is_said() -> None:
    gradients = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))
    narrow, wide = gradients.clone(), gradients.clone()
    narrow[:, 3:6] = 1e3
    with pytest.raises(MethodError, match="1 blocks of the Fisher are numerically singular"):
        ChunkInverse(narrow, 1e-30, 3)
    wide[:, 6:] = 1e3
    with pytest.raises(MethodError, match="1 blocks of the Fisher are numerically singular"):
        WideChunkInverse(wide, 1e-30, 6)
