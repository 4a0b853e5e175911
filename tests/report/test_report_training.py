"""What reports say of training: protocols side by side, the recipe, what training took."""

import pandas as pd
from support.records import make_cell, make_job

from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.report import frame, summary
from bench.report.captions import training_sentence
from bench.report.panels import panels, tables

RECIPE = Recipe(epochs=5, batch=64, learning_rate=0.1)


def cells(recipe: Recipe = RECIPE) -> pd.DataFrame:
    found = []
    for protocol in ("one-shot", "fine-tune", "gradual"):
        trained = protocol != "one-shot"
        for seed in range(2):
            job = make_job(
                "magnitude",
                protocol=protocol,
                seed=seed,
                training=(RECIPE if protocol == "fine-tune" else recipe) if trained else None,
                schedule=Gradual(end=3.0) if protocol == "gradual" else None,
            )
            figures = {"train_seconds": 2.5 + seed, "train_flops": 3 * 10**12, "train_examples": 9}
            cell = make_cell(f"magnitude, {protocol}", job, **(figures if trained else {}))
            found.append(cell)
    return frame(found)


def test_protocols_stand_side_by_side_with_what_training_took() -> None:
    table = cells()
    accuracy, cost = tables(table, summary(table))
    assert [row.heading for row in accuracy.rows] == [
        "magnitude, one-shot",
        "magnitude, fine-tune",
        "magnitude, gradual",
    ]
    assert "one-shot, fine-tune, gradual" in accuracy.caption
    assert "Training: epochs 5, batch 64, learning rate 0.1." in accuracy.caption
    assert "Gradual pruning, in epochs: end 3.0." in accuracy.caption
    assert [column.replace("\n", " ") for column in cost.columns[3:5]] == [
        "training seconds",
        "training TFLOPs",
    ]
    assert [cell.text for cell in cost.rows[1].table_cells[3:5]] == ["3.0", "3"]
    assert [cell.text for cell in cost.rows[0].table_cells[3:5]] == ["–", "–"]


def test_a_comparison_looks_at_one_protocol_at_a_time() -> None:
    table = cells()
    assert len(list(panels(table, summary(table)))) == 3


def test_training_that_differs_is_said() -> None:
    table = cells(Recipe(epochs=6, learning_rate=0.1))
    assert training_sentence(table) == (
        "Training differs between these cells: not a fair comparison."
    )
