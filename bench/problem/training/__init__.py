"""The one training loop of the suite, with its optimiser and what of a model trains."""
