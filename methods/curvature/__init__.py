"""Inverses of models of the loss's curvature, in forms that never hold a d×d matrix.

What comes in: gradients [m, d] or the signals of layers. What goes out: an `Inverse`, which gives
its diagonal and its product with a vector, and for most models the exact joint move of survivors.

To add a curvature model, touch these files: methods/curvature/NAME.py, which defines the operations
of `Inverse` in inverse.py beside it; the method that uses it; and tests/methods.
"""
