"""What the results of a pair are judged by: accuracy, perplexity, or mean squared error.

Everything that compares two results, or shows one, reads here which way is better and what the unit
is called.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

MetricName = Literal["accuracy", "perplexity", "mse"]
"""The names of the metrics."""

METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
"""The names of all metrics, in order."""


@dataclass(frozen=True)
class Metric:
    """A metric of the test split; `lower` says that lower is better.

    `column` is the field of a record that holds it: `accuracy`, or `score` for all others. `noun`
    is its plain name, `phrase` what stands in a caption, with the unit or the direction; `axis` and
    `narrow` are titles of an axis, `line` stands above a table in a terminal. `best` begins a
    sentence on who is ahead. `format` is how a number is written, and `unit` what follows it.
    """

    name: MetricName
    noun: str
    phrase: str
    axis: str
    narrow: str
    best: str
    line: str
    column: str = "score"
    format: str = ".2f"
    unit: str = ""
    lower: bool = True

    @property
    def heading(self) -> str:
        """The phrase as the beginning of a sentence."""
        return self.phrase[0].upper() + self.phrase[1:]

    @property
    def difference(self) -> str:
        """What a difference of two values is called, with the unit or the direction."""
        return (
            f"{self.noun} (lower is better)"
            if self.lower
            else "percentage points of top-1 test accuracy"
        )

    @property
    def dense(self) -> str:
        """The field of a record that holds the dense model's."""
        return f"dense_{self.column}"

    @property
    def sign(self) -> int:
        """The factor that makes more better: -1 where lower is better."""
        return -1 if self.lower else 1

    @property
    def step(self) -> str:
        """The unit of a difference of two merits."""
        return "%" if self.lower else "points"

    def written(self, value: float) -> str:
        """Return the number without its unit."""
        return f"{value:{self.format}}"

    def with_unit(self, value: float) -> str:
        """Return the number with its unit."""
        return f"{self.written(value)} {self.unit}".rstrip()

    def merit(self, value: float) -> float:
        """Return a number of which more is better, for differences that a margin judges.

        It is an accuracy itself, in points, and -100 ln v of any other value v: a difference of
        merits of 1 is a change of v by one percent, whatever its scale. Of perplexity it is -100
        times the cross-entropy.
        """
        return -100 * math.log(max(value, math.ulp(0.0))) if self.lower else value

    def of(self, record: Any) -> float | None:
        """Return what a record, a trial or an evaluation holds of this metric."""
        value: float | None = getattr(record, self.column)
        return value


METRICS: Mapping[MetricName, Metric] = {
    "accuracy": Metric(
        name="accuracy",
        noun="accuracy",
        phrase="top-1 test accuracy in percent",
        axis="Test accuracy (%)",
        narrow="Accuracy (%)",
        best="Most accurate",
        line="top-1 test accuracy (%)",
        column="accuracy",
        unit="%",
        lower=False,
    ),
    "perplexity": Metric(
        name="perplexity",
        noun="perplexity",
        phrase="perplexity (lower is better) of the test split",
        axis="Test perplexity (lower is better)",
        narrow="Perplexity",
        best="Lowest perplexity",
        line="test perplexity (lower is better)",
    ),
    "mse": Metric(
        name="mse",
        noun="mean squared error",
        phrase="mean squared error (lower is better) on the test split",
        axis="Test mean squared error (lower is better)",
        narrow="Squared error",
        best="Lowest mean squared error",
        line="test mean squared error (lower is better)",
        format=".4g",
    ),
}
"""Every metric by name."""

ACCURACY = METRICS["accuracy"]
"""The metric of all records that name none."""
