"""How many calibration examples go through the model in one pass."""

CHUNK = 50
"""The most examples in one pass; measured to be fastest for ResNet-20 on two cores."""

NUMBERS = 2**25
"""The numbers that a pass may take for gradients that are means, where they allow for more examples
than `CHUNK`. Such passes don't keep single gradients apart, so that for a small network most of
their time is the fixed cost of a pass."""


def chunk_size(numbers: int, limit: int, batch: int = 1) -> int:
    """Return how many examples go into one pass, each of which takes so many `numbers`.

    `limit` is how many numbers a pass may take in any case. For gradients that are means over
    `batch` examples, a pass has more of them where they are small, and whole batches if it can.
    """
    if batch == 1:
        return max(1, min(CHUNK, limit // numbers))
    size = max(1, min(max(CHUNK, NUMBERS // numbers), limit // numbers))
    return size // batch * batch or size
