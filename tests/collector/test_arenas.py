"""Objects that lie in huge pages are the same objects, and the memory of those that are gone goes back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from collector.flows import COMPILED

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Objects come and go before and after, so that pieces taken in either way are given back in the new one.
GROWING = """
import json, sys
from collector.flow_slots import use_huge_pages

def told(word):
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(word))

before = [bytes(440) + str(number).encode() for number in range(20_000)]
use_huge_pages()
behind = [bytes(440) + str(number).encode() for number in range(40_000)]
huge, full = told("AnonHugePages:"), told("Rss:")
right = before[0::7] == behind[: 20_000 : 7] and len(set(behind)) == 40_000
del before, behind
json.dump([right, huge, full, told("Rss:")], sys.stdout)
"""


@pytest.mark.skipif(not SETTING.exists() or "[never]" in SETTING.read_text(), reason="this kernel has no huge pages")
@pytest.mark.skipif(not COMPILED, reason="uncompiled code leaves memory where it is")
def test_objects_lie_in_huge_pages_and_their_memory_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", GROWING], check=True, capture_output=True, text=True)
    right, huge, full, left = json.loads(done.stdout)
    assert right
    assert huge >= 10_000, "kilobytes of the twenty thousand that were taken"
    assert left < full - 20_000
