"""One trial of tuning: the values that were tried and what they came to."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Trial(BaseModel):
    """`accuracy` in percent and mean `loss` on the validation split, or the `reason` of neither.

    `values` are those of the tuned fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    values: dict[str, Any]
    accuracy: float | None = None
    loss: float | None = None
    reason: str = ""
