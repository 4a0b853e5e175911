"""Datasets of the user's own, held in memory: arrays, torch datasets, image folders, Arrow files.

What comes in: a function that returns arrays or a torch dataset, or files to read. What goes out:
a `Dataset` whose three splits were checked, drawn by a seed, and are named by a digest of their
bits.

To add a kind of files, touch these files: datasets/own/KIND.py, which defines a class with the two
methods of `Files` (datasets/own/table.py); and tests/datasets.
"""
