"""The verdicts of a check as tables, rows of a CSV file and test cases, against hand-made ones."""

import math

import pytest
from support.published_values import value

from bench.check.junit import JUnitCase
from bench.check.regression import Change, Group
from bench.check.reproduction import Ours, Reproduction
from bench.check.tables import gate_tables, published_tables
from bench.check.timing import Timing
from bench.check.verdicts import (
    CSV_COLUMNS,
    cases,
    counted,
    csv_rows,
    timing_lines,
)
from bench.common.statistics.gate import Gate, Shift
from bench.report.tables.tables import TableCell

GROUP = Group("mlpnet-mnist", "one-shot", "global", "wf, few", 0.95)
MOVED = Shift("regressed", -1.25, -2.0, -0.5)
WORSE = Change(GROUP, "regressed", "worse", 3, 90.0, 88.75, MOVED)
ALONE = Change(
    GROUP._replace(pair="other-pair", sparsity=None),
    *("inconclusive", "run more seeds", 1, 90.0, 90.5),
    Shift("inconclusive", 0.5, -math.inf, math.inf),
)
NEW = Change(GROUP._replace(label="kfac"), "new", "the baseline has nothing of it")

OURS = Ours("wf", [89.0, 91.0, 90.5], 10_000)
SAME = Reproduction(value(value=90.0, std=0.25), "reproduced", "", OURS, 1.5)
ONCE = Reproduction(
    value(method="K-FAC", sparsity=0.07, source="Another"),
    *("not comparable", "another floor", Ours("kfac", [93.0], 100), 0.5),
)
NEAR = Reproduction(
    value(method="K-FAC", sparsity=0.5), "not comparable", "another floor", OURS, 0.5
)
ABSENT = Reproduction(value(method="SNIP"), "not run", "there is no SNIP here")


def cells(row) -> list[tuple[str, str]]:
    return [(cell.text, cell.spread) for cell in row.table_cells]


def test_a_published_table_by_hand() -> None:
    again = Reproduction(value(method="SNIP", sparsity=0.8), "not run", "there is no SNIP here")
    (table,) = published_tables([SAME, ONCE, NEAR, ABSENT, again])
    assert (table.pair, table.kind, table.corner) == ("mlpnet-mnist", "published", "method")
    assert table.setting == "a-table, mlpnet-mnist"
    assert "of a-table beside ours on mlpnet-mnist, in percent (source: A paper; Another)" in (
        table.caption
    )
    assert table.caption.endswith("into account, at 95%.")
    assert table.columns == [
        *("sparsity (%)", "theirs", "ours", "difference", "tolerance", "verdict")
    ]
    assert [row.heading for row in table.rows] == [
        *("WF (here wf)", "K-FAC (here kfac)", "K-FAC (here wf)")
    ]
    assert cells(table.rows[0]) == [
        # The mean of 89, 91 and 90.5 is 90.1667, their sample standard deviation 1.0408.
        *(("90", ""), ("90.00", "0.25"), ("90.17", "1.04"), ("+0.17", ""), ("1.50", "")),
        ("reproduced", ""),
    ]
    assert cells(table.rows[1])[:3] == [("7", ""), ("90.00", ""), ("93.00", "")]
    assert table.rows[1].table_cells[-1] == TableCell("not comparable, beyond", mark="a")
    assert table.rows[2].table_cells[-1] == TableCell("not comparable, within", mark="a")
    assert table.rows[0].table_cells[-1].mark == ""
    assert ("a", "another floor") in table.notes
    assert table.notes[-1] == ("–", "SNIP: not run, there is no SNIP here (2)")


def test_tables_are_apart_by_table_and_pair() -> None:
    elsewhere = Reproduction(value(table="b-table"), "reproduced", "", OURS, 1.5)
    other = Reproduction(value(model="resnet20", dataset="cifar10"), "reproduced", "", OURS, 1.5)
    found = published_tables([SAME, elsewhere, other])
    assert [table.setting for table in found] == [
        *("a-table, mlpnet-mnist", "b-table, mlpnet-mnist", "a-table, resnet20-cifar10")
    ]
    same_label = Reproduction(value(method="wf"), "reproduced", "", OURS, 1.5)
    assert published_tables([same_label])[0].rows[0].heading == "wf"


def test_a_table_of_the_gate_by_hand() -> None:
    first, second = gate_tables([WORSE, NEW, ALONE], Gate(margin=0.75, alpha=0.1))
    assert (first.pair, second.pair) == ("mlpnet-mnist", "other-pair")
    assert (first.kind, first.corner) == ("regression", "method")
    assert first.setting == "mlpnet-mnist against its baseline"
    assert "one-sided 90% bounds" in first.caption
    assert first.caption.endswith("The margin is 0.75 points.")
    assert first.columns == [
        *("allocation", "sparsity (%)", "seeds", "baseline", "now"),
        *("difference", "bounds", "verdict"),
    ]
    worse, new = first.rows
    assert (worse.heading, new.heading) == ("wf, few", "kfac")
    assert [cell.text for cell in worse.table_cells] == [
        *("global", "95", "3", "90.00", "88.75", "-1.25", "-2.00 to -0.50", "regressed")
    ]
    assert [cell.text for cell in new.table_cells] == [
        *("global", "95", "0", "–", "–", "–", "–", "new")
    ]
    assert first.notes == [("a", "worse"), ("b", "the baseline has nothing of it")]
    (alone,) = second.rows
    assert [cell.text for cell in alone.table_cells] == [
        *("global", "all", "1", "90.00", "90.50", "+0.50", "–", "inconclusive")
    ]
    assert [cell.mark for cell in alone.table_cells] == [*[""] * 7, "a"]


