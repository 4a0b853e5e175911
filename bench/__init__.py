"""The benchmark's harness: studies are expanded to jobs, jobs give records, reports show them.

As a library, `from bench import prune` prunes a model in memory, see `bench/library/prune.py`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.library.prune import Pruned, prune

__all__ = ["Pruned", "prune"]


def __getattr__(name: str) -> Any:
    """Load torch and the suite only when they are asked for: the command line's help is quick."""
    if name in __all__:
        from bench.library import prune

        return getattr(prune, name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
