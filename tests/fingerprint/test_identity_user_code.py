"""Every edit of a plugin and of what it imports counts, but for those that say nothing new."""

import pytest
from support.user_folders import FILES, Edit, edited, method_sha256

STALE: dict[str, list[Edit]] = {
    "a constant": [("plugin.py", "HALF = 0.5", "HALF = 0.25")],
    "the method": [("plugin.py", "+ shift(weight))", "- shift(weight))")],
    "a default": [("plugin.py", "power: float = 1.0", "power: float = 2.0")],
    "an error's type": [("plugin.py", "raise ValueError(", "raise OverflowError(")],
    "when an error is raised": [("plugin.py", "self.power < 0", "self.power < 1")],
    "the base class": [("bases.py", "return 1", "return -1")],
    "a helper": [("helper.py", "weight.abs() * factor", "weight.abs() + factor")],
    "a helper two imports away": [("deep.py", "math.sqrt(", "math.log(")],
    "a helper imported in a function": [("lazy.py", "weight.mean()", "weight.std()")],
    "a helper imported by its name": [("late.py", "2.0", "3.0")],
    "a file that is read": [("settings.json", "0.1", "0.2")],
    "a function of a package, under one alias": [("plugin.py", "import relu as", "import tanh as")],
    "a method of the package instead": [
        ("deep.py", "import math", "import cmath as math"),
    ],
    "what is computed for an error": [
        ("plugin.py", 'f"the power is {self.power}, below zero"', "bend(self.power)")
    ],
    "what an assertion's text computes": [
        (
            "plugin.py",
            "        found = {}\n",
            "        found = {}\n        assert HALF, bend(HALF)\n",
        )
    ],
    "what happens under a condition beside what is logged": [
        (
            "plugin.py",
            "        found = {}\n",
            "        found = {}\n        if HALF:\n            log.info('half')\n"
            "            found[''] = HALF\n",
        )
    ],
    "what a condition computes": [
        (
            "plugin.py",
            "        found = {}\n",
            "        found = {}\n        if bend(HALF):\n            pass\n",
        )
    ],
    "what is logged by a call": [
        ("plugin.py", "        found = {}\n", "        found = {}\n        log.info(bend(HALF))\n")
    ],
    "a call of something like a logger": [
        ("plugin.py", "        found = {}\n", "        found = {}\n        problem.info('x')\n")
    ],
    "a call of a logger that doesn't log": [
        ("plugin.py", "        found = {}\n", "        found = {}\n        log.setLevel(10)\n")
    ],
    "what happens where the file isn't the program": [
        (
            "plugin.py",
            "METHODS = {",
            "if __name__ == '__main__':\n    pass\nelse:\n    HALF = 2\nMETHODS = {",
        )
    ],
    "what happens under another name": [
        ("plugin.py", "METHODS = {", "if __name__ != '__main__':\n    HALF = 2\nMETHODS = {")
    ],
    "what happens at import": [
        ("helper.py", "from deep", "import torch\n\n\ntorch.seed()\nfrom deep")
    ],
    "the order of what happens at import": [
        ("deep.py", "import math\n", "import math\n\nx = []\nx.append(1)\nx.append(2)\n")
    ],
    "a function looked up by its name alone": [
        ("helper.py", "from deep", "def one(): return 1\nfrom deep")
    ],
}
CURRENT: dict[str, list[Edit]] = {
    "docstrings": [
        ("plugin.py", '"""A method of somebody\'s."""', ""),
        ("plugin.py", '"""The scores."""', '"""Scores.\n\n        Of weights.\n        """'),
    ],
    "comments and layout": [("plugin.py", "HALF = 0.5  # of everything", "HALF = (\n    0.5\n)")],
    "an error's text": [("plugin.py", "the power is {self.power}, below zero", "no {self.power}!")],
    "an error's text by other means": [
        ("plugin.py", 'f"the power is {self.power}, below zero"', '"no power %s" % self.power'),
    ],
    "a text that is logged": [("plugin.py", '"scoring %s"', '"now scoring %s with care"')],
    "another thing that is logged": [
        ("plugin.py", "        found = {}\n", '        found = {}\n        log.debug("begun")\n'),
    ],
    "what is logged under a condition": [
        (
            "plugin.py",
            "        found = {}\n",
            "        found = {}\n        if HALF:\n            log.debug('half')\n"
            "        else:\n            print('whole')\n",
        ),
    ],
    "a warning": [
        (
            "plugin.py",
            "        found = {}\n",
            "        import warnings\n\n        found = {}\n        warnings.warn('careful')\n",
        ),
    ],
    "the text of an assertion": [
        ("plugin.py", 'assert problem, "a problem"', 'assert problem, u"none of %s" % self')
    ],
    "how a text is written": [("plugin.py", 'word = "a word"', "word = u'a word'")],
    "an import of all names": [
        (
            "plugin.py",
            "from helper import scaled as scaled_by_the_helper",
            "from late import *\nfrom helper import *",
        ),
        ("plugin.py", "scaled_by_the_helper(", "scaled("),
    ],
    "an import in another way": [
        ("plugin.py", "from torch.nn.functional import relu as bend", "import torch.nn as n"),
        ("plugin.py", "bend(", "n.functional.relu("),
    ],
    "another alias of a helper": [
        ("plugin.py", "from helper import scaled as scaled_by_the_helper", "import helper as h"),
        ("plugin.py", "scaled_by_the_helper(", "h.scaled("),
    ],
    "another method of the same file": [("plugin.py", "-weight for", "weight for")],
    "a new method": [
        (
            "plugin.py",
            "METHODS = {",
            "class New(Own):\n    power = 7.0\n\n\nMETHODS = {'new': New, ",
        ),
    ],
    "a function moved to another file": [
        ("lazy.py", "def shift(weight):\n    return weight.mean()\n", "from late import shift\n"),
        ("late.py", "FACTOR", "def shift(weight):\n    return weight.mean()\n\n\nFACTOR"),
    ],
    "a class moved to another file": [
        ("bases.py", "class Ranked(Method):\n    def sign(self):\n        return 1\n", ""),
        ("plugin.py", 'bases.Ranked):\n    """', 'Ranked):\n    """'),
        ("plugin.py", "bases.Ranked):\n    def", "Ranked):\n    def"),
        ("plugin.py", "import bases\n", "from helper import Ranked\n"),
        (
            "helper.py",
            "from deep",
            "from bases import Method\n\n\nclass Ranked(Method):\n    def sign(self):\n"
            "        return 1\n\n\nfrom deep",
        ),
    ],
    "what runs as a program only": [
        ("plugin.py", "METHODS = {", "if __name__ == '__main__':\n    print(Own)\nMETHODS = {"),
    ],
}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return method_sha256(tmp_path_factory.mktemp("base"), FILES)


