"""The sentence beneath a published table says what its rows say, from low sparsity to high."""

import pytest

from bench.check.conclusions import conclusions
from bench.check.published import Value
from bench.check.reproduction import Ours, Reproduction
from bench.report.tables.tables import Footnotes

SPARSITIES = (0.5, 0.8, 0.9)


def value(method: str, sparsity: float) -> Value:
    return Value(
        source="A paper",
        table="a-table",
        model="mlpnet",
        dataset="mnist",
        dense_accuracy=None,
        layers=None,
        method=method,
        sparsity=sparsity,
        value=80.0,
        std=None,
        metric="top1",
        protocol="one-shot",
    )


def column(*points: float, reason: str = "", method: str = "wf") -> list[Reproduction]:
    """A published column that is off by so many points, with a tolerance of one point."""
    found = []
    for sparsity, off in zip(SPARSITIES, points, strict=True):
        agrees = "reproduced" if abs(off) <= 1 else "differs"
        verdict = "not comparable" if reason else agrees
        ours = Ours("ours", [80.0 + off], 10_000)
        found.append(Reproduction(value(method, sparsity), verdict, reason, ours, 1.0))
    return found


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (
            (0.1, -0.9, 0.5),
            "all 3 differences lie within the tolerance (the largest is -0.90 points, at 80 %)",
        ),
        (
            (0.0, 0.5, 7.0),
            "differences up to 80 % sparsity lie within the tolerance, from 90 % on beyond it "
            "(the largest is +7.00 points, at 90 %)",
        ),
        (
            (-3.0, 0.5, 2.0),
            "1 of 3 differences lie within the tolerance, not at 50, 90 % "
            "(the largest is -3.00 points, at 50 %)",
        ),
        (
            (2.0, 3.0, 4.0),
            "all 3 differences lie beyond the tolerance (the largest is +4.00 points, at 90 %)",
        ),
    ],
)
def test_where_the_differences_lie(points, sentence) -> None:
    found = column(*points)
    assert conclusions(found, Footnotes()) == [f"wf: {sentence}."]
    assert conclusions(found[::-1], Footnotes()) == [f"wf: {sentence}."]


@pytest.mark.parametrize(("off", "word"), [(0.5, "within"), (-1.5, "beyond")])
def test_a_single_difference(off, word) -> None:
    (found,) = conclusions(column(off, 0, 0)[:1], Footnotes())
    assert found == f"wf: the difference lies {word} the tolerance ({off:+.2f} points, at 50 %)."


def test_a_difference_of_the_experiments_is_named_beside_the_agreement() -> None:
    near, far = column(0, 0, 0, reason="another floor"), column(0, 9, 9, reason="another floor")
    (agreed,) = conclusions(near, Footnotes())
    assert agreed.endswith(", although the experiments aren't like for like (another floor).")
    (differed,) = conclusions(far, Footnotes())
    assert differed.endswith("; the experiments aren't like for like (another floor).")


def test_a_long_difference_is_left_to_its_footnote() -> None:
    footnotes = Footnotes()
    footnotes.mark("another row's")
    (found,) = conclusions(column(0, 0, 0, reason="no end of it " * 20), footnotes)
    assert found.endswith("aren't like for like (see b).")


def test_each_method_has_its_own_sentence_and_none_without_results() -> None:
    absent = [Reproduction(value("other", 0.5), "not run", "has not run")]
    found = [*column(0, 0, 0), *absent, *column(5, 5, 5, method="kfac")]
    assert [line.split(":")[0] for line in conclusions(found, Footnotes())] == ["wf", "kfac"]
