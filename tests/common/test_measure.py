"""The clock and the memory gauge around a block."""

import os
import time

import pytest
import torch

from bench.common.machine import measure
from bench.common.machine.measure import measured

CPU = torch.device("cpu")


def test_seconds_are_those_of_the_block_also_where_it_fails() -> None:
    with measured(CPU) as cost:
        time.sleep(0.05)
        assert cost.seconds == 0.0
    assert 0.05 <= cost.seconds < 5
    with pytest.raises(KeyError), measured(CPU) as cost:
        time.sleep(0.05)
        raise KeyError
    assert 0.05 <= cost.seconds < 5


def test_the_peak_is_what_the_block_held_beyond_what_was_there() -> None:
    before = torch.ones(2**23)  # 32 MiB that are no part of it
    with measured(CPU) as cost:
        torch.ones(2**24)  # 64 MiB, gone again
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this platform has no gauge of memory that can be set back")
    assert 60 * 2**20 < cost.peak_bytes < 90 * 2**20
    assert cost.peak_bytes % os.sysconf("SC_PAGE_SIZE") == 0
    with measured(CPU) as less:
        pass
    assert 0 <= less.peak_bytes < 20 * 2**20
    assert before.sum() == 2**23


def test_where_there_is_no_gauge_memory_is_unknown(monkeypatch) -> None:
    monkeypatch.setattr(measure, "_status", lambda field: None)
    with measured(CPU) as cost:
        pass
    assert cost.peak_bytes is None


class Gauge:
    """A GPU's memory, as torch tells of it."""

    def __init__(self) -> None:
        self.now, self.peak, self.calls = 100, 900, []

    def reset(self, device: torch.device) -> None:
        self.calls.append("reset")
        self.peak = self.now

    def synchronise(self, device: torch.device) -> None:
        self.calls.append("synchronise")


def test_on_a_gpu_its_own_gauge_is_read_and_it_is_waited_for(monkeypatch) -> None:
    gauge = Gauge()
    monkeypatch.setattr(torch.cuda, "synchronize", gauge.synchronise)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", gauge.reset)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: gauge.now)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: gauge.peak)
    with measured(torch.device("cuda")) as cost:
        assert gauge.calls == ["reset", "synchronise"]
        gauge.peak = 350
    assert gauge.calls == ["reset", "synchronise", "synchronise"]
    assert cost.peak_bytes == 250
