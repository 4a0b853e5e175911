"""The errors that end a command or a job with one sentence instead of a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that the user can correct.

    The message says what was expected, what was found, and what to do.
    """


class MethodError(Exception):
    """A method broke its contract: the job fails with this sentence, other jobs continue."""


class Skip(Exception):
    """A method can't do this job in principle: the record is `skipped` with this reason."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Return the error for a name that isn't registered, with the most similar valid names."""
    valid = list(known)
    near = get_close_matches(name.lower(), valid, n=3, cutoff=0.5)
    if near:
        hint = f"Did you mean {' or '.join(repr(other) for other in near)}?"
    else:
        hint = f"Valid names: {', '.join(valid)}."
    return UserError(f"There is no {kind} {name!r}. {hint}")
