"""Any network trains, is saved and loaded, and trains sparse, as plain torch would train it."""

import dataclasses
import hashlib

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from support.toys import CPU, NETS, Buffered, Half, Stemmed, Tied, descended, job, pair
from torch import nn

import datasets
from bench.common.errors import UserError
from bench.common.machine.threads import threads
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS, checkpoint
from bench.pairs.preparing.dense_training import train
from bench.pairs.preparing.prepare import prepare
from bench.problem.problem import Target
from bench.problem.training.loop import Training
from bench.run.one_job import run_job
from bench.run.tested import sha256_of
from methods import build, configuration

TOLERANCES = {torch.float32: (1e-3, 1e-4), torch.bfloat16: (0.1, 0.02), torch.float16: (0.02, 3e-3)}


@pytest.mark.parametrize("net", NETS)
def test_a_network_trains_is_saved_and_loaded(toys, net) -> None:
    asked = pair(NETS[net])
    dense = prepare(asked, CPU)
    still = ["stem.1"] if NETS[net] is Stemmed else []
    expected = descended(asked.build(), toys.train, *still).state_dict()
    state = dense.model.state_dict()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        rtol, atol = TOLERANCES.get(value.dtype, (0, 0))
        torch.testing.assert_close(value, expected[name], rtol=rtol, atol=atol)
    again = prepare(asked, CPU)
    assert (again.checkpoint_sha256, again.evaluation) == (
        dense.checkpoint_sha256,
        dense.evaluation,
    )
    assert all(torch.equal(again.model.state_dict()[name], value) for name, value in state.items())


@pytest.mark.parametrize("method", ["str", "gmp", "rigl", "set", "scratch", "magnitude"])
@pytest.mark.parametrize("net", NETS)
def test_every_training_prunes_to_the_exact_count(toys, net, method) -> None:
    dense = prepare(pair(NETS[net], epochs=1), CPU)
    protocol = "fine-tune" if method == "magnitude" else "sparse-training"
    found = run_job(job(method, protocol), dense, "study", method)
    assert found.status == "ok", found.reason
    assert found.nonzero == found.prunable - round(0.5 * found.prunable)


@pytest.mark.parametrize(
    "net",
    [
        *("view", "frozen"),
        *(pytest.param(net, marks=pytest.mark.slow) for net in ("conv3d", "conv1d", "bfloat16")),
    ],
)
def test_training_helps_on_images_with_several_channels(toys, net) -> None:
    trained = prepare(pair(NETS[net], epochs=20, batch=16, learning_rate=0.05), CPU)
    assert trained.evaluation.accuracy >= 95


def test_a_saved_file_holds_plain_tensors_of_their_own(tmp_path) -> None:
    model = Buffered()
    model.to(memory_format=torch.channels_last)
    model.twin = nn.Linear(36, 4)
    model.twin.weight = model.last.weight
    path = tmp_path / "weights.safetensors"
    digest = checkpoint.save(path, model, {})
    state, again = checkpoint.load(path)
    assert digest == again
    assert state.keys() == model.state_dict().keys() == load_file(path).keys()
    for name, tensor in model.state_dict().items():
        assert state[name].is_contiguous() and state[name].dtype == tensor.dtype
        assert state[name].shape == tensor.shape and torch.equal(state[name], tensor)
    plain = Buffered()
    plain.twin = nn.Linear(36, 4)
    plain.load_state_dict({n: t.clone() for n, t in model.state_dict().items()}, assign=True)
    assert checkpoint.serialized(plain) == path.read_bytes()


class Stateful(nn.Linear):
    """Keeps something that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        pass


class Sparse(nn.Linear):
    """Has a sparse buffer."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.register_buffer("sparse", torch.eye(3).to_sparse())


@pytest.mark.parametrize(
    ("layer", "odd"),
    [
        (Stateful, "1._extra_state is a dict"),
        (Sparse, "sparse is a tensor of the layout torch.sparse_coo"),
    ],
)
def test_a_state_that_cannot_be_kept_is_refused_before_the_training(toys, layer, odd) -> None:
    steps = []
    asked = pair(lambda: nn.Sequential(nn.Flatten(), layer(192, 4)), prunable=r"1\.weight")
    with pytest.raises(UserError, match="The state of Sequential can't be kept") as error:
        prepare(asked, CPU, lambda *step: steps.append(step))
    assert odd in str(error.value) and "must be made of dense tensors" in str(error.value)
    assert steps == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_weights_of_every_type_are_hashed_by_their_bits(dtype) -> None:
    numbers = torch.tensor([[1.5, -2.0], [0.0, 3.25]], dtype=dtype)
    single = torch.tensor(7)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[numbers.element_size()]
    content = b"a" + numbers.view(bits).numpy().tobytes() + b"b" + single.numpy().tobytes()
    expected = hashlib.sha256(content).hexdigest()
    assert sha256_of({"a": numbers, "b": single}) == expected
    assert sha256_of({"a": numbers.t().contiguous().t(), "b": single}) == expected
    assert sha256_of({"a": numbers, "b": single + 1}) != expected
    assert sha256_of({"a": torch.tensor([True, False])}) == hashlib.sha256(b"a\1\0").hexdigest()


