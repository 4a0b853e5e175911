"""Damage done to the source of a copied checkout is caught by the commands that a user types."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.checkout import ROOT

STUDY = """
title = "Guarded"
pairs = ["mlpnet-mnist5k"]
allocations = ["global"]
sparsities = [0.8, 0.95]
seeds = [0, 1, 2]

[budget]
calibration_examples = 400
backward_passes = 400

[methods]
magnitude = {}
kfac = { samples = 400 }
woodfisher = { samples = 100 }
"""
EVERY = {"magnitude", "kfac", "woodfisher"}
FACTORS, KRONECKER = "methods/curvature/factors.py", "methods/curvature/kronecker.py"
SELECTION = "bench/problem/selection.py"
ALLOCATION = "bench/jobs/allocation.py"
Edit = tuple[str, str, str]
"""A file, a text in it, and what takes its place."""


class Damage(NamedTuple):
    """Replacements of source text; what the run and the check that follow make of it."""

    edits: Sequence[Edit]
    run_fails: bool
    labels: set[str]
    verdict: str
    words: str


DAMAGES = {
    "the Kronecker factors swapped": Damage(
        (
            (
                FACTORS,
                "(output.unsqueeze(-1) * given.unsqueeze(-2)).flatten()",
                "(given.unsqueeze(-1) * output.unsqueeze(-2)).flatten()",
            ),
            (
                KRONECKER,
                "Factors(self.output, self.input).matrices(vector)",
                "Factors(self.input, self.output).matrices(vector)",
            ),
            (KRONECKER, "self.output @ values @ self.input", "self.input @ values @ self.output"),
        ),
        False,
        {"kfac"},
        "regressed",
        "worse by more than the margin of 0.5",
    ),
    "the update's sign flipped": Damage(
        (("methods/surgeon.py", "return -inverse.product(", "return inverse.product("),),
        False,
        {"kfac", "woodfisher"},
        "regressed",
        "worse by more than the margin of 0.5",
    ),
    "one weight too many selected, which breaks the contract": Damage(
        ((SELECTION, "scores.kthvalue(pruned)", "scores.kthvalue(pruned := pruned + 1)"),),
        True,
        EVERY,
        "regressed",
        "returned too many zeros: 25,889 in all layers",
    ),
    "one weight too many asked for, which the contract asks for too": Damage(
        ((ALLOCATION, "return round(sparsity * size)", "return round(sparsity * size) + 1"),),
        False,
        EVERY,
        "regressed",
        "keeps 6,471 weights, was 6,472",
    ),
    "the right count of weights, but the wrong one last": Damage(
        (
            (SELECTION, "scores.kthvalue(pruned).values", "scores.kthvalue(pruned + 1).values"),
            (SELECTION, "keep = scores > cut", "keep = scores > cut\n    pruned += 1"),
            (
                SELECTION,
                "    return keep\n",
                "    gone = scores.masked_fill(keep, -torch.inf).argsort()[-2]\n"
                "    keep[gone] = True\n    return keep\n",
            ),
        ),
        False,
        EVERY,
        "changed",
        "other bits in an equal environment",
    ),
}

Command = Callable[..., subprocess.CompletedProcess[str]]


class Checkout(NamedTuple):
    """A copy of the checkout with a baseline of its own."""

    folder: Path
    bench: Command

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Within it each text, which must be there once, is replaced; then all is as before."""
        kept = {name: (self.folder / name).read_text(encoding="utf-8") for name, _, _ in edits}
        shutil.copytree(self.folder / "results" / "records", self.folder / "records")
        try:
            for name, old, new in edits:
                text = (self.folder / name).read_text(encoding="utf-8")
                assert text.count(old) == 1, (name, old)
                (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")
            yield
        finally:
            for name, text in kept.items():
                (self.folder / name).write_text(text, encoding="utf-8")
            shutil.rmtree(self.folder / "results" / "records")
            (self.folder / "records").rename(self.folder / "results" / "records")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """All files that the checkout tracks, in a new folder, with records and their baseline."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "guarded.toml").write_text(STUDY)

    def bench(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Two edits of one size within a second would share a stale .pyc.
        alone = {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-m", "bench", command, "guarded.toml", *arguments],
            cwd=folder,
            env=os.environ | alone,
            capture_output=True,
            text=True,
            check=False,
        )

    done = bench("run")
    assert done.returncode == 0, done.stderr
    done = bench("check", "--update")
    assert done.returncode == 0, done.stderr
    assert "Baseline of 18 jobs" in done.stdout
    return Checkout(folder, bench)


def verdicts(text: str) -> dict[str, set[str]]:
    """The verdicts on the screen, by label."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if row := re.match(r"(\w+) +global .* (\w+)(?: \[\w+\])?$", line):
            found.setdefault(row[1], set()).add(row[2])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_damaged_source_fails_the_check(checkout: Checkout, damage: Damage) -> None:
    with checkout.edited(damage.edits):
        unrun = checkout.bench("check")
        done = checkout.bench("run")
        judged = checkout.bench("check")
    assert f"{6 * len(damage.labels)} records are of other code than today's" in unrun.stdout
    assert (done.returncode != 0) == damage.run_fails, done.stderr
    assert judged.returncode == 1, judged.stderr
    assert damage.words in judged.stdout
    found = verdicts(judged.stdout)
    assert found.keys() == damage.labels
    assert all(damage.verdict in found[label] for label in damage.labels)


@pytest.mark.slow
def test_a_change_that_is_none_passes(checkout: Checkout) -> None:
    surgeon, line = "methods/surgeon.py", "return -inverse.product(removed / inverse.diagonal)"
    with checkout.edited([(surgeon, line, f"{line}  # minus: out of the model")]):
        commented = checkout.bench("check", "--strict")
    assert commented.returncode == 0, commented.stdout

    other_words = "moved = inverse.product(removed / inverse.diagonal)\n        return -moved"
    with checkout.edited([(surgeon, line, other_words)]):
        unrun = checkout.bench("check", "--strict")
        done = checkout.bench("run")
        judged = checkout.bench("check", "--strict")
    assert unrun.returncode == 1
    assert "12 records are of other code than today's" in unrun.stdout
    assert done.returncode == 0, done.stderr
    assert judged.returncode == 0, judged.stdout
    assert "Against the baseline: 9 pass." in judged.stdout
