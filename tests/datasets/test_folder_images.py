"""Images from files: the preprocessing of the published weights, and augmentation that repeats."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from support.pictures import write_folder

from bench.common.errors import UserError
from bench.pairs import PAIRS
from datasets import FolderSplit
from datasets.inputs.folder_images import (
    AREA,
    RATIO,
    FolderImages,
    random_box,
    random_draws,
    resized_crop,
)
from datasets.inputs.images import Normalisation, shift

CPU = torch.device("cpu")
ALL = torch.arange(24)


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> FolderSplit:
    folder = write_folder(tmp_path_factory.mktemp("pictures"))
    files = sorted(folder.glob("train/*/*"))
    return FolderSplit.of([(str(path), row) for row, path in enumerate(files)])


def images(split: FolderSplit, pair: str = "resnet50-imagenet") -> FolderImages:
    inputs = PAIRS[pair].inputs(split, CPU)
    assert isinstance(inputs, FolderImages)
    return inputs


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def opened(split: FolderSplit) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in split.paths]


def test_evaluation_is_the_preprocessing_of_torchvisions_weights(split) -> None:
    from torchvision.models import ResNet50_Weights

    preprocess = ResNet50_Weights.IMAGENET1K_V1.transforms()
    expected = torch.stack([preprocess(image) for image in opened(split)])
    inputs, labels = images(split).batch(ALL)
    torch.testing.assert_close(inputs, expected)
    assert labels.tolist() == list(range(24))
    backwards, labels = images(split).batch(ALL.flip(0)[:5])
    assert torch.equal(backwards, inputs.flip(0)[:5])
    assert labels.tolist() == [23, 22, 21, 20, 19]


def test_evaluation_is_the_preprocessing_of_timms_weights(split) -> None:
    timm = pytest.importorskip("timm", reason="the extra `test` has timm, the oracle")
    settings = timm.data.resolve_data_config({}, model=timm.create_model("mobilenetv1_100"))
    preprocess = timm.data.create_transform(**settings)
    expected = torch.stack([preprocess(image) for image in opened(split)])
    inputs, _ = images(split, "mobilenetv1-imagenet").batch(ALL)
    torch.testing.assert_close(inputs, expected)


def test_augmentation_follows_the_generator_and_no_thread(split, monkeypatch) -> None:
    inputs = images(split)
    first, _ = inputs.batch(ALL, resized_crop, seeded())
    for threads in (1, 16):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert torch.equal(inputs.batch(ALL, resized_crop, seeded())[0], first)
    assert first.shape == (24, 3, 224, 224)
    assert not torch.equal(inputs.batch(ALL, resized_crop, seeded(1))[0], first)
    assert not torch.equal(inputs.batch(ALL)[0], first)


def test_an_augmentation_of_tensors_works_on_the_middle_crop(split) -> None:
    inputs = images(split)
    moved, _ = inputs.batch(ALL, shift, seeded())
    plain = FolderImages(split, Normalisation((0.0,) * 3, (1.0,) * 3), CPU).batch(ALL)[0]
    middle = (plain * 255).round().to(torch.uint8)
    expected = shift(middle, seeded()).float() / 255
    mean, std = (
        torch.tensor(values).view(-1, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    torch.testing.assert_close(moved, (expected - mean) / std)


def test_random_boxes_are_distributed_as_torchvisions() -> None:
    from torchvision.transforms import RandomResizedCrop

    height, width, count = 180, 320, 4000
    ours = [random_box(draws, height, width) for draws in random_draws(count, seeded())]
    boxes = torch.tensor([box for box, _ in ours]).float()
    torch.manual_seed(0)
    empty = torch.empty(1, height, width)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(empty, AREA, RATIO) for _ in range(count)]
    ).float()
    # Standard errors of the differences of means are at most 1.7 pixels.
    torch.testing.assert_close(boxes.mean(0), theirs.mean(0), atol=6, rtol=0)
    torch.testing.assert_close(boxes.std(0), theirs.std(0), atol=4, rtol=0)
    top, left, tall, wide = boxes.T
    assert (top >= 0).all() and (left >= 0).all() and (tall > 0).all() and (wide > 0).all()
    assert (top + tall <= height).all() and (left + wide <= width).all()
    assert int((top + tall == height).sum()) > 0 and int((left + wide == width).sum()) > 0
    # Five standard errors of a fair coin.
    assert sum(mirrored for _, mirrored in ours) == pytest.approx(count / 2, abs=160)


def test_a_box_that_never_fits_is_the_largest_in_the_middle() -> None:
    too_wide = [1.0, 1.0, 0.0, 0.0] * 10 + [0.0]
    assert random_box(too_wide, 30, 300) == ((0, 130, 30, 40), True)
    too_high = [1.0, 0.0, 0.0, 0.0] * 10 + [0.9]
    assert random_box(too_high, 300, 30) == ((130, 0, 40, 30), False)


def test_tensors_can_be_cropped_too() -> None:
    digits = torch.randint(256, (5, 3, 20, 28), dtype=torch.uint8, generator=seeded(2))
    crops = resized_crop(digits, seeded())
    assert (crops.shape, crops.dtype) == (digits.shape, torch.uint8)
    assert torch.equal(crops, resized_crop(digits, seeded()))
    assert not torch.equal(crops, digits)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.JPEG"
    path.write_bytes(b"no image at all")
    broken = images(FolderSplit.of([(str(path), 0)]))
    with pytest.raises(UserError, match=r"broken.JPEG can't be read as an image"):
        broken.batch(torch.arange(1))
