"""What every room may use: errors, files, folders, statistics, console.

It knows nothing of pruning. Modules here import nothing from other rooms. A helper belongs here
only if several rooms use it.
"""
