"""The interface through which an unfinished training has its state saved."""

from typing import Any, Protocol


class Saver(Protocol):
    """Saves the state of an unfinished training.

    `saved` is the state that an interrupted training left; None if there is none.
    """

    saved: dict[str, Any] | None

    def due(self) -> bool:
        """Return whether it is time to save again."""

    def save(self, state: dict[str, Any]) -> None:
        """Save this state in place of the one before."""
