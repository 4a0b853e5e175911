"""The machine that a process runs on: its cores, its clock and memory, its speed."""
