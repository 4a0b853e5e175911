"""A small folder in ImageNet's layout: real handwritten digits as JPEG and PNG files."""

from pathlib import Path

from PIL import Image

import datasets

CLASSES = [f"n0000000{digit}" for digit in range(6)]
WIDTH, HEIGHT = 256, 240


def write_folder(folder: Path, train: int = 4, val: int = 2) -> Path:
    """`train` and `val` images of each of six classes, wider than high; val is grey JPEG."""
    digits = datasets.load("mnist5k").train
    for label, name in enumerate(CLASSES):
        images = digits.images[digits.labels == label][: train + val]
        for number, pixels in enumerate(images):
            split = "train" if number < train else "val"
            path = folder / split / name / f"{number:02}.{'png' if number % 3 == 1 else 'JPEG'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pixels[0].numpy()).resize((WIDTH, HEIGHT))
            if split == "train":
                picture = Image.merge("RGB", [picture, picture.rotate(90), picture.rotate(180)])
            picture.save(path)
    return folder
