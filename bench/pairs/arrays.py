"""Published weights that come as one NumPy file for each array."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from bench.common.errors import UserError
from bench.pairs.checkpoint import PublishedWeights, StateDict


@dataclass(frozen=True)
class PublishedArrays(PublishedWeights):
    """Published .npy files, each found or downloaded, and verified, as `PublishedWeights` is.

    `arrays` maps the name of each file to its SHA-256; `file` is their folder in `checkpoints/`,
    and `url` the address of their folder, with a slash at its end. `sha256` is that of all digests
    together, as `sha256sum FILE ... | sha256sum` prints it for the files in this order. `extract`
    is called with the arrays as tensors, by the names of their files.
    """

    sha256: str = field(init=False)
    arrays: Mapping[str, str] = field(kw_only=True)

    def __post_init__(self) -> None:
        listing = "".join(f"{digest}  {name}\n" for name, digest in self.arrays.items())
        object.__setattr__(self, "sha256", hashlib.sha256(listing.encode()).hexdigest())

    def path(self) -> Path:
        """Return the folder of the first of the verified files; others may lie in another mirror.

        Raises `UserError` if one can't be obtained.
        """
        return next(iter(self._paths().values())).parent

    def load(self) -> tuple[StateDict, str]:
        """Return the state dict and the SHA-256 over all files; nothing is unpickled.

        Raises `UserError` if a file can't be obtained or holds something else.
        """
        paths = self._paths()
        try:
            content = {
                name: torch.from_numpy(np.load(path, allow_pickle=False))
                for name, path in paths.items()
            }
            return self.extract(content), self.sha256
        except Exception as error:  # `extract` is the pair's own and may raise anything
            raise UserError(
                f"The checkpoints {', '.join(map(str, paths.values()))} hold something other than "
                f"the weights expected: {error}"
            ) from error

    def _paths(self) -> dict[str, Path]:
        """Return the verified files by name."""
        return {
            name: PublishedWeights(
                file=f"{self.file}/{name}",
                sha256=digest,
                url=self.url + name,
                extract=self.extract,
            ).path()
            for name, digest in self.arrays.items()
        }
