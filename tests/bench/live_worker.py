"""Watches one interface until it is asked to stop, and writes the events down as lines: one trial of `live.py`."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

from collector.sources.tap import open_tap
from collector.watch import LineWatch, new_pseudonyms
from tests.bench.through_kafka.cost import Meter, tell

SECRET = b"a key of a benchmark, 32 octets."


def main() -> None:
    """Watch, and tell what came and what it cost."""
    interface, out = sys.argv[1], Path(sys.argv[2])
    gc.freeze()
    pseudonyms, _ring = new_pseudonyms(None, make_key=lambda: SECRET)
    watch = LineWatch(sensor="bench", network=None, pseudonyms=pseudonyms)
    blocks = 0
    with open_tap([interface], say=lambda _: None) as tap, out.open("wb") as lines:
        signal.signal(signal.SIGTERM, lambda *_: tap.stop())
        print("ready")
        sys.stdout.flush()
        meter = None
        for block in tap:
            if block.count:
                meter = meter or Meter()
                blocks += 1
                lines.write(watch.observe(block))
            lines.write(watch.advance(tap.reached_ns))
        for portion in watch.finish():
            lines.write(portion)
        assert meter is not None, "no packet came"
        tell(meter.read(packets=tap.packets, dropped=tap.dropped, blocks=blocks))


if __name__ == "__main__":
    main()
