"""The command line: the commands, their options, and what they say. No torch at import.

In come words typed in a terminal, out go files and sentences. To add a command, touch `app.py`.
"""
