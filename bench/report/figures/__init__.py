"""Figures for print: the kinds that there are, and what they share."""
