"""Keys are destroyed when their time is over, whether anything passes by or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.collect import NetworkFile
from collector.frames import FrameBlock
from collector.keyfile import KeyFile, load_keys, save_keys
from collector.live_input import SHOW_EVERY_S
from collector.periods import NAME
from schoolgate.collect import Collector
from schoolgate.configuration import configuration_at
from schoolgate.configured import rulebook_files
from schoolgate.embedded import Embedded
from schoolgate.listed import ListedFiles
from tests.system.product import configure, copy_district, free_port

NS = 1_000_000_000
HOUR_NS = 3_600 * NS


class QuietTap:
    """Interfaces on which nothing comes: only time passes."""

    packets = 0
    processes = 1
    fault = ""
    dropped = 0
    ring_octets = 0
    rings_grown = 0

    def __init__(self, reached: list[int]) -> None:
        self._reached = reached
        self.reached_ns = 0
        self._pause = threading.Event()

    def __iter__(self) -> Iterator[FrameBlock]:
        block = FrameBlock(capacity=1)
        for reached in self._reached:
            self.reached_ns = reached
            self._pause.wait(SHOW_EVERY_S + 0.1)
            yield block
        yield block

    def stop(self) -> None:
        self._pause.set()


def name_of(when: datetime, zone: object) -> str:
    local = when.astimezone(zone)  # type: ignore[arg-type]
    return local.replace(hour=0).strftime(NAME)


@pytest.fixture
def district(tmp_path: Path) -> Path:
    return copy_district(tmp_path)


def keys_after_quiet_nights(district: Path, *, verb: str) -> tuple[set[str], set[str], str, str]:
    """Run *verb* on a tap without a packet, beside another that dies and leaves keys of a past day.

    Returns:
        The keys after the start, those two days later, the name of today's, and that of the other's key of tokens.
    """
    configure(district)
    network = NetworkFile(district / "network.yaml")
    zone = network.network.time_zone
    now = datetime.now(UTC)
    today = name_of(now, zone)
    old = name_of(now - timedelta(days=5), zone)
    save_keys(district / "keys", {today: b"\1" * 32, old: b"\2" * 32})
    now_ns = int(now.timestamp()) * NS
    seen: list[set[str]] = []

    class Tap(QuietTap):
        def __iter__(self) -> Iterator[FrameBlock]:
            seen.append(set(load_keys(district / "keys")))
            # Another that shares the file agrees on keys of a past day, and is heard of no more.
            for name in (old, f"token/{old[:10]}", today):
                KeyFile(district / "keys").agree(name, b"\3" * 32)
            yield from super().__iter__()

    follow_on(Tap([now_ns, now_ns + 50 * HOUR_NS]), district=district, verb=verb)
    return seen[0], set(json.loads((district / "keys").read_text(encoding="ascii"))), today, f"token/{old[:10]}"


def follow_on(tap: QuietTap, *, district: Path, verb: str) -> None:
    """Let *verb* read *tap* to its end."""
    settings = configuration_at(district / "config.yaml")
    network = NetworkFile(district / "network.yaml")
    if verb == "collect":
        listed = ListedFiles(rulebook_files(settings, folder=district))
        with Collector(settings, folder=district, network=network, listed=listed, listen=None) as collector:
            collector._fill(tap)  # type: ignore[arg-type]  # a tap in all that is asked of it
    else:
        with Embedded(settings, folder=district, listen=f"127.0.0.1:{free_port()}") as service:
            service.follow(tap)  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", ["collect", "run"])
def test_a_tap_without_a_packet_destroys_old_keys_at_start_and_todays_when_its_day_is_over(
    district: Path, verb: str
) -> None:
    at_start, later, today, tokens = keys_after_quiet_nights(district, verb=verb)
    assert at_start == {today}
    # Tokens in findings are of `run` alone: a collector beside it leaves their keys to it.
    assert later == ({tokens} if verb == "collect" else set())
