"""Algorithms that choose sets of weights together: quadratic models, exact elimination, swaps.

CHITA, CBS and OBC use them. What comes in: gradients [m, d] or inverse Hessians, and the masks that
a job allows (`Feasible`). What goes out: masks, or weights that are zero outside a mask.
"""
