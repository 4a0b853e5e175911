"""MLPNet, the small fully-connected network of the OBS literature's MNIST tables."""

import torch.nn.functional as F
from torch import Tensor, nn


class MLPNet(nn.Module):
    """784-40-20-10 with ReLU and no biases: 32,360 weights (Singh & Alistarh 2020).

    Takes images [n, 1, 28, 28], gives logits [n, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40, bias=False)
        self.fc2 = nn.Linear(40, 20, bias=False)
        self.fc3 = nn.Linear(20, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.fc1(images.flatten(1)))
        logits: Tensor = self.fc3(F.relu(self.fc2(hidden)))
        return logits
