"""The schedule of gradual pruning (Zhu & Gupta 2017, To Prune, or Not to Prune)."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


def cubic(progress: float, initial: float, final: float) -> float:
    """Return s_f - (s_f - s_i) (1 - progress)³, steep at first; exactly s_f from progress 1 on."""
    if progress >= 1:
        return final
    return final - (final - initial) * (1 - max(0.0, progress)) ** 3


class Gradual(BaseModel):
    """When gradual pruning prunes: from `start` to `end`, every `frequency`; all in epochs.

    The first pruning, at `start`, goes to `initial_sparsity`, the last, at `end`, exactly to the
    job's sparsity. Fractions of an epoch are rounded to steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    start: float = Field(0.0, ge=0, allow_inf_nan=False)
    end: float = Field(gt=0, allow_inf_nan=False)
    frequency: float = Field(1.0, gt=0, allow_inf_nan=False)
    initial_sparsity: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Gradual":
        if self.end <= self.start:
            raise ValueError(f"the end ({self.end:g}) must come after the start ({self.start:g})")
        return self

    def sparsities(self, final: float, steps_per_epoch: int) -> dict[int, float]:
        """Return the sparsity to prune to before each of these steps; the last one is `final`.

        A pruning that would remove nothing (initial sparsity 0) is left out.
        """
        first, last = (round(epoch * steps_per_epoch) for epoch in (self.start, self.end))
        count = int((self.end - self.start) / self.frequency + 1e-9)
        epochs = [self.start + index * self.frequency for index in range(count + 1)]
        way = [step for epoch in epochs if (step := round(epoch * steps_per_epoch)) < last]
        plan = {
            step: cubic((step - first) / (last - first), self.initial_sparsity, final)
            for step in way
        }
        return {step: sparsity for step, sparsity in plan.items() if sparsity > 0} | {last: final}
