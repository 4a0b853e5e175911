"""What a ranking says in words, from hand-made ranks."""

import numpy as np
import pandas as pd
import pytest

from bench.common.statistics.inference import Ranking
from bench.comparison.ranks import Ranks, blocks, probability, rank_methods, sentences, spans

LABELS = ("worst", "base", "near", "best")
SPACE = "\u00a0"


def ranking(p: float = 0.01, distance: float = 1.0) -> Ranking:
    return Ranking(8, np.array([4.0, 3.0, 2.5, 1.5]), 12.345, p, distance, np.ones((4, 4)))


def ranks(found: Ranking | None, **changes) -> Ranks:
    fields = {"labels": LABELS, "blocks": 8, "dropped": 0, "lacking": (), "absent": ()}
    return Ranks(ranking=found, **(fields | changes))


def test_a_ranking_in_words() -> None:
    """Ranked apart from the critical difference on: 1 rank is enough, half a rank isn't."""
    first, second, third, last = sentences(ranks(ranking()), "base")
    assert first == (
        "Friedman's test over 8 blocks (pair × allocation × sparsity): "
        f"χ²{SPACE}={SPACE}12.35, p{SPACE}={SPACE}0.01: the ranks differ."
    )
    assert second == "Nemenyi's critical difference at 5 %: 1.00 ranks."
    assert third == "Ranked significantly better than base: best; worse: worst."
    assert last.startswith("Blocks of one pair share its checkpoint and test split")


def test_nobody_is_better_than_the_best_nor_worse_than_the_worst() -> None:
    said = sentences(ranks(ranking(distance=0.5)), "best")
    assert said[2] == "Ranked significantly better than best: none; worse: worst, base, near."
    said = sentences(ranks(ranking(distance=2.6)), "best")
    assert said[2] == "Ranked significantly better than best: none; worse: none."
    said = sentences(ranks(ranking(distance=0.5)), "worst")
    assert said[2] == "Ranked significantly better than worst: base, near, best; worse: none."


@pytest.mark.parametrize(
    ("p", "baseline", "words", "around"),
    [
        (0.0499, "base", "the ranks differ", True),
        (0.05, "base", "no differences of ranks are shown", False),
        (0.5, "base", "no differences of ranks are shown", False),
        (0.01, "unknown", "the ranks differ", False),
    ],
)
def test_what_follows_from_friedmans_test(p, baseline, words, around) -> None:
    said = sentences(ranks(ranking(p)), baseline)
    assert said[0].endswith(f": {words}.")
    assert any("significantly better" in part for part in said) == around


def test_what_is_left_out_is_said() -> None:
    said = sentences(
        ranks(ranking(), dropped=2, lacking=("near", "best"), absent=("gone",)), "base"
    )
    assert said[-2:] == [
        "2 of 10 blocks were dropped, as not every method has a result there "
        "(lacking: near, best).",
        "Without any result and left out: gone.",
    ]
    assert not any("dropped" in part for part in sentences(ranks(ranking()), "base"))


def test_too_few_of_either_is_one_sentence() -> None:
    said = sentences(ranks(None, dropped=1, lacking=("near",)), "base")
    assert said[0] == (
        "There is no ranking and no critical-difference diagram: they need 6 or more blocks and "
        "3 or more methods, and there are 8 blocks and 4 methods."
    )
    assert said[1].startswith("1 of 9 blocks were dropped")
    assert len(said) == 2


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0123, "p = 0.012"), (0.5, "p = 0.5"), (1e-4, "p = 0.0001"), (9.9e-5, "p < 0.0001")],
)
def test_a_probability_in_words(p, text) -> None:
    assert probability(p) == text.replace(" ", SPACE)


def cells(**columns) -> pd.DataFrame:
    """Three methods at three sparsities over two seeds; `obd` is best, `none` has no result."""
    rows = [
        {"pair": "p", "allocation": allocation, "protocol": "one-shot", "sparsity": sparsity,
         "label": label, "seed": seed, "status": "failed" if label == "none" else "ok",
         "accuracy": 90.0 + number + seed}
        for allocation in ("global", "erk")
        for sparsity in (0.0, 0.5, 0.9)
        for number, label in enumerate(("mag", "wf", "none", "obd"))
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def test_blocks_are_means_over_the_seeds_that_all_have() -> None:
    table = cells()
    found, dropped, lacking = blocks(table)
    assert (list(found.columns), len(found), dropped, lacking) == (["mag", "wf", "obd"], 4, 0, [])
    assert found.to_numpy().tolist() == [[90.5, 91.5, 93.5]] * 4
    lost = (table.label == "wf") & (table.seed == 1) & (table.sparsity == 0.5)
    one = table.assign(status=table.status.where(~lost, "failed"))
    found, dropped, lacking = blocks(one)
    assert found.to_numpy().tolist() == [[90.0, 91.0, 93.0], [90.5, 91.5, 93.5]] * 2
    lost = (table.label == "wf") & (table.sparsity == 0.5) & (table.allocation == "erk")
    found, dropped, lacking = blocks(table.assign(status=table.status.where(~lost, "failed")))
    assert (len(found), dropped, lacking) == (3, 1, ["wf"])


def test_a_ranking_needs_six_blocks_and_three_methods() -> None:
    more = pd.concat([cells(), cells(pair="q")])
    found = rank_methods(more)
    assert (found.labels, found.blocks, found.absent) == (("mag", "wf", "obd"), 8, ("none",))
    assert found.ranking is not None
    assert found.ranking.ranks.tolist() == [3, 2, 1]
    few = more[~((more.pair == "q") & (more.allocation == "erk"))]
    assert rank_methods(few).blocks == 6
    assert rank_methods(few).ranking is not None
    assert rank_methods(few[(few.sparsity != 0.9) | (few.pair == "p")]).ranking is None
    assert rank_methods(more[more.label != "wf"]).ranking is None


def test_where_the_blocks_come_from() -> None:
    assert spans(pd.concat([cells(), cells(pair="q")])) == "p, q; global, erk; 50, 90 %"