def test_jobs_on_half_precision_repeat_to_the_bit(toys) -> None:
    dense = prepare(pair(lambda: Half(torch.bfloat16)), CPU)
    one, again = (run_job(job("magnitude", "fine-tune"), dense, "s", "m") for _ in range(2))
    assert one.status == "ok" and one.weights_sha256 == again.weights_sha256 is not None


class Twice(nn.Module):
    """A weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight


@pytest.mark.parametrize("kept", ["one.weight", "two.weight"])
def test_a_file_may_hold_a_tied_weight_once(kept) -> None:
    model, source = Twice(), Twice()
    state = source.state_dict()
    del state["one.weight" if kept == "two.weight" else "two.weight"]
    assert checkpoint.completed(model, state).keys() == model.state_dict().keys()
    model.load_state_dict(checkpoint.completed(model, state))
    assert torch.equal(model.one.weight, source.one.weight)
    other = checkpoint.completed(nn.Linear(3, 3), {"weight": torch.eye(3)})
    assert other.keys() == {"weight"}


def test_different_numbers_for_a_tied_weight_are_refused() -> None:
    state = Twice().state_dict()
    state["two.weight"] = state["one.weight"] + 1
    with pytest.raises(UserError, match="different numbers for one.weight and two.weight"):
        checkpoint.completed(Twice(), state)


def test_without_a_validation_split_a_dense_model_trains(toys, monkeypatch) -> None:
    nothing = datasets.Split(toys.test.images[:0], toys.test.labels[:0])
    monkeypatch.setattr(datasets, "load", lambda *_: dataclasses.replace(toys, validation=nothing))
    assert prepare(pair(NETS["view"]), CPU).evaluation.examples == 40


@pytest.mark.parametrize("fields", [{"rise": 0.0}, {"rise": 0.0, "settle": 0.0}, {"settle": 1.0}])
def test_str_at_the_ends_of_its_range(toys, fields) -> None:
    dense = prepare(pair(NETS["flatten"]), CPU)
    asked = job("str", "sparse-training", hyperparameters=configuration(build("str", fields)))
    found = run_job(asked, dense, "study", "str")
    assert (found.status, found.nonzero) == ("ok", found.prunable // 2), found.reason


def test_str_thresholds_every_use_of_a_tied_weight(toys) -> None:
    from bench.pairs.pair import HALF
    from datasets.inputs.images import Images

    torch.manual_seed(0)
    model = Tied()
    start = model.first.weight
    recipe = Recipe(epochs=2, batch=96, learning_rate=0.01)
    generator = torch.Generator().manual_seed(0)
    training = Training(
        model, {"first.weight": "first"}, Images(toys.train, HALF, CPU), recipe, generator
    )
    sparsifier = build("str", {"initial": -2.5}).sparsifier(Target(0.5, "global"))
    sparsifier.attach(training)
    behind = F.softshrink(start.detach(), float(torch.tensor(-2.5).sigmoid()))
    assert (behind == 0).any() and (behind != 0).any()
    for layer in (model.first, model.again):
        torch.testing.assert_close(layer.weight.detach(), behind)
    model = Tied()
    training = Training(
        model, {"first.weight": "first"}, Images(toys.train, HALF, CPU), recipe, generator
    )
    training.run(build("str", {}).sparsifier(Target(0.5, "global")))
    assert model.again.weight is model.first.weight is training.parameters["first.weight"]
    assert int((model.first.weight == 0).sum()) == 72


def test_random_buffers_are_the_same_wherever_the_model_is_built(toys) -> None:
    class Projected(nn.Module):
        """Random features that no checkpoint holds."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.randn(192, 16), persistent=False)
            self.last = nn.Linear(16, 4)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.last(inputs.flatten(1) @ self.table / 14)

    asked = pair(Projected, prunable=r"last\.weight")
    one = prepare(asked, CPU)
    torch.manual_seed(12345)
    state = torch.get_rng_state()
    other = prepare(asked, CPU)
    assert torch.equal(one.model.table, other.model.table)
    assert one.evaluation == other.evaluation
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.usefixtures("registries")
def test_the_built_in_pair_of_its_own_training_is_what_it_was() -> None:
    dense = prepare(PAIRS["mlpnet-mnist5k"], CPU)
    assert (dense.train.layout, dense.frozen) == (torch.contiguous_format, frozenset())


def test_dense_weights_are_the_same_whatever_threads_the_run_has() -> None:
    own = PAIRS["mlpnet-mnist5k"]
    recipe = own.dense.model_copy(update={"epochs": 2})
    found = []
    for count in (1, 2, 3):
        model = own.build()
        with threads(count):
            train(own, recipe, model, datasets.load("mnist5k"), lambda *_: None)
            assert torch.get_num_threads() == count
        found.append(sha256_of(model.state_dict()))
    assert len(set(found)) == 1
