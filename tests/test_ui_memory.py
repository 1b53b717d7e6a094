"""What threads have freed goes back to the system."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from askpapers.ui import memory


def resident_mib() -> float:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked")
def test_freed_memory_is_given_back(monkeypatch):
    monkeypatch.setattr(memory, "_last", -60.0)
    with ThreadPoolExecutor(4) as pool:  # small pieces, with one kept at the end of each pool
        kept = list(pool.map(lambda _: [b"x" * 60_000 for _ in range(1000)], range(4)))
    full = resident_mib()
    ends = [pieces[-1] for pieces in kept]
    del kept
    assert memory.give_back_memory()
    assert resident_mib() < full - 100
    assert len(ends) == 4


def test_it_is_not_asked_too_often(monkeypatch):
    monkeypatch.setattr(memory, "_last", -60.0)
    memory.give_back_memory()
    assert not memory.give_back_memory()
