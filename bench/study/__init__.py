"""A study: a TOML file that expands to the cells of a grid, and the user's own code beside it."""