@pytest.mark.parametrize("what", STALE)
def test_an_edit_makes_records_stale(tmp_path, base, what) -> None:
    assert method_sha256(tmp_path, edited(FILES, *STALE[what])) != base


def test_the_order_of_what_happens_at_import_counts(tmp_path) -> None:
    (edit,) = STALE["the order of what happens at import"]
    one = edited(FILES, edit)
    other = edited(one, ("deep.py", "x.append(1)\nx.append(2)", "x.append(2)\nx.append(1)"))
    assert method_sha256(tmp_path, one) != method_sha256(tmp_path, other)


@pytest.mark.parametrize("what", CURRENT)
def test_an_edit_leaves_records_current(tmp_path, base, what) -> None:
    assert method_sha256(tmp_path, edited(FILES, *CURRENT[what])) == base


def test_the_other_method_of_a_file_has_a_hash_of_its_own(tmp_path, base) -> None:
    other = method_sha256(tmp_path, FILES, method="other")
    changed = edited(FILES, ("plugin.py", "-weight for", "weight for"))
    assert other != base
    assert method_sha256(tmp_path, changed, method="other") != other


def test_a_file_may_be_renamed(tmp_path, base) -> None:
    files = edited(
        FILES,
        ("plugin.py", "from helper import", "from things import"),
        ("helper.py", "from deep", "from depths"),
    )
    names = {"helper.py": "things.py", "deep.py": "depths.py", "plugin.py": "renamed.v2.py"}
    renamed = {names.get(name, name): content for name, content in files.items()}
    assert method_sha256(tmp_path, renamed, "renamed.v2.py") == base


def test_a_package_imports_from_itself(tmp_path, base) -> None:
    files = edited(
        FILES,
        ("plugin.py", "import bases\n", "from . import bases\n"),
        ("plugin.py", "from helper import", "from .helper import"),
        ("plugin.py", "from lazy import", "from ..outer.lazy import"),
        ("helper.py", "from deep", "from package.outer.deep"),
    )
    outer = ("lazy.py", "deep.py")
    files = {
        f"package/{'outer' if name in outer else 'inner'}/{name}": content
        for name, content in files.items()
    }
    files |= {f"package/{folder}__init__.py": "" for folder in ("", "inner/", "outer/")}
    plugin = "package/inner/plugin.py"
    assert method_sha256(tmp_path, files, plugin) == base
    changed = edited(files, ("package/outer/deep.py", "math.sqrt(", "math.log("))
    assert method_sha256(tmp_path, changed, plugin) != base
    changed = files | {"package/outer/__init__.py": "import torch\ntorch.seed()\n"}
    assert method_sha256(tmp_path, changed, plugin) != base
    reading = files | {"package/__init__.py": "def settings():\n    return open('own.json')\n"}
    hashes = {
        method_sha256(tmp_path, reading | {"package/own.json": content}, plugin)
        for content in ("1", "2")
    }
    assert len(hashes) == 2
