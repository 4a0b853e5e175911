"""hf-text: a text of the user's own in the tokens of a Hugging Face model, for `hf-causal-lm`.

The text is one file in UTF-8. It is tokenised as a whole by the model's tokenizer and cut into
consecutive windows of T tokens, without what is left at the end, as in the code of SparseGPT
(Frantar & Alistarh 2023) and Wanda (Sun et al. 2023). Within a window each token after the first is
predicted from those before it, so an example is T - 1 tokens with the T - 1 that follow each. T is
what the model takes, at most 2,048, or what `BENCH_HF_WINDOW` says.

Calibration and validation windows are those of a second text. Without one they are the first
quarter of the windows of the first text, and the test split is the rest of them: then the
perplexity isn't that of the whole text.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.common.errors import UserError
from datasets.own.table import Table
from datasets.own.tensors import TensorDefinition

MODEL = "BENCH_HF_MODEL"
"""Names the folder of the model: config.json, weights, and the tokenizer."""
TEXT = "BENCH_HF_TEXT"
"""Names the text on which the model is tested."""
TRAINING_TEXT = "BENCH_HF_TRAINING_TEXT"
"""Names the text that methods calibrate on; without it they do on the first quarter of `TEXT`."""
WINDOW = "BENCH_HF_WINDOW"
"""Says how many tokens a window has, if not as many as the model takes or `LONGEST`."""

LONGEST = 2048
"""The most tokens of a window where the user doesn't say: the number in the papers' tables."""
PACKAGE = "transformers>=5.0"


@dataclass(frozen=True)
class TextWindows:
    """The windows of the text to learn from, if `learned`, or of the text to test on."""

    learned: bool

    def missing(self) -> str:
        """Return which variable doesn't name what it should; empty if all do."""
        training = (TRAINING_TEXT,) if os.environ.get(TRAINING_TEXT) else ()
        return next((reason for one in (MODEL, TEXT, *training) if (reason := _lacks(one))), "")

    def read(self, name: str) -> Table:
        """Return inputs and targets [n, T - 1]; raises `UserError`."""
        if reason := self.missing():
            raise UserError(f"{reason}.")
        own = self.learned and bool(os.environ.get(TRAINING_TEXT))
        windows = _windows(Path(os.environ[TRAINING_TEXT if own else TEXT]).expanduser())
        if not os.environ.get(TRAINING_TEXT):
            first = len(windows) // 4
            windows = windows[:first] if self.learned else windows[first:]
        if len(windows) < 2:
            raise UserError(
                f"the text has {len(windows)} windows of {windows.shape[1]:,} tokens to "
                f"{'calibrate on' if self.learned else 'test on'}, where two are needed: name a "
                f"longer one, or set {WINDOW} to fewer tokens."
            )
        return Table(windows[:, :-1], windows[:, 1:])


def model_folder() -> Path:
    """Return the folder of the user's model; raises `UserError` if there is none."""
    if reason := _lacks(MODEL):
        raise UserError(
            f"{reason}: set {MODEL} to the folder of a Hugging Face causal language model, with "
            f"config.json, weights and tokenizer, and {TEXT} to a text file to test on."
        )
    return Path(os.environ[MODEL]).expanduser()


def transformers() -> Any:
    """Return the package transformers; raises `UserError` if it isn't installed."""
    try:
        import transformers as package
    except ImportError as error:
        raise UserError(
            f"transformers can't be imported ({error}): `pip install '{PACKAGE}'`, or the extra "
            "`hf` of the suite."
        ) from error
    return package


def _lacks(variable: str) -> str:
    """Return that the variable doesn't name what it should, as a sentence's beginning, or empty."""
    named = os.environ.get(variable)
    if not named:
        return f"{variable} isn't set"
    place = Path(named).expanduser()
    if variable != MODEL:
        return "" if place.is_file() else f"{variable} names {named}, which is no file"
    found = (place / "config.json").is_file()
    return "" if found else f"{variable} names {named}, which is no folder with a config.json"


def _windows(text: Path) -> Tensor:
    """Return the windows [n, T] of the file's tokens; raises `UserError`."""
    folder = model_folder()
    try:
        tokenizer = transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokens = tokenizer(text.read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{text} can't be read in the tokens of {folder} ({reason}).") from error
    length = _length(folder)
    count = len(tokens) // length
    found: Tensor = tokens[: count * length].view(count, length)
    return found.to(torch.int64)


def _length(folder: Path) -> int:
    """Return the number T of tokens of a window; raises `UserError` for one out of range."""
    config = transformers().AutoConfig.from_pretrained(folder, local_files_only=True)
    most = int(getattr(config, "max_position_embeddings", LONGEST))
    chosen = os.environ.get(WINDOW)
    if not chosen:
        return min(LONGEST, most)
    if not chosen.isdecimal() or not 2 <= int(chosen) <= most:
        raise UserError(f"{WINDOW} must be a number of tokens from 2 to {most:,}, not {chosen}.")
    return int(chosen)


@dataclass(frozen=True)
class TextDefinition(TensorDefinition):
    """Windows of the user's text, with the sentence on where it is named."""

    def by_hand(self) -> str:
        """Return a sentence on how to name model and text."""
        return (
            f"It is yours: name the folder of the model in {MODEL}, a text to test on in {TEXT}, "
            f"and one to calibrate on in {TRAINING_TEXT}."
        )


HF_TEXT = TextDefinition(
    name="hf-text",
    data=TextWindows(learned=True),
    test=TextWindows(learned=False),
    summary="a text of your own in the tokens of the model of hf-causal-lm",
)
