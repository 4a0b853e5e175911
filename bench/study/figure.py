"""What a study wants drawn beside accuracy against sparsity: accuracy against a hyper-parameter."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bench.common.errors import UserError, unknown


class Against(BaseModel):
    """The hyper-parameter `x` of the figure, and which labels share a panel.

    `panels` maps a panel's title to the labels on its lines; without it, each method that has the
    field in two or more labels gets a panel of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: str = Field(min_length=1)
    panels: dict[str, list[str]] = {}

    def check(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise `UserError` for an unknown label or field; `fields` are each label's."""
        every = dict.fromkeys(field for known in fields.values() for field in known)
        if self.x not in every:
            raise unknown("hyper-parameter", self.x, every or ["(no method has any)"])
        for title, labels in self.panels.items():
            for label in labels:
                if label not in fields:
                    raise unknown("label", label, fields)
                if self.x not in fields[label]:
                    raise UserError(
                        f"The panel {title!r} of the figure has {label!r}, which has no "
                        f"{self.x!r}: leave it out."
                    )
