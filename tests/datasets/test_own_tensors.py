"""Data of the user's own in memory: what comes in, how it is split, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset

import datasets
from bench.common.errors import UserError
from datasets.own.given import table_of
from datasets.own.tensors import TensorDefinition

CPU = torch.device("cpu")
X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 4


def made(x=X, y=Y, test=0.3, **more) -> datasets.Dataset:
    return TensorDefinition("own", lambda: (x, y), test, **more).dataset()


class Items(Dataset):
    """Items of a kind that is given; it counts how often each is read."""

    def __init__(self, items: list) -> None:
        self.items, self.reads = items, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        self.reads += 1
        return self.items[index]


def test_labels_may_be_numbers_or_tokens() -> None:
    numbers = made(y=X[:, :2].double(), test=0.25)
    assert (numbers.classes, numbers.train.labels.dtype) == (None, torch.float64)
    assert [len(numbers.train), len(numbers.validation), len(numbers.test)] == [27, 3, 10]
    assert torch.equal(numbers.test.labels, numbers.test.images[:, :2].double())
    tokens = made(y=(X > 0).int(), classes=2)
    assert (tokens.classes, tokens.train.labels.shape[1:]) == (2, (6,))


def rows(split: datasets.Split) -> set[tuple[float, ...]]:
    return {tuple(row) for row in split.images.flatten(1).tolist()}


def test_splits_are_disjoint_and_hold_all_examples_with_every_class() -> None:
    data = made(validation=0.1)
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [24, 4, 12]
    assert len(set().union(*map(rows, splits))) == 40
    for split in splits:
        assert split.labels.bincount().tolist() == [len(split) // 4] * 4
    whole = {tuple(x): int(y) for x, y in zip(X.tolist(), Y, strict=True)}
    for x, y in zip(data.train.images.tolist(), data.train.labels.tolist(), strict=True):
        assert whole[tuple(x)] == y
    places = [X.tolist().index(row) for row in data.train.images.tolist()]
    assert places == sorted(places)


def test_the_split_follows_the_seed_and_the_digest_tells_all() -> None:
    data, again, other = made(), made(), made(seed=1)
    assert data.digest == again.digest
    assert rows(data.test) == rows(again.test)
    assert rows(data.test) != rows(other.test)
    moved, flipped = X.clone(), Y.clone()
    moved[3, 2] = moved[3, 2].nextafter(torch.tensor(9.0))
    flipped[[0, 1]] = flipped[[1, 0]]
    changes = [other, made(x=moved), made(y=flipped), made(test=0.5), made(validation=0.0)]
    changes += [made(x=X.double()), made(classes=4, x=X[4:], y=Y[4:])]
    digests = {data.digest, *(change.digest for change in changes)}
    assert len(digests) == 8


def test_test_data_of_their_own_leave_the_training_data_whole() -> None:
    definition = TensorDefinition(
        "own", lambda: (X, Y), lambda: (X[:8] + 1, Y[:8]), validation=0.0, classes=4
    )
    data = definition.dataset()
    assert torch.equal(data.train.images, X) and torch.equal(data.train.labels, Y)
    assert torch.equal(data.test.images, X[:8] + 1)
    assert len(data.validation) == 0


def test_a_class_of_one_example_stays_in_training() -> None:
    y = Y.clone()
    y[0] = 4
    data = made(y=y)
    assert int((data.train.labels == 4).sum()) == 1
    assert data.classes == 5


def test_random_data_are_the_same_in_every_process() -> None:
    def drawn() -> tuple[torch.Tensor, np.ndarray]:
        return torch.rand(40, 2), np.random.permutation(40) % 2

    one = TensorDefinition("own", drawn, 0.5).dataset()
    torch.rand(3)
    assert one.digest == TensorDefinition("own", drawn, 0.5).dataset().digest


KINDS = {
    "features": (np.random.default_rng(0).normal(size=(40, 3)), torch.float64),
    "single precision": (np.ones((40, 3), np.float32), torch.float32),
    "truth values": (np.ones((40, 3), bool), torch.float32),
    "tokens": (np.ones((40, 7), np.int32), torch.int64),
    "images": (np.full((40, 3, 5, 5), 7, np.uint8), torch.uint8),
    "lists": ([[0.5, 1.5]] * 40, torch.float64),
    "half": (torch.ones(40, 3, dtype=torch.bfloat16), torch.bfloat16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_numbers(kind) -> None:
    x, dtype = KINDS[kind]
    data = made(x=x, y=np.asarray(Y, dtype=np.uint8))
    assert (data.train.images.dtype, data.train.labels.dtype) == (dtype, torch.int64)
    assert np.array_equal(data.train.images[0].float(), torch.as_tensor(x[0]).float())


def test_a_dataset_is_read_item_by_item_once() -> None:
    items = Items([(Image.new("RGB", (5, 4), (i, 0, 0)), i % 4) for i in range(40)])
    table = table_of("it", items)
    assert table.inputs.shape == (40, 3, 4, 5) and table.inputs.dtype == torch.uint8
    assert table.inputs[:, 0, 0, 0].tolist() == list(range(40))
    assert table.labels.tolist() == Y.tolist()
    assert items.reads == 40
    same = TensorDataset(X, Y)
    for data in (same, DataLoader(same, batch_size=7), [(x, int(y)) for x, y in same]):
        found = table_of("it", data)
        assert torch.equal(found.inputs, X) and torch.equal(found.labels, Y)


def bad(**places: object) -> torch.Tensor:
    x = X.clone()
    for value, index in places.items():
        x[index] = float(value)
    return x


REFUSED = {
    "unequal": ({"y": Y[:39]}, "own: there are 40 inputs and 39 labels"),
    "empty": ({"x": X[:0], "y": Y[:0]}, "own: there are no examples"),
    "one dimension": ({"x": X[:, 0]}, r"inputs have the shape \[40\]"),
    "no features": ({"x": X[:, :0]}, r"inputs have the shape \[40, 0\]"),
    "NaN": ({"x": bad(nan=7)}, "inputs hold NaN in 1 of 40 examples, first in that of index 7"),
    "infinite": ({"x": bad(inf=3)}, "an infinite number in 1 of 40 examples.*index 3"),
    "fractions": ({"y": Y / 4, "classes": 4}, "labels are torch.float32, where the numbers of 4"),
    "no label known": ({"y": bad(nan=5)}, "labels hold NaN in 1 of 40 examples"),
    "no label each": ({"y": Y[0]}, r"labels are torch.int64 of the shape \[\]"),
    "texts": ({"y": np.array(["a", "b"] * 20)}, "labels is an array of <U1"),
    "from one": ({"y": Y + 1}, "of 5 classes 1 have no example to train on (0)"),
    "too large": ({"classes": 3}, "label of the example of index .* is 3, where the 3 classes"),
    "below zero": ({"y": Y - 1}, "is -1, where the 3 classes are 0 to 2"),
    "a class too many": ({"classes": 5}, r"of 5 classes 1 have no example to train on \(4\)"),
    "one class": ({"classes": 1}, "classes must be a number of at least 2"),
    "complex": ({"x": X + 1j}, "inputs are torch.complex64"),
    "sparse": ({"x": X.to_sparse()}, "inputs is a tensor of the layout torch.sparse_coo"),
    "nothing": ({"x": None}, "inputs is None, where an array is expected"),
    "all held out": ({"test": 1.0}, "test must be a fraction above 0 to below 1, not 1.0"),
    "none held out": ({"test": 0}, "test must be a fraction above 0"),
    "no share": ({"test": None}, "test must be a fraction or its own data"),
    "a share of nothing": ({"validation": -0.1}, "validation must be a fraction from 0"),
    "one of each": ({"x": X[:4], "y": Y[:4]}, "none can be held out"),
    "other shapes": ({"test": lambda: (X[:, :5], Y)}, r"test data: inputs are \[5\].*\[6\]"),
    "a label in the test": ({"test": lambda: (X, Y + 1), "classes": 4}, "its test data: the label"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cant_be_used_is_one_sentence_with_the_name(name) -> None:
    changed, message = REFUSED[name]
    with pytest.raises(UserError, match="The dataset own") as caught:
        made(**changed)
    assert caught.match(message.replace("(0)", r"\(0\)"))
    assert "\n" not in str(caught.value)


def fails() -> None:
    raise OSError("the disk is\ngone")


GIVEN = {
    "no pair": (lambda: X, r"item 0: it is Tensor, where \(input, label\)"),
    "three": (lambda: (X, Y, Y), "a tuple of 3 was given"),
    "a number": (lambda: 7, "a int was given, where a tuple"),
    "dicts": (lambda: Items([{"image": 1, "label": 2}]), "item 0: it is a dict of image, label"),
    "fails": (fails, r"can't be made \(OSError: the disk is gone\)"),
    "an item fails": (lambda: Items([(1, 2)] * 3)[7], "IndexError"),
    "other sizes": (lambda: Items([(X[0], 0), (X[0, :3], 1)]), r"number 1 has the shape \[3\]"),
    "other types": (lambda: Items([(X[0], 0), (X[0].double(), 1)]), "torch.float64"),
    "an item of none": (lambda: Items([(None, 0)]), "item 0: a part of it is None"),
    "none": (lambda: Items([]), "there are no examples"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_no_table_is_one_sentence_with_the_name(name) -> None:
    function, message = GIVEN[name]
    with pytest.raises(UserError, match="The dataset own") as caught:
        TensorDefinition("own", function, 0.5).dataset()
    assert caught.match(message)
    assert "\n" not in str(caught.value)


def test_data_that_are_no_function_are_said() -> None:
    with pytest.raises(UserError, match=r"must be a function .* not a tuple"):
        TensorDefinition("own", (X, Y), 0.5).dataset()  # type: ignore[arg-type]


@pytest.mark.usefixtures("registries")
def test_it_is_listed_and_fetched_by_name() -> None:
    datasets.DATASETS["own"] = TensorDefinition("own", lambda: (X, Y), 0.3)
    assert datasets.available("own").reason == "own is made by its plug-in."
    assert "24 training, 4 validation and 12 test examples of 4" in str(datasets.fetch("own"))
    with pytest.raises(UserError, match="own has no source 'npm'"):
        datasets.load("own", "npm")
