"""Obtains datasets: found on this machine or downloaded once, and verified at every load."""
