"""The captures of a round, cut from the bundled sample day and made dense, and the events that they must give."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

from tests.chaos.plan import Cut
from tests.system.product import CAPTURE, command

SPEED = 1000
"""The fastest replay that the configuration allows: a capture is made so dense that it lasts seconds."""
HEADER_OCTETS = 24
RECORD = struct.Struct("<IIII")
DAY_S = 86_400
MICROSECONDS = 1_000_000
# What of an event is the same however often it is read; pseudonyms rest on a key, names on what may be released.
FACTS = (
    "id", "sensor", "started_at", "ended_at", "proto", "dst_port", "school", "group", "bytes_up", "bytes_down",
    "packets_up", "packets_down", "app", "end", "part",
)  # fmt: skip
VERB_LIMIT_S = 120


class Material:
    """Captures and what they give, each made but once."""

    def __init__(self, folder: Path, *, network: Path) -> None:
        self._folder = folder
        self._network = network
        self._events: dict[tuple[Path, str], list[dict[str, Any]]] = {}
        self._day = gzip.decompress(CAPTURE.read_bytes())

    def capture(self, cut: Cut) -> Path:
        """Return the file of *cut*."""
        name = f"cut-{cut.first:.2f}-{cut.last:.2f}-{cut.lasts_s:.0f}s-{cut.days}d.pcap"
        path = self._folder / name
        if not path.exists():
            path.write_bytes(dense(self._day, cut=cut))
        return path

    def events(self, cut: Cut, *, sensor: str) -> list[dict[str, Any]]:
        """Return the facts of each event that *cut* gives, in order."""
        key = (self.capture(cut), sensor)
        if key not in self._events:
            made = subprocess.run(
                command("flows", key[0], "--network", self._network, "--sensor", sensor),
                capture_output=True, check=True, timeout=VERB_LIMIT_S,
            )  # fmt: skip
            self._events[key] = [facts(json.loads(line)) for line in made.stdout.splitlines()]
        return self._events[key]

    def frames(self, cut: Cut) -> list[bytes]:
        """Return the frames of *cut*, to be sent to a tap."""
        return [frame for _at, _sent, frame in _records(self.capture(cut).read_bytes())]


def facts(event: dict[str, Any]) -> dict[str, Any]:
    """Return what of *event* is the same however often it is read."""
    return {name: event.get(name) for name in FACTS}


def dense(day: bytes, *, cut: Cut) -> bytes:
    """Return a part of a capture, its times so close together that a replay at SPEED lasts as long as it should."""
    found = list(_records(day))
    part = found[int(cut.first * len(found)) : int(cut.last * len(found))]
    begin, end = part[0][0], part[-1][0]
    shrink = cut.lasts_s * SPEED * MICROSECONDS / (end - begin)
    made = [day[:HEADER_OCTETS]]
    for at, sent, frame in part:
        moved = begin + int((at - begin) * shrink) - cut.days * DAY_S * MICROSECONDS
        made += [RECORD.pack(moved // MICROSECONDS, moved % MICROSECONDS, len(frame), sent), frame]
    return b"".join(made)


def _records(octets: bytes) -> list[tuple[int, int, bytes]]:
    """Return of each frame its time (microseconds since the epoch), its length on the wire and what was kept of it."""
    found = []
    at = HEADER_OCTETS
    while at < len(octets):
        seconds, fraction, caught, sent = RECORD.unpack_from(octets, at)
        at += RECORD.size
        found.append((seconds * MICROSECONDS + fraction, sent, octets[at : at + caught]))
        at += caught
    return found
