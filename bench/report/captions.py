"""The captions of tables: the conditions of their numbers, taken from the records."""

from collections.abc import Collection, Iterable

import pandas as pd

from bench.common.statistics.contest import RULE
from bench.report.columns import RESOURCES, metric_of
from bench.report.gaps import exhausted, untimed


def metric_caption(cells: pd.DataFrame) -> str:
    """Conditions of a table of the metric of one pair and allocation."""
    return " ".join(
        part
        for part in (
            f"{metric_of(cells).heading} of {setting(cells)}:",
            spread(cells),
            denominator(cells),
            exhausted(cells),
            test_images(cells),
            budget_sentence(cells),
            training_sentence(cells),
            _checkpoint(cells),
        )
        if part
    )


def cost_caption(cells: pd.DataFrame) -> str:
    """Conditions of a cost table of one pair and allocation."""
    return " ".join(
        part
        for part in (
            f"Cost of pruning {setting(cells)}, over the cells of all sparsities and seeds that "
            "are ok: median time, greatest rise of memory, and the most that one cell spent of "
            "its budget. Evaluation, data loading and dense training are not counted.",
            untimed(cells),
            budget_sentence(cells),
            timed_on(cells),
        )
        if part
    )


def setting(cells: pd.DataFrame) -> str:
    """Pair and allocation, which are the same in all cells of a table, and its protocols."""
    first = cells.iloc[0]
    return f"{first.pair}, {first.allocation} allocation, {', '.join(cells.protocol.unique())}"


def rank_sentence(ranks: Collection[str], cells: pd.DataFrame) -> str:
    """What bold and underlined values mean, or why there are none; `ranks` are those of a table."""
    whom = "every other method" if only_protocol(cells) else "every other method of its protocol"
    aside = " Sanity controls stand aside." if (cells.control != "").any() else ""
    if "best" in ranks:
        return (
            f"Bold: significantly better than {whom} with results in its column ({RULE}); "
            f"underlined: the next mean.{aside}"
        )
    return f"Nothing is bold: no method is shown to be ahead of {whom} ({RULE}).{aside}"


def only_protocol(cells: pd.DataFrame) -> str:
    """The protocol of a table's cells; empty where they are of several."""
    names = list(cells.protocol.unique())
    return str(names[0]) if len(names) == 1 else ""


def spread(cells: pd.DataFrame) -> str:
    """Over which seeds the mean and its spread are."""
    seeds = sorted(cells.seed.unique())
    if len(seeds) == 1:
        return f"one seed ({seeds[0]}), so without a spread."
    return (
        f"mean ± sample standard deviation over {len(seeds)} seeds ({', '.join(map(str, seeds))})."
    )


def denominator(cells: pd.DataFrame) -> str:
    """What sparsity is a fraction of."""
    sizes = cells[["prunable", "parameters"]].dropna().drop_duplicates()
    which = [f"{row.prunable:,} prunable of {row.parameters:,}" for row in sizes.itertuples()]
    return f"Sparsity is the fraction removed of the {_or(which)} parameters." if which else ""


def test_images(cells: pd.DataFrame) -> str:
    """The size of the test split."""
    sizes = [f"{size:,}" for size in cells.test_examples.dropna().unique()]
    what = "examples" if metric_of(cells).lower else "images"
    return f"{_or(sizes)} test {what}." if sizes else ""


def budget_sentence(cells: pd.DataFrame) -> str:
    """The limits that hold for every method, or a warning that they differ."""
    limits = cells[[f"limit_{name}" for name in RESOURCES]].drop_duplicates()
    if len(limits) != 1:
        return f"The budgets of these cells differ ({len(limits)} kinds): not a fair comparison."
    counts = zip(RESOURCES, limits.iloc[0], strict=True)
    parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts if count]
    return f"Budget of every cell: {', '.join(parts) or 'no data and no gradients'}."


def training_sentence(cells: pd.DataFrame) -> str:
    """The recipe of all that trains and the schedule of gradual pruning, or that they differ."""
    sentences = []
    for column, what in (("training", "Training"), ("schedule", "Gradual pruning, in epochs")):
        said = [value for value in cells[column].unique() if value]
        if len(said) > 1:
            return f"{what} differs between these cells: not a fair comparison."
        sentences += [f"{what}: {value}." for value in said]
    return " ".join(sentences)


def _checkpoint(cells: pd.DataFrame) -> str:
    for name, what in (("pair_sha256", "pair's settings or model"), ("data_sha256", "data")):
        if cells[name].nunique() > 1:
            return f"The {what} differ: not a fair comparison."
    hashes = [str(value)[:12] for value in cells.checkpoint_sha256.dropna().unique()]
    if len(hashes) > 1:
        return f"The dense checkpoints differ (sha256 {', '.join(hashes)}): not a fair comparison."
    return f"Dense checkpoint: sha256 {hashes[0]}." if hashes else ""


def timed_on(cells: pd.DataFrame) -> str:
    """The machine that times were taken on, or a warning that there are several."""
    machines = cells[["processor", "device", "threads"]].dropna().drop_duplicates()
    if len(machines) > 1:
        return f"Measured on {len(machines)} different machines: times are not comparable."
    return "".join(
        f"Measured on {row.device} ({row.processor}, {row.threads} threads)."
        for row in machines.itertuples()
    )


def _or(parts: Iterable[str]) -> str:
    return " or ".join(parts)
