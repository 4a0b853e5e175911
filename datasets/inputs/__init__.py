"""Prepares splits for a model: normalised, augmented, in memory or decoded when needed.

What comes in: a split of a dataset, a pair's normalisation and a device. What goes out: `Inputs`,
which return batches by position.

To add an augmentation, touch these files: datasets/inputs/images.py, which defines it;
datasets/inputs/augmentation.py, which names it; bench/jobs/recipe.py, which accepts its name; and
tests/datasets.
"""
