"""shakespeare: tiny Shakespeare (Karpathy 2015), 1.1 million characters for language models.

A character is a token, numbered by the order of the 65 that occur. As in nanoGPT the last tenth of
the text is for testing. The validation split is the end of the other nine tenths: 25,601
characters, 2.6 % of them, which the dense model isn't trained on here.

Examples are windows of 64 characters with the 64 that follow each. Training windows begin at every
character, so that drawing them at random is what nanoGPT does; they are views of the text, and take
memory only where they are copied to a GPU (1 GB). Validation and test windows follow one another,
so that every character after the first counts once; what is left at the end is less than a window.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.dataset import Definition, Files, Part, Parts, SourceError, Split
from datasets.obtaining.sources import Web

WINDOW = 64
"""The characters of a window, the context that the model of the pair `nanogpt-shakespeare` has."""

VALIDATION = 400
"""The windows of the validation split."""

ADDRESS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)


def read(path: Path) -> Parts:
    """Return the text's bytes [characters] from the file, or from the folder of its download."""
    file = path / "input.txt" if path.is_dir() else path
    try:
        return {"text": torch.from_numpy(np.fromfile(file, dtype=np.uint8))}
    except OSError as error:
        raise SourceError(f"{file.name} can't be read: {error.strerror or error}") from error


def split(parts: Parts) -> tuple[Split, Split, Split]:
    """Return train, validation and test, as the docstring of this module says."""
    tokens = torch.unique(parts["text"], return_inverse=True)[1]  # sorted, so numbered by order
    learned, test = tokens.tensor_split([int(0.9 * len(tokens))])
    train, validation = learned.tensor_split([len(learned) - VALIDATION * WINDOW - 1])
    return windows(train, 1), windows(validation, WINDOW), windows(test, WINDOW)


def windows(tokens: Tensor, stride: int) -> Split:
    """Return the windows [n, WINDOW] that begin every `stride` tokens, and the next tokens, as
    views."""
    return Split(tokens[:-1].unfold(0, WINDOW, stride), tokens[1:].unfold(0, WINDOW, stride))


TEXT = Files(place="tinyshakespeare.txt", hint=f"published as {ADDRESS}", read=read)

SHAKESPEARE = Definition(
    name="shakespeare",
    summary="1.1 million characters of Shakespeare's plays, in windows of 64; 1 MB to download",
    classes=65,
    parts={
        "text": Part(
            (1_115_394,), "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
        )
    },
    files=(TEXT,),
    sources=(Web("github", lambda: [[ADDRESS]], TEXT),),
    split=split,
)
