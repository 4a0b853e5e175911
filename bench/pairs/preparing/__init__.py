"""A pair made ready: checked, its dense weights loaded or trained, and measured."""
