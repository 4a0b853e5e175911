"""Images of a folder in the form that a model takes: decoded when needed, cropped, normalised.

A whole folder doesn't fit in memory. Files are decoded by threads, since the decoder and the
resizer release Python's global lock. Everything random is drawn beforehand in the caller's thread,
so that the same generator gives the same bits however the threads are scheduled.
"""

import math
from typing import NamedTuple, TypeVar, cast

import torch
from PIL import Image
from torch import Tensor

from datasets.dataset import FolderSplit
from datasets.inputs.decoding import Interpolation, decoded, middle
from datasets.inputs.images import Augmentation, Normalisation, Normalised

ATTEMPTS = 10
"""The number of random boxes that are tried for a crop."""
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""The ranges of a random crop's fraction of the image's area and of its width / height (Szegedy et
al. 2015)."""

ImageT = TypeVar("ImageT", Tensor, Image.Image)


class FolderImages(Normalised):
    """One split of image files with its pair's normalisation; it follows the protocol `Inputs`."""

    def __init__(
        self,
        split: FolderSplit,
        normalisation: Normalisation | None,
        device: torch.device,
        interpolation: Interpolation = "bilinear",
    ) -> None:
        super().__init__(split.labels, normalisation, device)
        self._split = split
        self._interpolation = interpolation

    def batch(
        self,
        positions: Tensor,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return inputs [n, 3, size, size] and labels [n] at these positions.

        The augmentation `resized_crop` acts on the whole image, any other on the middle crop.
        Raises `UserError` for a file that is no image.
        """
        paths = [self._split.paths[position] for position in positions.tolist()]
        if augmentation is resized_crop and generator is not None:
            draws = random_draws(len(paths), generator)
            images = decoded(paths, lambda row, image: self._random_part(image, draws[row]))
        else:
            images = decoded(paths, lambda _, image: self._middle(image))
            if augmentation is not None and generator is not None:
                images = augmentation(images, generator)
        return self._normalised(images), self.labels[positions.to(self.labels.device)]

    def _middle(self, image: Image.Image) -> Image.Image:
        return middle(image, self._split.size, self._split.resize, self._interpolation)

    def _random_part(self, image: Image.Image, draws: list[float]) -> Image.Image:
        box, mirrored = random_box(draws, image.height, image.width)
        return _part(image, box, mirrored, [self._split.size] * 2, self._interpolation)


def resized_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Replace each image [n, c, h, w] by a random part of it at full size, mirrored or not."""
    size = list(images.shape[2:])
    rows = zip(images, random_draws(len(images), generator), strict=True)
    return torch.stack([_part(image, *random_box(draws, *size), size) for image, draws in rows])


class Box(NamedTuple):
    """A rectangular part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def random_draws(count: int, generator: torch.Generator) -> list[list[float]]:
    """Return the random numbers from 0 to 1 that `random_box` needs for each of `count` images."""
    draws: list[list[float]] = torch.rand(count, 4 * ATTEMPTS + 1, generator=generator).tolist()
    return draws


def random_box(draws: list[float], height: int, width: int) -> tuple[Box, bool]:
    """Return the crop of an image of this size, and whether it is mirrored.

    The area and the logarithm of the aspect ratio are uniform. The first of ten boxes that fits is
    taken, otherwise the largest box in the middle with an allowed ratio. This is the distribution
    of torchvision's RandomResizedCrop, which itself draws from the global state of the thread it
    runs in.
    """
    mirrored = draws[-1] < 0.5
    low, high = (math.log(ratio) for ratio in RATIO)
    for attempt in range(ATTEMPTS):
        area, ratio, down, right = draws[4 * attempt : 4 * attempt + 4]
        pixels = height * width * (AREA[0] + (AREA[1] - AREA[0]) * area)
        aspect = math.exp(low + (high - low) * ratio)
        wide, tall = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = int(down * (height - tall + 1)), int(right * (width - wide + 1))
            return Box(top, left, tall, wide), mirrored
    wide = min(width, round(height * RATIO[1]))
    tall = min(height, round(width / RATIO[0]))
    return Box((height - tall) // 2, (width - wide) // 2, tall, wide), mirrored


def _part(
    image: ImageT, box: Box, mirrored: bool, size: list[int], interpolation: str = "bilinear"
) -> ImageT:
    """Return this part of a tensor or picture, resized to `size`."""
    from torchvision.transforms import InterpolationMode, functional

    part = functional.resized_crop(image, *box, size, InterpolationMode(interpolation))
    return cast(ImageT, functional.hflip(part) if mirrored else part)
