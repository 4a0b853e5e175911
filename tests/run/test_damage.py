"""A damaged method is caught with the default margin and three seeds; an undamaged one passes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.check import baseline
from bench.check.check import Options, check
from bench.executors.execute import execute, prepare_pairs
from bench.jobs import allocation
from bench.jobs.store import RecordStore
from bench.problem import selection
from bench.run import contract
from bench.study.study import Study
from methods.curvature.kronecker import KroneckerInverse
from methods.surgeon import Surgeon

STUDY = Study(
    name="guarded",
    title="Guarded",
    pairs=["mlpnet-mnist5k"],
    methods={"magnitude": {}, "kfac": {"samples": 400}, "woodfisher": {"samples": 100}},
    allocations=["global"],
    sparsities=[0.8, 0.95],
    seeds=[0, 1, 2],
    budget={"calibration_examples": 400, "backward_passes": 400},
)


def run(results: Path) -> RecordStore:
    """The study's records in a new folder, by the code as it is now."""
    cells = STUDY.cells()
    pairs = prepare_pairs(STUDY.pairs, torch.device("cpu"), lambda *_: None)
    store = RecordStore(results, STUDY.name)
    store.prepare()
    execute(STUDY.name, cells, pairs, store, lambda *_: None)
    return store


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Options:
    """A baseline of the undamaged code in this environment."""
    folder = tmp_path_factory.mktemp("undamaged")
    options = Options(baselines=folder / "baselines")
    assert check(STUDY, STUDY.cells(), run(folder), replace(options, update=True))
    return options


@pytest.fixture(scope="module")
def elsewhere(here, tmp_path_factory) -> Options:
    """The same baseline as if another machine had made it, so that only the statistics judge."""
    folder = tmp_path_factory.mktemp("elsewhere")
    known = baseline.read(here.baselines / "guarded.jsonl")
    assert known is not None
    moved = []
    for result in known.values():
        machine = result.origin.environment.model_copy(update={"threads": 640})
        origin = result.origin.model_copy(update={"environment": machine})
        moved.append(result.model_copy(update={"origin": origin}))
    baseline.write(folder / "guarded.jsonl", moved)
    return Options(baselines=folder)


def verdicts(text: str) -> dict[str, set[str]]:
    """The verdicts on the screen, by label."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if row := re.match(r"(\w+) +global .* (\w+)(?: \[\w+\])?$", line):
            found.setdefault(row[1], set()).add(row[2])
    return found


def swap_kronecker_factors(patch: pytest.MonkeyPatch) -> None:
    """A ⊗ S in place of S ⊗ A, the order that stacks columns."""

    def product(self: KroneckerInverse, vector: torch.Tensor) -> torch.Tensor:
        values = vector.view(len(self.input), len(self.output)).double()
        return (self.input @ values @ self.output).flatten().to(self.dtype)

    def diagonal(self: KroneckerInverse) -> torch.Tensor:
        outer = torch.outer(self.input.diagonal(), self.output.diagonal())
        return outer.flatten().to(self.dtype)

    patch.setattr(KroneckerInverse, "product", product)
    patch.setattr(KroneckerInverse, "diagonal", property(diagonal))


def flip_the_update(patch: pytest.MonkeyPatch) -> None:
    """Survivors move away from where they would make up for what is removed."""
    patch.setattr(Surgeon, "move", lambda _self, removed, h, _keep: h.product(removed / h.diagonal))


def prune_one_more(patch: pytest.MonkeyPatch) -> None:
    """The threshold is off by one: the contract counts one zero too many."""
    right = selection.keep_largest
    patch.setattr(selection, "keep_largest", lambda scores, count: right(scores, count + 1))


def count_one_more(patch: pytest.MonkeyPatch) -> None:
    """The count itself is off by one, for the contract as well."""
    for module in (allocation, selection, contract):
        patch.setattr(module, "pruned_total", lambda sparsity, size: round(sparsity * size) + 1)


def swap_one_weight(patch: pytest.MonkeyPatch) -> None:
    """The count is right, but the last weight to go is kept and the next one goes."""

    def keep_largest(scores: torch.Tensor, pruned: int) -> torch.Tensor:
        keep = torch.ones_like(scores, dtype=torch.bool)
        order = scores.argsort(stable=True)
        keep[order[: pruned - 1]] = False
        keep[order[pruned]] = False
        return keep

    patch.setattr(selection, "keep_largest", keep_largest)


EVERY = {"magnitude", "kfac", "woodfisher"}
DAMAGES = [
    (swap_kronecker_factors, {"kfac"}, "regressed", "worse by more than the margin of 0.5"),
    (flip_the_update, {"kfac", "woodfisher"}, "regressed", "worse by more than the margin"),
    (prune_one_more, EVERY, "regressed", "returned too many zeros: 25,889 in all layers"),
    (count_one_more, EVERY, "regressed", "keeps 6,471 weights, was 6,472"),
    (swap_one_weight, EVERY, "changed", "other bits in an equal environment"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda case: case[0].__name__)
def test_damage_is_caught(damage, here, elsewhere, tmp_path, monkeypatch, capsys) -> None:
    break_it, labels, verdict, words = damage
    break_it(monkeypatch)
    store = run(tmp_path)
    assert not check(STUDY, STUDY.cells(), store, here)
    shown = capsys.readouterr().out
    found = verdicts(shown)
    assert words in shown
    assert found.keys() == labels
    assert all(verdict in found[label] for label in labels)
    if verdict != "changed":  # which only equal environments can show
        assert not check(STUDY, STUDY.cells(), store, elsewhere)
        found = verdicts(capsys.readouterr().out)
        assert {label for label, what in found.items() if "regressed" in what} == labels


@pytest.fixture(scope="module")
def rerun(tmp_path_factory) -> RecordStore:
    """Records of the undamaged code, made anew."""
    return run(tmp_path_factory.mktemp("rerun"))


def test_an_undamaged_rerun_passes_in_both(here, elsewhere, rerun, capsys) -> None:
    for options in (here, elsewhere):
        assert check(STUDY, STUDY.cells(), rerun, replace(options, strict=True))
        assert "Against the baseline: 9 pass." in capsys.readouterr().out


def test_an_old_baseline_without_hashes_of_masks_gets_them(here, rerun, tmp_path) -> None:
    known = baseline.read(here.baselines / "guarded.jsonl")
    assert known is not None
    path, options = tmp_path / "guarded.jsonl", Options(baselines=tmp_path)
    baseline.write(path, [r.model_copy(update={"mask_sha256": None}) for r in known.values()])
    assert check(STUDY, STUDY.cells(), rerun, replace(options, strict=True))

    partly = RecordStore(tmp_path / "partly", STUDY.name)
    partly.prepare()
    for cell in STUDY.cells():
        record = rerun.recover(cell.job.key)
        if cell.label == "kfac" and record is not None:
            partly.write(record)
    assert check(STUDY, STUDY.cells(), partly, replace(options, update=True))
    mixed = baseline.read(path)
    assert mixed is not None and mixed.keys() == known.keys()
    assert {r.label for r in mixed.values() if r.mask_sha256} == {"kfac"}
    assert check(STUDY, STUDY.cells(), rerun, replace(options, strict=True))

    assert check(STUDY, STUDY.cells(), rerun, replace(options, update=True))
    renewed = baseline.read(path)
    assert renewed is not None
    assert {k: r.mask_sha256 for k, r in renewed.items()} == {
        k: r.mask_sha256 for k, r in known.items()
    }
