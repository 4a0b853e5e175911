"""Tables: what is in them as plain data, and how it is written as Markdown, LaTeX and text."""
