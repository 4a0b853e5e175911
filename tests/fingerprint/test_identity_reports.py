"""Tables claim nothing across records of a pair that was another one, and say so."""

import pytest
from support.records import make_cell, make_job

from bench.report import frame, summary
from bench.report.best import leads
from bench.report.panels import tables


@pytest.mark.parametrize(
    ("name", "words"),
    [("pair_sha256", "The pair's settings or model differ"), ("data_sha256", "The data differ")],
)
def test_nothing_is_claimed_across_pairs_that_differ(name, words) -> None:
    cells = [
        make_cell(label, make_job(label, seed=seed), accuracy=accuracy * spread, **{name: sha256})
        for label, accuracy, sha256 in (("obd", 90.0, "a" * 64), ("kfac", 50.0, "b" * 64))
        for seed, spread in enumerate((1.0, 1.01, 0.99))
    ]
    (unequal,) = leads(frame(cells), ["sparsity"], ["label"]).values()
    assert unequal.clear is None
    assert (
        f"{words}: not a fair comparison." in tables(frame(cells), summary(frame(cells)))[0].caption
    )
    same = [cell._replace(record=cell.record.model_copy(update={name: "a" * 64})) for cell in cells]
    (equal,) = leads(frame(same), ["sparsity"], ["label"]).values()
    assert equal.clear
    assert "not a fair" not in tables(frame(same), summary(frame(same)))[0].caption
