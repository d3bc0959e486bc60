"""A flood of new flows that never ends: memory stays where it was, evictions are counted, no octet is lost."""

from __future__ import annotations

import json
import tracemalloc
from zoneinfo import ZoneInfo

from collector.devices import Devices
from collector.flows import FlowTable
from collector.frames import FrameBlock
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening import Openings
from collector.periods import Periods
from collector.pseudonyms import KeyRing, Pseudonyms
from tests.bench.hellos import made_random
from tests.bench.traffic import flood

CAPACITY = 1_024
PORTION = 4 * CAPACITY
START_NS = 1_717_000_000_000_000_000
SYN_OCTETS = 40
# What Python itself keeps in hand from one moment to the next.
SLACK_OCTETS = 32_768


def test_memory_grows_no_further_however_long_a_flood_lasts_and_every_octet_is_told() -> None:
    periods = Periods(ZoneInfo("UTC"))
    devices, names = Devices(periods), DnsMemory()
    pseudonyms = Pseudonyms(KeyRing(lambda: b"a key of a test, of 32 octets..."), periods=periods, site="")
    meter = Meter(sensor="test", network=None, pseudonyms=pseudonyms, devices=devices, names=names)
    table = FlowTable(Openings(names, device_key=devices.key), seed=1, capacity=CAPACITY, taker=meter.write)
    frames = flood(made_random(1), packets=8 * PORTION)
    block = FrameBlock()
    octets = events = 0
    used: list[int] = []
    tracemalloc.start()
    try:
        for _ in range(8):
            portion = [next(frames) for _ in range(PORTION)]
            view = memoryview(b"".join(frame for _, frame in portion))
            for first in range(0, PORTION, CAPACITY):
                block.clear(view)
                for row in range(first, first + CAPACITY):
                    at, frame = portion[row]
                    block.add(row * len(frame), len(frame), len(frame), START_NS + int(at * 1e9), 1)
                table.observe(block)
            octets, events = tally(meter, octets, events)
            block.clear(memoryview(b""))
            del portion, view, frame
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert table.evicted == 8 * PORTION - CAPACITY
    while table.finish_some(CAPACITY):
        pass
    assert tally(meter, octets, events) == (8 * PORTION * SYN_OCTETS, 8 * PORTION)
    # After three of them all devices are known, which are 3,000.
    assert max(used[3:]) - used[2] < SLACK_OCTETS


def tally(meter: Meter, octets: int, events: int) -> tuple[int, int]:
    """Add what was written to the octets and events so far."""
    for line in meter.written().splitlines():
        event = json.loads(line)
        octets += event["bytes_up"] + event["bytes_down"]
        events += 1
    return octets, events
