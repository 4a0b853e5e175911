"""The machine that a process runs on: cores, time and memory used, speed."""
