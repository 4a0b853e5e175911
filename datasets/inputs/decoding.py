"""Decodes image files by threads, and cuts the part out of each that a model takes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from datasets.inputs.pixels import Encoded, rgb

Interpolation = Literal["bilinear", "bicubic"]
"""How images are resized."""


def middle(image: Image.Image, size: int, resize: int, interpolation: Interpolation) -> Image.Image:
    """Return the middle `size` by `size` pixels of the image, whose shorter side becomes `resize`.

    With `resize` at least `size` nothing is padded.
    """
    from torchvision.transforms import InterpolationMode, functional

    small = functional.resize(image, resize, InterpolationMode(interpolation))
    cut: Image.Image = functional.center_crop(small, size)
    return cut


def decoded(files: Sequence[Encoded], crop: Callable[[int, Image.Image], Image.Image]) -> Tensor:
    """Return the crops of these files, uint8 [n, channels, h, w], all of one size.

    `crop` is given the file's number and the image in mode RGB. Raises `UserError` for a file that
    is no image. The decoder and the resizer release Python's global lock.
    """
    from torchvision.transforms.functional import pil_to_tensor

    def read(row: int) -> Tensor:
        pixels: Tensor = pil_to_tensor(crop(row, rgb(files[row])))
        return pixels

    # A pool per batch costs a fraction of decoding one image, and leaves no threads when a process
    # forks.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return torch.stack(list(threads.map(read, range(len(files)))))
