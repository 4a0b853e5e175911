"""The training loop that everything trains with, its optimiser, and which parameters train."""
