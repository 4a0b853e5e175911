"""The augmentation of CIFAR: a crop and a mirror image, both from the generator alone."""

from typing import get_args

import torch

from bench.jobs.recipe import Recipe
from datasets.inputs.augmentation import AUGMENTATIONS
from datasets.inputs.images import crop_flip


def test_crops_and_mirrors() -> None:
    images = torch.arange(3 * 81, dtype=torch.float).view(1, 3, 9, 9).repeat(300, 1, 1, 1) + 1
    one = crop_flip(images, torch.Generator().manual_seed(0))
    assert torch.equal(one, crop_flip(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(one, crop_flip(images, torch.Generator().manual_seed(1)))
    padded = torch.nn.functional.pad(images[0], (4, 4, 4, 4))
    windows = padded.unfold(1, 9, 1).unfold(2, 9, 1).permute(1, 2, 0, 3, 4).reshape(81, 3, 9, 9)
    known = torch.cat([windows, windows.flip(3)]).flatten(1)
    which = [(known == image.flatten()).all(1).nonzero().flatten().tolist() for image in one]
    assert all(which)
    mirrored = sum(min(places) >= 81 for places in which)
    assert 110 < mirrored < 190
    assert len({places[0] % 81 for places in which}) > 60


def test_every_augmentation_that_a_recipe_may_name_is_there() -> None:
    assert list(AUGMENTATIONS) == list(get_args(Recipe.model_fields["augmentation"].annotation))