def test_bounds_stand_in_their_order() -> None:
    """A deterministic fall has bounds that rounding may have put in either."""
    tight = Change(GROUP, "pass", "", 3, 90.0, 90.0, Shift("pass", 0.0, 0.5, -0.5))
    (table,) = gate_tables([tight], Gate())
    assert table.rows[0].table_cells[6].text == "-0.50 to +0.50"
    assert table.rows[0].table_cells[7].mark == ""
    assert table.notes == []


def test_rows_of_the_csv_file_by_hand() -> None:
    assert (
        *("kind", "table", "pair", "allocation", "method", "label", "sparsity", "seeds"),
        *("reference", "reference_std", "ours", "ours_std", "difference", "low", "high"),
        *("verdict", "reason"),
    ) == CSV_COLUMNS
    same, absent, worse, new = (
        dict(zip(CSV_COLUMNS, row, strict=True)) for row in csv_rows([SAME, ABSENT], [WORSE, NEW])
    )
    assert same == {
        **{"kind": "published", "table": "a-table", "pair": "mlpnet-mnist", "allocation": None},
        **{"method": "WF", "label": "wf", "sparsity": 0.9, "seeds": 3, "reference": 90.0},
        **{"reference_std": 0.25, "ours": pytest.approx(90 + 1 / 6), "low": -1.5, "high": 1.5},
        **{"ours_std": pytest.approx((13 / 12) ** 0.5), "difference": pytest.approx(1 / 6)},
        **{"verdict": "reproduced", "reason": ""},
    }
    assert absent == {
        **{"kind": "published", "table": "a-table", "pair": "mlpnet-mnist", "allocation": None},
        **{"method": "SNIP", "label": None, "sparsity": 0.9, "seeds": 0, "reference": 90.0},
        **dict.fromkeys(("reference_std", "ours", "ours_std", "difference", "low", "high")),
        **{"verdict": "not run", "reason": "there is no SNIP here"},
    }
    assert worse == {
        **{"kind": "regression", "table": None, "pair": "mlpnet-mnist", "allocation": "global"},
        **{"method": None, "label": "wf, few", "sparsity": 0.95, "seeds": 3, "reference": 90.0},
        **{"reference_std": None, "ours": 88.75, "ours_std": None, "difference": -1.25},
        **{"low": -2.0, "high": -0.5, "verdict": "regressed", "reason": "worse"},
    }
    assert (new["ours"], new["difference"], new["low"], new["high"]) == (None,) * 4


def test_only_what_fails_the_command_is_a_failed_case() -> None:
    slow = Timing("mlpnet-mnist", "global", "wf", 2.345, "slower")
    found = cases([SAME, NEAR, ABSENT], [WORSE, NEW, ALONE], [slow], Gate(slowdown=2.0))
    assert found == [
        JUnitCase(
            "regression", "mlpnet-mnist.global", "wf, few at 95", "failure", "regressed: worse"
        ),
        JUnitCase(
            *("regression", "mlpnet-mnist.global", "kfac at 95", "skipped"),
            "new: the baseline has nothing of it",
        ),
        JUnitCase(
            *("regression", "other-pair.global", "wf, few at all", "skipped"),
            "inconclusive: run more seeds",
        ),
        JUnitCase("pruning time", "mlpnet-mnist.global", "wf", "failure", "slower by 2.35"),
        JUnitCase("published", "a-table.mlpnet-mnist", "WF at 90", "passed", "reproduced: "),
        JUnitCase(
            *("published", "a-table.mlpnet-mnist", "K-FAC at 50", "skipped"),
            "not comparable: another floor",
        ),
        JUnitCase(
            *("published", "a-table.mlpnet-mnist", "SNIP at 90", "skipped"),
            "not run: there is no SNIP here",
        ),
    ]


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        *(("pass", "passed"), ("improved", "passed"), ("regressed", "failure")),
        *(("changed", "failure"), ("inconclusive", "skipped"), ("not run", "skipped")),
        *(("not comparable", "skipped"), ("new", "skipped")),
    ],
)
def test_the_case_of_each_verdict(verdict, outcome) -> None:
    (case,) = cases([], [Change(GROUP, verdict)], [], Gate())
    assert case.outcome == outcome


@pytest.mark.parametrize(
    ("verdict", "gate", "outcome"),
    [
        ("slower", Gate(slowdown=1.5), "failure"),
        ("slower", Gate(), "passed"),
        ("faster", Gate(slowdown=1.5), "passed"),
        ("same", Gate(slowdown=1.5), "passed"),
    ],
)
def test_only_a_study_that_says_so_fails_for_its_time(verdict, gate, outcome) -> None:
    (case,) = cases([], [], [Timing("p", "global", "wf", 1.6, verdict)], gate)
    assert case.outcome == outcome


def test_a_time_that_changed_is_a_sentence() -> None:
    timed = [Timing("p", "erk", "wf", 1.6, "slower"), Timing("p", "erk", "obd", 1.0, "same")]
    (said,) = timing_lines(timed, Gate())
    assert said == (
        "wf (p, erk) is slower: 1.60 times the baseline's pruning time, in yardsticks; slower is "
        "not judged."
    )
    (judged,) = timing_lines(timed, Gate(slowdown=1.2))
    assert judged.endswith("slower is a failure.")


def test_verdicts_are_counted_the_most_frequent_first() -> None:
    assert counted(["pass", "new", "pass", "new", "pass"]) == "3 pass, 2 new"
    assert counted([]) == ""
