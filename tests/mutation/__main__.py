"""`python -m tests.mutation`: try a sample of mutants, and exit with 1 where too many survive."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .campaign import Broken, Result, campaign
from .report import enough, survivors, table
from .runner import warm_up
from .sampling import every_mutant, explained, sample, without_explained
from .subjects import SUBJECTS, Subject

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 where too many survive, 2 where the campaign can't begin."""
    options = _options(arguments)
    chosen = [subject for subject in SUBJECTS if options.subject in (None, subject.name)]
    left, stale = without_explained(every_mutant(ROOT, SUBJECTS), explained())
    if stale:
        print("equivalents.toml explains what the code no longer offers:", file=sys.stderr)
        print(*(f"  {entry.file}, {entry.scope}: {entry.before}" for entry in stale), sep="\n")
        return 2
    mutants = [mutant for mutant in left if mutant.subject in chosen]
    drawn = sample(ROOT, mutants, options.count, options.seed)
    print(f"{len(drawn)} of {len(mutants)} mutants, seed {options.seed}.", flush=True)
    warm_up()
    try:
        results = _tried(drawn, chosen, options.jobs)
    except Broken as error:
        print(f"The tests of a subject fail without any fault, {error}", file=sys.stderr)
        return 2
    print(table(results), survivors(results), sep="\n\n")
    return 0 if enough(results) else 1


def _tried(drawn: Sequence, chosen: Sequence[Subject], jobs: int) -> list[Result]:
    """The results, in the order of the files."""
    began, results = time.monotonic(), []
    needed = [subject for subject in chosen if any(m.subject == subject for m in drawn)]
    with campaign(ROOT, _data(), jobs) as trial:
        for subject, seconds in trial.check(needed):
            print(f"  {subject.name}: its clean tests take {seconds:.1f} s", flush=True)
        for number, result in enumerate(trial.run(drawn), 1):
            results.append(result)
            where = f"{result.mutant.file}:{result.mutant.line}"
            took = time.monotonic() - began
            print(
                f"{number:4}/{len(drawn)} {took:5.0f} s  {result.outcome:8} {result.seconds:5.1f} s"
                f"  {where}",
                flush=True,
            )
    return sorted(results, key=lambda result: (result.mutant.file, result.mutant.line))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=250, help="how many mutants (default 250)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default 0)")
    names = [subject.name for subject in SUBJECTS]
    parser.add_argument("--subject", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    return parser.parse_args(arguments)


def _data() -> Path:
    """The user's datasets and dense checkpoints, where the suite looks for them."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("BENCH_DATA") or Path(cache, "pruning-bench")).expanduser()


if __name__ == "__main__":
    sys.exit(main())
