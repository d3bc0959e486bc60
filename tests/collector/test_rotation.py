"""A change of keys under load loses and double-counts no flow, and nothing joins the days of one device."""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from collector.events import FlowEvent
from collector.periods import NS, Periods
from collector.pseudonyms import KeyRing, Pseudonyms
from collector.watch import KEY_GRACE_NS, Watch
from tests.collector.frames_for_tests import ROUTER_MAC, block_of, ipv4, udp

MIDNIGHT_NS = int(datetime(2026, 10, 7, tzinfo=UTC).timestamp()) * NS
MIDNIGHT = "2026-10-07T00:00:00.000000Z"
DEVICES = 40
UDP = 17
MINUTE_NS = 60 * NS
PORTION = 1_000


def frames() -> list[tuple[bytes, int]]:
    """Return three hours around midnight: each device has one flow all the time, and a new one every half minute."""
    found = []
    for device in range(DEVICES):
        mac = bytes.fromhex("020000000000")[:-1] + bytes((device,))
        link = ROUTER_MAC + mac + struct.pack(">H", 0x0800)
        address = f"192.0.2.{device + 1}"
        for step in range(360):
            at = MIDNIGHT_NS - 90 * MINUTE_NS + step * MINUTE_NS // 2 + device * 1_000
            short = udp(41_000 + step, 9_999, payload=bytes(step))
            found.append((link + ipv4(short, UDP, source=address, target="198.51.100.20"), at))
            if step % 2 == 0:
                long = udp(40_000, 8_888, payload=bytes(device))
                found.append((link + ipv4(long, UDP, source=address, target="198.51.100.21"), at + 500))
    return sorted(found, key=lambda each: each[1])


def watched(*, zone: str, hours: int = 24) -> Iterator[FlowEvent]:
    """Return the events of a collector that destroys keys as time goes on, at full speed."""
    ring = KeyRing(lambda: os.urandom(32))
    pseudonyms = Pseudonyms(ring, periods=Periods(ZoneInfo(zone), hours=hours), site="lincoln")
    watch = Watch(sensor="tap", network=None, pseudonyms=pseudonyms)
    everything = frames()
    for at in range(0, len(everything), PORTION):
        portion = everything[at : at + PORTION]
        yield from watch.observe(block_of(portion))
        pseudonyms.forget_before(portion[-1][1] - KEY_GRACE_NS)
    for batch in watch.finish():
        yield from batch


@pytest.fixture(scope="module")
def rotated() -> list[FlowEvent]:
    return list(watched(zone="UTC"))


def test_no_flow_and_no_octet_is_lost_or_counted_twice(rotated: list[FlowEvent]) -> None:
    # In Tokyo it is half past seven in the morning: the same capture without a change of keys.
    steady = list(watched(zone="Asia/Tokyo"))
    hourly = list(watched(zone="UTC", hours=1))
    assert len({each.device for each in steady}) == DEVICES
    assert sum(each.part == 0 for each in steady) == DEVICES * 361
    for other in (rotated, hourly):
        assert [(e.id, e.part, e.bytes_up, e.packets_up, e.started_at) for e in other] == [
            (e.id, e.part, e.bytes_up, e.packets_up, e.started_at) for e in steady
        ]
    assert len({each.id for each in rotated}) == len(rotated)


def test_a_flow_belongs_to_the_period_in_which_it_began(rotated: list[FlowEvent]) -> None:
    straddling = [each for each in rotated if each.part == 0 and each.started_at < MIDNIGHT <= each.ended_at]
    before = {each.device for each in rotated if each.started_at < MIDNIGHT}
    assert all(each.device in before for each in straddling)
    assert len(before) == DEVICES


def test_no_pseudonym_is_seen_on_both_days(rotated: list[FlowEvent]) -> None:
    before = {each.device for each in rotated if each.started_at < MIDNIGHT}
    after = {each.device for each in rotated if each.started_at >= MIDNIGHT}
    assert not before & after
    # Each device, and each flow that began the day before.
    assert len(after) == 2 * DEVICES


def test_the_parts_of_a_long_flow_join_no_device_of_one_day_to_one_of_the_next(rotated: list[FlowEvent]) -> None:
    # Whoever reads events can put the parts of a long flow in a row: here the port of its server is enough.
    flows = defaultdict(set)
    for each in rotated:
        if each.started_at >= MIDNIGHT:
            flows[each.device].add((each.dst_port, each.part > 0))
    carried = [seen for seen in flows.values() if (8_888, True) in seen]
    assert len(carried) == DEVICES
    assert all(seen == {(8_888, True)} for seen in carried)
    others = [seen for seen in flows.values() if (9_999, False) in seen]
    assert len(others) == DEVICES
    assert not any((8_888, True) in seen for seen in others)
