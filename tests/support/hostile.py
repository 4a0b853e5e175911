"""Text that would break out of a page, a table or a document that forgot to escape it."""

from bench.jobs.cell import Cell
from support.records import make_cell, make_grid, make_job

SCRIPT = "<script>window.hacked=1</script>"
BREAKOUT = '</script><script>window.hacked=2</script><img src=x onerror="window.hacked=3">'
LABELS = (
    SCRIPT,
    BREAKOUT,
    "'\"><svg onload=window.hacked=4>",
    "{{7*7}} ${8*8} \u2028 λ",
    "__proto__",
)


def hostile_cells() -> list[Cell]:
    """A study whose labels, reasons, notes and names of pairs are attacks."""
    cells = [
        make_cell(label, make_job(f"m{number}", sparsity=sparsity), notes=[BREAKOUT])
        for number, label in enumerate(LABELS)
        for sparsity in (0.5, 0.9)
    ]
    cells.append(make_cell(BREAKOUT, make_job(sparsity=0.95), "failed", reason=BREAKOUT))
    cells.append(make_cell(SCRIPT, make_job(pair=BREAKOUT), layer_sparsity={SCRIPT: 0.5, "b": 0.4}))
    return cells


def many_cells(count: int) -> list[Cell]:
    """So many cells of ten labels, twenty sparsities and as many seeds as that takes."""
    one = make_grid()[0]
    assert one.record is not None
    cells = []
    for number in range(count):
        label, sparsity, seed = number % 10, number // 10 % 20, number // 200
        job = make_job(f"m{label}", sparsity=sparsity / 20, seed=seed)
        update = {"key": job.key, "accuracy": 50 + (number * 7919 % 4001) / 100, "seed": seed}
        record = one.record.model_copy(update=update)
        cells.append(Cell(f"method {label}", job, record))
    return cells
