"""What a training needs of whoever keeps its state while it is unfinished."""

from typing import Any, Protocol


class Saver(Protocol):
    """Keeps the state of an unfinished training; `saved` is what an interrupted one left."""

    saved: dict[str, Any] | None

    def due(self) -> bool:
        """Whether it's time to save again."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep this state instead of the one before."""
