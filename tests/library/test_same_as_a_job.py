"""A call gives the bits of the same job that the command line runs, and data of one's own run."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PLUGIN = """
import os

import torch
from PIL import Image
from torch import nn

from bench.jobs.recipe import Recipe
from bench.pairs import Pair
from datasets import TensorDefinition
from datasets.own.images import ImageFiles

opened = Image.open


def counted(*given, **named):
    with open(os.environ["COUNTS"], "a") as file:
        file.write("x")
    return opened(*given, **named)


Image.open = counted


def points(seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(200, 5, 6, generator=generator)
    return inputs, (inputs.sum((1, 2)) > 0).long()


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)

    def forward(self, inputs):
        return self.last(self.first(inputs).tanh().mean(1))


def leaves():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(24, 3),
    )


RECIPE = Recipe(epochs=4, learning_rate=0.05, batch=16)
DATASETS = {
    "points": TensorDefinition("points", lambda: points(0), lambda: points(1), validation=0.0),
    "leaves": TensorDefinition("leaves", ImageFiles(os.environ["LEAVES"], 24, 28), test=0.2),
}
PAIRS = {
    "points": Pair("points", Mean, "points", None, ".*t.weight", RECIPE),
    "leaves": Pair("leaves", leaves, "leaves", None, "[05].weight", RECIPE),
    "again": Pair("again", leaves, "leaves", None, "5.weight", RECIPE),
}
"""

STUDY = """
plugins = ["own.py"]
pairs = [{pairs}]
allocations = ["global"]
sparsities = [0.5, 0.8]
seeds = [3]
budget = {{ calibration_examples = 30, backward_passes = 30 }}

[methods]
magnitude = {{}}
woodfisher = {{ samples = 30, damping = 1e-3 }}
"""


@pytest.fixture
def own(bench, tmp_path: Path):
    """Runs a study on pairs of the plug-in; gives its records, and how many images were decoded."""
    (tmp_path / "own.py").write_text(PLUGIN)
    counts = tmp_path / "counts"
    places = {"COUNTS": str(counts), "LEAVES": str(tmp_path / "leaves")}
    places["BENCH_DATA"] = str(tmp_path / "data")

    def run(*pairs: str, **options: str) -> tuple[list[dict], int]:
        study = tmp_path / "own.toml"
        study.write_text(STUDY.format(pairs=", ".join(f'"{pair}"' for pair in pairs)))
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        done = bench("run", study, "--results", tmp_path / "results", *words, **places)
        assert done.returncode == 0, done.stderr
        files = (tmp_path / "results" / "records" / "own").glob("*.json")
        records = [json.loads(path.read_text()) for path in files]
        return records, len(counts.read_text()) if counts.exists() else 0

    return run


def write_leaves(folder: Path, count: int) -> None:
    """As many JPEGs as that in folders of three classes, each brighter in its colour."""
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 160, (30, 40, 3), dtype=np.uint8)
        pixels[:, :, number % 3] += 90
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "JPEG")
        path = folder / f"class{number % 3}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())


def test_a_call_gives_the_bits_of_the_same_job(own, tmp_path) -> None:
    import torch
    from safetensors.torch import load_file

    from bench import prune

    records, _ = own("points", threads="1")
    names: dict = {}
    source = PLUGIN.partition("opened =")[0] + "def points" + PLUGIN.partition("def points")[2]
    exec(source.partition("RECIPE")[0], names)
    model = names["Mean"]()
    (dense,) = (tmp_path / "data" / "checkpoints").glob("points-*.safetensors")
    model.load_state_dict(load_file(dense))
    before, threads = torch.get_num_threads(), 1
    torch.set_num_threads(threads)
    try:
        for record in records:
            fields = {"samples": 30, "damping": 1e-3} if record["method"] == "woodfisher" else {}
            done = prune(
                model, names["points"](0), record["method"], record["sparsity"], seed=3, **fields
            )
            assert done.weights_sha256 == record["weights_sha256"]
            assert done.spent.model_dump() == record["spent"]
            assert done.layer_sparsity == record["layer_sparsity"]
    finally:
        torch.set_num_threads(before)
    assert len(records) == 4
    assert min(record["dense_accuracy"] for record in records) > 70


def test_a_study_decodes_each_image_once(own, tmp_path) -> None:
    write_leaves(tmp_path / "leaves", 60)
    records, decoded = own("leaves", "again", jobs="2")
    assert [record["status"] for record in records] == ["ok"] * 8
    assert {record["test_examples"] for record in records} == {12}
    assert decoded == 60
    again, decoded = own("leaves", "again")
    assert decoded == 60
    assert {one["finished"] for one in again} == {one["finished"] for one in records}
    changed = tmp_path / "leaves" / "class0" / "00000.jpg"
    changed.write_bytes((tmp_path / "leaves" / "class0" / "00003.jpg").read_bytes())
    anew, decoded = own("leaves")
    assert decoded == 120
    mine = [record for record in anew if record["pair"] == "leaves"]
    assert {one["data_sha256"] for one in mine}.isdisjoint(one["data_sha256"] for one in records)


@pytest.mark.slow
def test_two_thousand_jpegs_run_and_are_decoded_once(own, tmp_path) -> None:
    write_leaves(tmp_path / "leaves", 2000)
    records, decoded = own("leaves")
    assert [record["status"] for record in records] == ["ok"] * 4
    assert min(record["dense_accuracy"] for record in records) > 95
    assert decoded == 2000
