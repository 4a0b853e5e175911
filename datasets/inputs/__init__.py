"""Splits as a model wants them: normalised, augmented, in memory or decoded on the way."""
