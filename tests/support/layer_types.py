"""One small layer of every kind that has per-example gradients, with the shape of its input."""

from collections.abc import Callable

from torch import nn

Case = tuple[Callable[[], nn.Module], tuple[int, ...]]

LAYERS: dict[str, Case] = {
    "linear": (lambda: nn.Linear(6, 4), (6,)),
    "linear without bias": (lambda: nn.Linear(6, 4, bias=False), (6,)),
    "linear on a sequence": (lambda: nn.Linear(6, 4), (5, 6)),
    "linear on a sequence of one": (lambda: nn.Linear(6, 4), (1, 6)),
    "linear on patches": (lambda: nn.Linear(6, 4), (3, 2, 6)),
    "1d": (lambda: nn.Conv1d(3, 4, 3), (3, 9)),
    "1d, stride and padding": (lambda: nn.Conv1d(3, 4, 4, 3, padding=2, bias=False), (3, 10)),
    "1d, dilation": (lambda: nn.Conv1d(3, 4, 3, dilation=2), (3, 9)),
    "1d, groups": (lambda: nn.Conv1d(4, 6, 3, groups=2), (4, 8)),
    "1d, depthwise": (lambda: nn.Conv1d(4, 8, 3, groups=4, padding=1), (4, 7)),
    "1d, same, even": (lambda: nn.Conv1d(3, 4, 4, padding="same"), (3, 7)),
    "1d, circular": (lambda: nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"), (3, 7)),
    "1d, replicate, groups": (
        lambda: nn.Conv1d(4, 4, 3, padding=1, padding_mode="replicate", groups=2),
        (4, 7),
    ),
    "2d": (lambda: nn.Conv2d(2, 3, 3), (2, 6, 5)),
    "2d, without bias": (lambda: nn.Conv2d(2, 3, (2, 3), padding=1, bias=False), (2, 6, 5)),
    "2d, all uneven": (lambda: nn.Conv2d(2, 3, (2, 3), (3, 1), (1, 2), (2, 1)), (2, 7, 6)),
    "2d, a stride that leaves a rest": (lambda: nn.Conv2d(2, 3, 3, stride=2), (2, 8, 6)),
    "2d, valid": (lambda: nn.Conv2d(2, 3, 3, padding="valid"), (2, 6, 5)),
    "2d, same": (lambda: nn.Conv2d(2, 3, 3, padding="same"), (2, 6, 5)),
    "2d, same, even and dilated": (
        lambda: nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(3, 1)),
        (2, 6, 7),
    ),
    "2d, reflect": (
        lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"),
        (2, 6, 5),
    ),
    "2d, reflect, same": (
        lambda: nn.Conv2d(2, 3, (4, 2), padding="same", padding_mode="reflect"),
        (2, 6, 5),
    ),
    "2d, replicate": (
        lambda: nn.Conv2d(2, 3, 3, 2, padding=3, padding_mode="replicate"),
        (2, 6, 5),
    ),
    "2d, circular": (
        lambda: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="circular"),
        (2, 6, 5),
    ),
    "2d, circular, groups": (
        lambda: nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular", groups=2),
        (4, 5, 5),
    ),
    "2d, groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 5, 4)),
    "2d, groups, stride, dilation": (
        lambda: nn.Conv2d(6, 3, 2, 2, padding=1, dilation=2, groups=3),
        (6, 6, 5),
    ),
    "2d, depthwise": (
        lambda: nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4, bias=False),
        (4, 6, 6),
    ),
    "2d, depthwise, two outputs each": (lambda: nn.Conv2d(3, 6, 3, groups=3), (3, 4, 5)),
    "2d, pointwise in groups": (lambda: nn.Conv2d(4, 6, 1, groups=2), (4, 3, 3)),
    "2d, same, groups": (lambda: nn.Conv2d(4, 4, 2, padding="same", groups=2), (4, 4, 4)),
    "2d, at one position, groups": (lambda: nn.Conv2d(4, 6, 3, groups=2), (4, 3, 3)),
    "3d": (lambda: nn.Conv3d(2, 3, 2), (2, 3, 4, 3)),
    "3d, all uneven": (
        lambda: nn.Conv3d(2, 3, (1, 2, 3), (1, 2, 1), (0, 1, 2), (1, 1, 2), bias=False),
        (2, 2, 5, 5),
    ),
    "3d, groups": (lambda: nn.Conv3d(4, 2, 2, groups=2, padding=1), (4, 3, 2, 3)),
    "3d, same": (lambda: nn.Conv3d(2, 2, (2, 3, 1), padding="same"), (2, 3, 3, 2)),
    "3d, replicate": (
        lambda: nn.Conv3d(2, 2, 3, padding=1, padding_mode="replicate"),
        (2, 3, 2, 3),
    ),
    "3d, circular, depthwise": (
        lambda: nn.Conv3d(2, 4, 3, padding=1, padding_mode="circular", groups=2),
        (2, 3, 2, 3),
    ),
    "3d, reflect": (
        lambda: nn.Conv3d(2, 2, 2, padding=1, padding_mode="reflect"),
        (2, 3, 3, 2),
    ),
}
