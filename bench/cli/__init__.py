"""The command line: the commands, their options, and what they print. It starts without PyTorch.

What comes in: the words typed in a terminal. What goes out: files, tables and sentences.

To add a command, touch these files: bench/cli/app.py, which registers it; a file bench/cli/NAME.py
if it is longer than a few lines; and tests/cli.
"""
