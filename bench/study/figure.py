"""A study's figure of accuracy against a hyper-parameter, beside that against sparsity."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bench.common.errors import UserError, unknown


class Against(BaseModel):
    """The hyper-parameter `x` on the figure's axis, and which methods share a panel.

    `panels` maps a panel's title to the labels of its lines. Without it, each method that has the
    field under two or more labels gets a panel of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: str = Field(min_length=1)
    panels: dict[str, list[str]] = {}

    def check(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise `UserError` for an unknown label or field.

        `fields` are the fields of each label.
        """
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
