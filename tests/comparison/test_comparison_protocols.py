"""A comparison of several protocols: each has its own baseline, blocks, ranks and diagram."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support.records import make_cell

from bench.common.errors import UserError
from bench.comparison import Comparison, compare, comparison_text, gather, write_comparison
from bench.jobs.cell import Cell
from bench.jobs.store import RecordStore
from bench.study.study import Study, load_study

METHODS = ("magnitude", "obd", "random")
BEST_FIRST = {
    "one-shot": ("obd", "random", "magnitude"),
    "fine-tune": ("magnitude", "obd", "random"),
}
PROTOCOLS = 'protocols = ["one-shot", "fine-tune", "sparse-training"]\n'
STUDY = """
name = "several"
pairs = ["mlpnet-mnist5k", "mlpnet-mnist"]
allocations = ["global", "layerwise"]
sparsities = [0.5, 0.8, 0.9]
seeds = [0, 1, 2]
PROTOCOLS
[budget]
calibration_examples = 50
backward_passes = 50
training_steps = 10

[training]
epochs = 1
learning_rate = 0.1

[methods]
magnitude = {}
obd = { samples = 50 }
random = {}
gmp = {}
rigl = {}
"""


def accuracy(cell: Cell) -> float:
    """A little noise around what the method's place under the protocol gives."""
    job = cell.job
    order = BEST_FIRST.get(job.protocol, ("rigl", "gmp"))
    noise = np.random.default_rng([job.seed, len(job.pair), order.index(job.method)])
    better = 4.0 * (len(order) - order.index(job.method))
    return round(80 + better - 20 * job.sparsity + noise.normal() / 10, 2)


def study_of(folder: Path, text: str = STUDY, protocols: str = PROTOCOLS) -> Study:
    folder.mkdir(exist_ok=True)
    path = folder / "several.toml"
    path.write_text(text.replace("PROTOCOLS", protocols))
    return load_study(str(path))


def stored(study: Study, folder: Path, lacking: tuple[str, ...] = ()) -> RecordStore:
    """Records of the whole study; rows whose labels are `lacking` failed."""
    store = RecordStore(folder, study.name)
    store.prepare()
    for cell in study.cells():
        failed = cell.label in lacking
        results = {} if failed else {"accuracy": accuracy(cell)}
        made = make_cell(cell.label, cell.job, "failed" if failed else "ok", **results)
        assert made.record
        store.write(made.record)
    return store


def compared(folder: Path, lacking: tuple[str, ...] = (), **options: str | None) -> Comparison:
    study = study_of(folder)
    return compare("x", gather(study.cells(), stored(study, folder, lacking)), **options)


def test_each_protocol_is_paired_with_its_own_baseline(tmp_path: Path) -> None:
    numbers = compared(tmp_path).numbers
    cells = study_of(tmp_path).cells()
    rows = numbers[(numbers.quantity == "accuracy") & numbers.difference.notna()]
    assert len(rows) == 2 * 2 * 2 * 2 * 3  # methods, protocols, pairs, allocations, sparsities
    for row in rows.itertuples():
        method, _, protocol = row.label.partition(", ")
        values = {
            name: [
                accuracy(cell)
                for cell in cells
                if (cell.job.pair, cell.job.allocation) == (row.pair, row.allocation)
                and (cell.job.protocol, cell.job.method) == (protocol, name)
                and cell.job.sparsity == row.sparsity
            ]
            for name in (method, "magnitude")
        }
        assert row.protocol == protocol and row.baseline == f"magnitude, {protocol}"
        test = stats.ttest_rel(values[method], values["magnitude"])
        assert row.p == pytest.approx(test.pvalue)
        assert row.difference == pytest.approx(
            np.mean(values[method]) - np.mean(values["magnitude"])
        )
    assert (rows.difference[rows.protocol == "fine-tune"] < 0).all()
    assert (rows.difference[rows.protocol == "one-shot"] > 0).all()


