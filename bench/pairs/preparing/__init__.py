"""Prepares a pair: it is checked, its dense weights are loaded or trained, and it is evaluated."""
