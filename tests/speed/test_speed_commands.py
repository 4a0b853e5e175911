"""How quickly the command line answers what needs no computing, beside loading PyTorch once."""

import subprocess
import sys

import pytest
from support.ratios import least_ratio

pytestmark = [pytest.mark.speed, pytest.mark.timeout(600)]


def started(*arguments: str) -> None:
    """Run Python with these arguments to its end."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["list", "studies"]])
def test_help_and_lists_take_a_third_of_loading_torch(benchmark, words) -> None:
    ratio = least_ratio(
        benchmark,
        lambda: started("-m", "bench", *words),
        lambda: started("-c", "import torch"),
    )
    assert ratio < 0.33
