"""The gate: records against the accepted baseline, and against published values."""
