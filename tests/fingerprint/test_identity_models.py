"""However a plugin makes its model, an edit that changes its function is seen."""

import pytest
from support.user_folders import HEAD, edited, imported

from bench.pairs.preparing.identity import pair_sha256

MODELS = {
    "a method of an object": (
        """
class Factory:
    def __init__(self, width):
        self.width = width
    def build(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, self.width), nn.Linear(self.width, 10))

MODEL = Factory(8).build
""",
        ("Factory(8)", "Factory(9)"),
    ),
    "an object that can be called": (
        """
class Factory:
    def __init__(self, bend):
        self.bend = bend
    def __call__(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), self.bend())

MODEL = Factory(nn.ReLU)
""",
        ("nn.ReLU", "nn.Tanh"),
    ),
    "a function that is cached": (
        """
@functools.lru_cache
def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU())

MODEL = model
""",
        ("nn.ReLU", "nn.Tanh"),
    ),
    "a function as an attribute": (
        """
class Net(nn.Module):
    def __init__(self, bend):
        super().__init__()
        self.layer, self._bend = nn.Linear(784, 10), bend
    def forward(self, images):
        return self._bend(self.layer(images.flatten(1)))

MODEL = functools.partial(Net, *[torch.relu])
""",
        ("torch.relu", "torch.tanh"),
    ),
    "a forward pass put in later": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

def bent(self, images):
    return torch.relu(self.layer(images.flatten(1)))

def model():
    net = Net()
    net.forward = bent.__get__(net)
    return net

MODEL = model
""",
        ("torch.relu", "torch.tanh"),
    ),
    "a hook": (
        """
def model():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    net.register_forward_hook(lambda net, given, output: output.relu())
    return net

MODEL = model
""",
        ("output.relu", "output.tanh"),
    ),
    "a number in a list": (
        """
class Net(nn.Sequential):
    scales = [1.0, 2.0]
    def forward(self, images):
        return super().forward(images) * self.scales[1]

MODEL = lambda: Net(nn.Flatten(), nn.Linear(784, 10))
""",
        ("2.0", "3.0"),
    ),
    "another pair's model": (
        """
def model():
    net = KNOWN["mlpnet-mnist"].model()
    net.fc2.register_forward_hook(lambda net, given, output: output * 2)
    return net

MODEL = model
""",
        ("output * 2", "output * 3"),
    ),
    "weights that no checkpoint holds": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.mean = nn.Linear(784, 10), torch.full((784,), 0.5)
    def forward(self, images):
        return self.layer(images.flatten(1) - self.mean)

MODEL = Net
""",
        ("0.5", "0.25"),
    ),
    "layers in a plain list": (
        """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.bends = nn.Linear(784, 10), [nn.ReLU()]
    def forward(self, images):
        return self.bends[0](self.layer(images.flatten(1)))

MODEL = Net
""",
        ("nn.ReLU()", "nn.Tanh()"),
    ),
}
PAIR = """
PAIRS = {"own": Pair(
    "own", MODEL, "mnist5k", Normalisation((0.0,), (1.0,)), ".*weight",
    Recipe(epochs=1, learning_rate=0.1),
)}
"""


@pytest.mark.parametrize("way", MODELS)
def test_a_model_counts_however_it_is_made(tmp_path, way) -> None:
    text, (old, new) = MODELS[way]

    def hashed(files: dict[str, str]) -> str:
        pair = imported(tmp_path, files).PAIRS["own"]
        return pair_sha256(pair, pair.build())

    # The model's own text is a value of the registry alone, as in a plugin that makes it there.
    inline = text.rpartition("MODEL = ")
    for files in (
        {"plugin.py": HEAD + text + PAIR},
        {"plugin.py": HEAD + inline[0] + PAIR.replace("MODEL", inline[2].strip())},
        {
            "plugin.py": HEAD + "from networks import MODEL\n" + PAIR,
            "networks.py": HEAD + text,
        },
    ):
        first = hashed(files)
        assert hashed(files) == first
        name = "networks.py" if "networks.py" in files else "plugin.py"
        assert hashed(edited(files, (name, old, new))) != first
