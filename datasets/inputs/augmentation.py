"""The augmentations that a training recipe may name."""

from datasets.inputs.folder_images import resized_crop
from datasets.inputs.images import Augmentation, crop_flip, shift

AUGMENTATIONS: dict[str, Augmentation | None] = {
    "none": None,
    "shift": shift,
    "crop-flip": crop_flip,
    "resized-crop": resized_crop,
}
"""Every augmentation by name; `crop-flip` is the usual one for CIFAR, `resized-crop` for ImageNet.
"""
