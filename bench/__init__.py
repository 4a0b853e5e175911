"""The harness: studies in, records out, tables and figures drawn from records."""
