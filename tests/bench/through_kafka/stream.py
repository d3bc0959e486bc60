"""A stream of flow events as a district gives it: the bundled sample day, over and over with other devices."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "rules" / "sample"

Pair = tuple[bytes, bytes]
"""Key and value, as they lie in the topic."""


def sample_day() -> list[dict[str, Any]]:
    """Return the events of the sample day as `schoolgate flows` writes them."""
    words = ["flows", str(SAMPLE / "day.pcap.gz"), "--network", str(SAMPLE / "network.yaml")]
    made = subprocess.run([sys.executable, "-m", "schoolgate", *words], capture_output=True, check=True, cwd=ROOT)
    return [json.loads(line) for line in made.stdout.splitlines()]


def grown(events: int) -> list[Pair]:
    """Return that many events: the sample day on as many devices as it takes, in the order in which flows end.

    Each copy of the day has devices and ids of its own; what is visited, when, and how much it weighs is that of the
    sample, so a device brings as many findings here as there.
    """
    day = sample_day()
    found: list[dict[str, Any]] = []
    for copy in count():
        for event in day:
            if len(found) == events:
                found.sort(key=lambda each: (each["ended_at"], each["id"]))
                return [(each["device"].encode(), _line(each)) for each in found]
            found.append(event | {"id": _other(event["id"], copy=copy), "device": _other(event["device"], copy=copy)})
    raise AssertionError


def _other(name: str, *, copy: int) -> str:
    return blake2b(f"{name}/{copy}".encode(), digest_size=len(name) // 2).hexdigest()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
