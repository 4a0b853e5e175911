"""The statistics of comparisons: tests paired by seed, ranks, and the regression gate."""
