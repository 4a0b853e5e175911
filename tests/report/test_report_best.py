"""Who is called best: a paired t test over seeds, and nothing where seeds or fairness lack."""

import pytest
from scipy.stats import ttest_rel
from support.records import make_cell, make_job

from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.report import frame
from bench.report.answer import answers
from bench.report.best import Lead, leads
from bench.report.panels import tables
from bench.report.tables.latex import latex
from bench.report.tables.markdown import markdown


def contest(**accuracies: list[float | None]) -> list[Cell]:
    """Cells of some labels, an accuracy a seed; None is a seed that failed."""
    return [
        make_cell(label, make_job(label, seed=seed), "ok" if value else "failed", accuracy=value)
        for label, values in accuracies.items()
        for seed, value in enumerate(values)
    ]


def lead(cells: list[Cell]) -> Lead:
    (found,) = leads(frame(cells), ["pair", "sparsity"], ["label"]).values()
    return found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([90.0, 91.0, 92.0], [89.0, 90.1, 90.9]),
        ([90.0, 91.0, 92.0], [89.0, 92.0, 90.0]),
        ([90.0, 90.2, 90.1, 90.4], [89.9, 90.0, 90.0, 90.1]),
    ],
)
def test_clear_is_what_a_paired_t_test_says(first: list[float], second: list[float]) -> None:
    found = lead(contest(a=first, b=second))
    assert found.best == ("a",) and found.second == ("b",)
    assert found.clear is bool(ttest_rel(first, second).pvalue < 0.05)
    assert found.rival == (None if found.clear else ("b",))
    assert found.margin == pytest.approx(sum(first) / len(first) - sum(second) / len(second))


def test_the_best_must_beat_every_other_and_the_rival_is_named() -> None:
    steady, noisy = [88.0, 89.1, 89.9], [60.0, 91.0, 80.0]
    found = lead(contest(a=[90.0, 91.0, 92.0], b=steady, c=noisy))
    assert (found.second, found.clear, found.rival) == (("b",), False, ("c",))


def test_two_deterministic_methods_differ_or_do_not() -> None:
    assert lead(contest(a=[90.0] * 3, b=[89.9] * 3)).clear is True
    assert lead(contest(a=[90.0] * 3, b=[90.0] * 3)).clear is False


def test_only_shared_seeds_count_and_fewer_than_two_say_nothing() -> None:
    assert lead(contest(a=[90.0, 91.0], b=[80.0, None])).clear is None
    assert lead(contest(a=[90.0], b=[80.0])).clear is None
    assert lead(contest(a=[90.0, 91.0])).second is None


def test_nothing_is_claimed_across_unequal_budgets_or_checkpoints() -> None:
    good = [make_cell("a", make_job(seed=n), accuracy=90.0 + n) for n in range(3)]
    for change in ({"budget": Budget(calibration_examples=5)}, {}):
        jobs = [make_job("b", seed=n, **change) for n in range(3)]
        other = {} if change else {"checkpoint_sha256": "f" * 64}
        rest = [make_cell("b", job, accuracy=50.0 + job.seed, **other) for job in jobs]
        assert lead([*good, *rest]).clear is None


def test_best_is_bold_and_second_underlined_only_where_that_is_shown() -> None:
    clear = frame(contest(a=[90.0, 91.0, 92.0], b=[80.0, 81.0, 82.1]))
    from bench.report import summary

    table = tables(clear, summary(clear))[0]
    assert r"\textbf{91.00}" in latex(table, "x") and r"\underline{81.03}" in latex(table, "x")
    assert "**91.00**" in markdown(table)
    assert "Bold: significantly better than every other method" in table.caption
    single = frame(contest(a=[90.0], b=[80.0]))
    table = tables(single, summary(single))[0]
    assert "textbf" not in latex(table, "x") and "underline" not in latex(table, "x")
    assert "Nothing is bold" in table.caption


def test_the_answer_is_one_sentence_that_says_what_is_noise() -> None:
    cells = []
    for sparsity, gap in ((0.5, 0.0), (0.8, 5.0), (0.9, 5.0)):
        for seed, noise in enumerate((0.0, 0.3, 0.1)):
            for label, value in (("a", 80 + gap + noise), ("b", 80.1 - noise)):
                job = make_job(label, sparsity=sparsity, seed=seed)
                cells.append(make_cell(label, job, accuracy=value))
    (answer,) = answers(frame(cells))
    assert answer.sentence.replace("\u00a0", " ") == (
        "Most accurate: a at 50–90 % sparsity; the lead is beyond the noise of the seeds at 80 and "
        "90 %, within it at 50 %."
    )
    assert [winner.label for winner in answer.winners] == ["a", "a", "a"]
    assert answers(frame([Cell("a", make_job(), None)])) == []
