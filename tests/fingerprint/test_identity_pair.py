"""What makes a pair another one: its settings as data, and whatever its model is made of."""

import dataclasses
import logging

import pytest
import torch
from support.user_folders import edited
from support.user_pairs import ANOTHER, FILES, NAMES, THE_SAME, hashes

from bench.pairs import PAIRS
from bench.pairs.pair import Pair
from bench.pairs.preparing.identity import pair_sha256


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    return hashes(tmp_path_factory.mktemp("base"), FILES)


def test_each_pair_is_one_of_its_own(tmp_path, base) -> None:
    assert len(set(base.values())) == len(NAMES)
    assert hashes(tmp_path, FILES) == base


@pytest.mark.parametrize("what", ANOTHER)
def test_an_edit_makes_another_pair(tmp_path, base, what) -> None:
    names, edits = ANOTHER[what]
    found = hashes(tmp_path, edited(FILES, *edits))
    changed = {name for name in NAMES if found[name] != base[name]}
    # The lambda stands in the same statement as the other pairs, but only its own text counts.
    assert changed == set(names)


@pytest.mark.parametrize("what", THE_SAME)
def test_an_edit_leaves_the_pair_as_it_was(tmp_path, base, what) -> None:
    found = hashes(tmp_path, edited(FILES, *THE_SAME[what]))
    assert {name: found[name] for name in NAMES} == base


def test_a_class_of_pairs_counts_with_its_code(tmp_path) -> None:
    text = (
        FILES["plugin.py"]
        + """

class Shifted(Pair):
    def inputs(self, split, device):
        found = super().inputs(split, device)
        found._mean = found._mean + 0.5
        return found


PAIRS["class"] = Shifted(**vars(PAIRS["class"]))
"""
    )
    once = hashes(tmp_path, FILES | {"plugin.py": text})["class"]
    again = hashes(tmp_path, FILES | {"plugin.py": text.replace("+ 0.5", "+ 0.25")})["class"]
    assert len({once, again, hashes(tmp_path, FILES)["class"]}) == 3


def test_the_weights_of_a_published_file_count_by_how_they_are_read() -> None:
    pair = PAIRS["mlpnet-mnist"]
    model = pair.build()

    def reading(content):
        return {name: -weight for name, weight in content["model_state_dict"].items()}

    other = dataclasses.replace(pair, dense=dataclasses.replace(pair.dense, extract=reading))
    moved = dataclasses.replace(pair, dense=dataclasses.replace(pair.dense, url="", file="x"))
    assert pair_sha256(other, model) != pair_sha256(pair, model)
    assert pair_sha256(moved, model) == pair_sha256(pair, model)


def test_classes_that_a_model_is_built_from_count_wherever_they_are(tmp_path) -> None:
    """A factory that looks its class up in a way that no reading of the code could follow."""
    text = """
import importlib
from datasets.inputs.images import Normalisation
from bench.pairs.pair import Pair
from bench.jobs.recipe import Recipe

def build():
    return getattr(importlib.import_module("".join(["net", "works"])), "N" + "et")()

PAIRS = {"class": Pair("x", build, "mnist5k", Normalisation((0.,), (1.,)), ".*", Recipe(
    epochs=1, learning_rate=0.1))}
"""
    files = FILES | {"plugin.py": text}
    base = hashes(tmp_path, files)["class"]
    for what in ("ReLU into tanh, two imports away", "the forward pass"):
        _, edits = ANOTHER[what]
        assert hashes(tmp_path, edited(files, *edits))["class"] != base


def test_the_version_of_a_package_counts_but_not_that_of_torch(monkeypatch) -> None:
    pytest.importorskip("timm", reason="the extra test isn't installed")
    from bench.fingerprint import distributions

    def timm_model():
        import timm

        return timm.create_model("test_resnet", num_classes=10)

    pair = Pair(
        "x",
        timm_model,
        "mnist5k",
        PAIRS["mlpnet-mnist"].normalisation,
        ".*",
        PAIRS["mlpnet-mnist5k"].dense,
    )
    suite = PAIRS["mlpnet-mnist"]
    before = [pair_sha256(one, one.build()) for one in (pair, suite)]
    monkeypatch.setattr(distributions, "version", lambda name: f"another of {name}")
    distributions._version.cache_clear()
    after = [pair_sha256(one, one.build()) for one in (pair, suite)]
    distributions._version.cache_clear()
    assert after[0] != before[0] and after[1] == before[1]


def test_initial_weights_and_buffers_are_those_of_every_process(tmp_path) -> None:
    text = FILES["networks.py"].replace("torch.tensor([1.0])", "torch.randn(1)")
    state = torch.get_rng_state()
    one, other = (hashes(tmp_path, FILES | {"networks.py": text}) for _ in range(2))
    assert one == other
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_about_a_place_makes_no_other_pair(tmp_path) -> None:
    """Loggers, paths and addresses are others in every process."""
    text = FILES["networks.py"].replace(
        "self.bend = bend\n",
        "self.bend = bend\n"
        "        self.log, self.file, self.path = log, __file__, Path(__file__).parent\n"
        "        self.options, self.draws = Namespace(width=width), torch.Generator()\n"
        "        self.thing, self.bends = object(), {bend, torch.tanh, 'a', 'b'}\n",
    )
    head = "import logging\nfrom argparse import Namespace\nfrom pathlib import Path\n"
    files = FILES | {"networks.py": f"{head}log = logging.getLogger('x')\n{text}"}
    base = hashes(tmp_path, files)
    logging.getLogger("x").setLevel(logging.DEBUG)
    assert hashes(tmp_path, files) == base
    wider = files["networks.py"].replace("Namespace(width=width)", "Namespace(width=width + 1)")
    assert hashes(tmp_path, files | {"networks.py": wider})["class"] != base["class"]