def test_each_protocol_has_blocks_and_ranks_of_its_own(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert [one.protocol for one in found.ranked] == ["one-shot", "fine-tune", "sparse-training"]
    for one in found.ranked[:2]:
        assert one.ranks.ranking and one.ranks.blocks == 2 * 2 * 3
        ordered = sorted(zip(one.ranks.ranking.ranks, one.ranks.labels, strict=True))
        names = [f"{name}, {one.protocol}" for name in BEST_FIRST[one.protocol]]
        assert ordered == [(place, name) for place, name in enumerate(names, 1)]
    last = found.ranked[2]
    assert last.ranks.ranking is None and last.ranks.labels == ("gmp", "rigl")
    text = comparison_text(found)
    assert "12 blocks of one-shot: mean rank" in text
    assert "sparse-training: There is no ranking and no critical-difference diagram" in text
    captions = [table.caption for table in found.tables if table.kind == "compare-ranks"]
    assert "protocol (one-shot)" in captions[0] and "protocol (fine-tune)" in captions[1]
    assert "training (none)" in captions[0] and "training (epochs 1," in captions[1]


def test_a_protocol_without_the_baseline_is_said(tmp_path: Path) -> None:
    found = compared(tmp_path)
    sentence = "There are no differences to magnitude under {}, as it has no result there"
    assert [note for note in found.notes if "differences" in note] == [
        sentence.format("sparse-training") + "."
    ]
    tables = [table for table in found.tables if "sparse-training" in table.setting]
    assert {table.kind for table in tables} == {"compare-accuracy", "compare-area"}
    assert not any("minus" in column for table in tables for column in table.columns)
    lost = compared(tmp_path / "lost", ("magnitude, fine-tune",))
    assert sentence.format("fine-tune") + "." in lost.notes
    assert sum(table.kind == "compare-difference" for table in lost.tables) == 4


@pytest.mark.parametrize("asked", ["obd", "obd, one-shot", "obd, fine-tune"])
def test_the_baseline_is_a_method_under_whatever_protocol(tmp_path: Path, asked: str) -> None:
    found = compared(tmp_path, baseline=asked)
    rows = found.numbers[found.numbers.difference.notna()]
    assert found.baseline == "obd"
    assert set(rows.baseline) == {"obd, one-shot", "obd, fine-tune"}
    assert "obd, one-shot" not in set(rows.label)


def test_an_unknown_baseline_is_told_the_methods(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Valid names: magnitude, obd, random, gmp, rigl"):
        compared(tmp_path, baseline="xyz")


def test_one_method_in_each_protocol_is_nothing_to_compare(tmp_path: Path) -> None:
    lacking = tuple(f"{name}, {p}" for name in METHODS[1:] for p in ("one-shot", "fine-tune"))
    with pytest.raises(UserError, match="one in each: magnitude, one-shot, magnitude, fine-tune,"):
        compared(tmp_path, (*lacking, "rigl"))


def test_the_files_have_a_diagram_a_protocol(tmp_path: Path) -> None:
    write_comparison(compared(tmp_path), tmp_path / "out")
    figures = tmp_path / "out" / "figures"
    names = {f"critical-difference-{p}.{kind}" for p in BEST_FIRST for kind in ("pdf", "png")}
    assert {path.name for path in figures.iterdir()} == names
    page = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert all(f"figures/critical-difference-{protocol}.png" in page for protocol in BEST_FIRST)
    with (tmp_path / "out" / "compare.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ranked = [row for row in rows if row["quantity"] == "mean rank"]
    ranks = {row["label"]: (row["protocol"], row["mean"]) for row in ranked}
    assert ranks["obd, one-shot"] == ("one-shot", "1.0")
    assert ranks["random, fine-tune"] == ("fine-tune", "3.0")
    study = study_of(tmp_path / "one", STUDY, 'protocols = ["fine-tune", "sparse-training"]\n')
    only = compare("x", gather(study.cells(), stored(study, tmp_path / "one")), "magnitude")
    write_comparison(only, tmp_path / "out")
    assert {path.name for path in figures.iterdir()} == {
        f"critical-difference-fine-tune.{kind}" for kind in ("pdf", "png")
    }


def test_controls_stay_out_under_every_protocol(tmp_path: Path) -> None:
    text = STUDY.replace("gmp = {}\nrigl = {}\n", "").replace("seeds", "controls = true\nseeds")
    study = study_of(tmp_path, text, 'protocols = ["one-shot", "fine-tune"]\n')
    found = compare("x", gather(study.cells(), stored(study, tmp_path)))
    assert [one.ranks.labels for one in found.ranked] == [
        tuple(f"{name}, {protocol}" for name in METHODS) for protocol in ("one-shot", "fine-tune")
    ]
    rows = found.numbers[found.numbers.difference.notna()]
    assert set(rows.baseline) == {"magnitude, one-shot", "magnitude, fine-tune"}


def test_from_the_command_line(bench, tmp_path: Path) -> None:
    study = study_of(tmp_path)
    stored(study, tmp_path / "results")
    done = bench("compare", tmp_path / "several.toml", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "layerwise allocation, fine-tune: difference to magnitude" in done.stdout
    assert "no differences to magnitude under sparse-training" in done.stdout
    assert "NaN" not in done.stdout and "nan" not in done.stdout.split()
