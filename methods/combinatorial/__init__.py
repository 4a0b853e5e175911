"""Sets of weights chosen together: quadratic models, exact elimination, swaps."""
