"""How a dataset gets to this machine: downloaded once, verified at every load."""
