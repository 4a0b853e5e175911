"""What methods say of themselves that work on per-example gradients of the dense model."""

from collections.abc import Hashable


class FromGradients:
    """A mixin for methods with the fields `samples`, `batch` and `fisher`.

    Such a method asks for `samples` gradients, each the mean over `batch` examples, with the labels
    of the data (`empirical`) or with labels drawn from the model (`true`).
    """

    samples: int
    batch: int
    fisher: str

    @property
    def uses_labels(self) -> bool:
        """Whether the labels of the calibration data are used; not if the model draws them."""
        return self.fisher == "empirical"

    def gradients_wanted(self) -> Hashable:
        """Return what is equal for methods that ask for the same gradients."""
        return (self.samples, self.batch, self.fisher)

    def gradients_held(self) -> int:
        """Return how many gradients are held at once: all of them."""
        return self.samples

    def lighter(self) -> str:
        """Return what to set so that the method holds less memory."""
        return "set blocks or fewer samples" if hasattr(self, "blocks") else "take fewer samples"
