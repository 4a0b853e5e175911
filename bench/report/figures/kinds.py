"""The kinds of figures: each is declared here once, for print and for the page.

To add a kind, add a `Kind` to `KINDS`. Where none of the forms that there are draws it, write one:
for print a function beside `curves_figure`, for the page a script beside `page/script/curves.js`.
"""

import functools
from collections.abc import Sequence

from bench.jobs.findings import PARTS
from bench.report.columns import PART_SECONDS
from bench.report.figures.against import against_figure
from bench.report.figures.bars import phases_figure
from bench.report.figures.curves import curves_figure
from bench.report.figures.heat import layers_figure
from bench.report.figures.kind import Axis, Kind, Section
from bench.report.figures.points import points_figure
from bench.report.figures.spending import budget_figure
from bench.study.figure import Against

_ACCURACY = Axis("Test accuracy (%)", "accuracy_mean", narrow="Accuracy (%)", unit="%")
_SPARSITY = Axis(
    "Sparsity (% of prunable weights removed)",
    "sparsity",
    narrow="Sparsity (%)",
    times=100,
    unit="%",
)
_KEPT = Axis(_SPARSITY.title, "sparsity", "kept", narrow="Sparsity (%)", times=100, unit="%")
_COMPRESSION = Axis(
    "Compression ratio (all parameters over those kept)",
    "compression_mean",
    "log",
    unit="×",
    ticks=(1, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000),
    few_ticks=(2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
_SECONDS = Axis("Pruning time (s, median)", "prune_seconds_median", "log", unit="s")
_FLOPS = Axis("FLOPs of one example (pruned model)", "flops_mean", "log", unit="FLOPs")
_MEMORY = Axis(
    "Rise of memory while pruning (MiB)", "peak_bytes_max", "log", times=2**-20, unit="bytes"
)
_METHODS = Axis("", "label")
_PARTS = {part: f"{column}_median" for part, column in zip(PARTS, PART_SECONDS, strict=True)}

KINDS: tuple[Kind, ...] = (
    Kind("accuracy", _KEPT, _ACCURACY, printed=curves_figure, linked=True, above=_COMPRESSION),
    Kind(
        "linear",
        _SPARSITY,
        _ACCURACY,
        printed=curves_figure,
        form="curves",
        section="curves",
        choice="Sparsity",
    ),
    Kind(
        "compression",
        _COMPRESSION,
        _ACCURACY,
        form="curves",
        section="curves",
        choice="Compression ratio",
    ),
    Kind(
        "time",
        _SECONDS,
        _ACCURACY,
        front=True,
        without="no time of pruning",
        printed=points_figure,
        linked=True,
        form="points",
        section="tradeoff",
        choice="Pruning time",
    ),
    Kind(
        "flops",
        _FLOPS,
        _ACCURACY,
        front=True,
        printed=curves_figure,
        form="points",
        section="tradeoff",
        choice="FLOPs",
    ),
    Kind(
        "memory",
        _MEMORY,
        _ACCURACY,
        front=True,
        form="points",
        section="tradeoff",
        choice="Memory",
    ),
    Kind(
        "phases",
        Axis("Share of the pruning time (%)", unit="%"),
        _METHODS,
        parts=_PARTS,
        whole="prune_seconds_median",
        share=True,
        printed=phases_figure,
        linked=True,
        form="bars",
        section="phases",
        choice="Shares",
    ),
    Kind(
        "phase-seconds",
        Axis("Pruning time (s)", unit="s"),
        _METHODS,
        parts=_PARTS,
        whole="prune_seconds_median",
        form="bars",
        section="phases",
        choice="Seconds",
    ),
    Kind(
        "layers",
        Axis("", "layer"),
        Axis("Sparsity of the layer (%)", "layers", times=100, unit="%"),
        printed=layers_figure,
        form="layers",
        section="layers",
    ),
    Kind("budget", Axis("% of the limit"), _METHODS, printed=budget_figure),
)

SECTIONS = (
    Section(
        "curves",
        "{Metric}",
        "{Metric} against sparsity",
        "Mean over seeds; shaded from the worst seed to the best. A hollow marker lacks a seed, a "
        "gap in a line is a cell without a result, the dashed line is the dense model. "
        "Compression is all parameters over those kept.",
        switch="Horizontal axis",
        sparsities="all",
        style="tall",
        legend=True,
    ),
    Section(
        "tradeoff",
        "Cost",
        "What {metric} costs",
        "The grey line is the Pareto front: nothing shown is both cheaper and {better}. "
        "Whiskers run from the worst seed to the best. Time is the median and memory the greatest "
        "rise while the method ran; FLOPs are those of one example through the pruned model.",
        switch="Cost",
        sparsities="one or all",
        says_gaps=True,
    ),
    Section(
        "phases",
        "Time",
        "Where the time goes",
        "Medians over seeds; beside each bar the whole. Gradients are passes through the model, "
        "inverse is curvature and the scores made of it, selection is the mask, update the move "
        "of the survivors, rest what lies outside these four.",
        switch="Length of the bars",
        style="bars",
    ),
    Section(
        "layers",
        "Layers",
        "Where the weights went",
        "Sparsity of each layer, counted in the weights that were evaluated; mean over seeds.",
    ),
)


def brief_kinds(asked: Sequence[Kind], kinds: Sequence[Kind] = KINDS) -> list[Kind]:
    """The kinds of a brief report: what the study asks for, and accuracy; or accuracy and time."""
    names = ("accuracy",) if asked else ("accuracy", "time")
    return [*asked, *(kind for kind in kinds if kind.name in names)]


def against_kind(against: Against, kinds: Sequence[Kind] = KINDS) -> Kind:
    """The study's own figure, named after its field, if no other kind is called so."""
    taken = {kind.name for kind in kinds}
    name = against.x if against.x not in taken else f"{against.x}-field"
    title = against.x.replace("_", " ")
    draw = functools.partial(against_figure, against=against)
    return Kind(name, Axis(title, "position"), _ACCURACY, printed=draw, linked=True)
