"""Watches one interface until it is asked to stop, and writes the events down as lines: one trial of `live.py`.

python -m tests.bench.live_worker INTERFACE OUT PROCESSES
"""

from __future__ import annotations

import gc
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.encoding import encode
from collector.joint_watch import JointWatch
from collector.segments import parse_network
from collector.sources.tap import open_tap
from collector.spread_tap import SpreadTap
from collector.watch import LineWatch, new_pseudonyms
from tests.bench.through_kafka.cost import Meter, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.sources.tap import Tap

SECRET = b"a key of a benchmark, 32 octets."
NETWORK = """
schema: schoolgate/network/1
district: a benchmark
time_zone: UTC
schools:
- {id: all, segments: [{cidr: 10.0.0.0/8, group: all}]}
"""


def main() -> None:
    """Watch, and tell what came and what it cost."""
    interface, out, processes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    gc.freeze()
    with open_tap([interface], processes=processes, say=lambda _: None) as tap, out.open("wb") as lines:
        tap.start(confine=lambda: None)
        signal.signal(signal.SIGTERM, lambda *_: tap.stop())
        print("ready")
        sys.stdout.flush()
        meter, blocks = _joint(tap, lines.write) if isinstance(tap, SpreadTap) else _alone(tap, lines.write)
        cost = meter.read(packets=tap.packets, dropped=tap.dropped, blocks=blocks)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = children.ru_utime + children.ru_stime
    tell(replace(cost, cpu_s=cost.cpu_s + cpu_s, told={**cost.told, "readers_cpu_s": cpu_s}))


def _alone(tap: Tap[Any], write: Callable[[bytes], object]) -> tuple[Meter, int]:
    pseudonyms, _ring = new_pseudonyms(None, make_key=lambda: SECRET)
    watch = LineWatch(sensor="bench", network=None, pseudonyms=pseudonyms)
    blocks, meter = 0, None
    for block in tap:
        if block.count:
            meter = meter or Meter()
            blocks += 1
            write(watch.observe(block))
        write(watch.advance(tap.reached_ns))
    for portion in watch.finish():
        write(portion)
    assert meter is not None, "no packet came"
    return meter, blocks


def _joint(tap: SpreadTap, write: Callable[[bytes], object]) -> tuple[Meter, int]:
    network = parse_network(NETWORK, path="the network of the benchmark")
    pseudonyms, _ring = new_pseudonyms(network, make_key=lambda: SECRET)
    watch = JointWatch(tap, sensor="bench", network=network, pseudonyms=pseudonyms)
    portions, meter = 0, None
    for portion in tap:
        if portion.count:
            meter = meter or Meter()
            portions += 1
            write(b"".join(encode(event) + b"\n" for event in watch.observe(portion)))
    assert meter is not None, "no packet came"
    return meter, portions


if __name__ == "__main__":
    main()
