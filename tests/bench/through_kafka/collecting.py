"""Worker: flow events through filler, spool and idempotent producer to the broker, until all are acknowledged.

The product's own parts, except that the events are made beforehand: what is measured is the way to the broker, and
not the dissection of packets. `make bench` measures that.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from collector.brokers import Connection
from collector.collect import Filler, FillHooks, NetworkFile
from collector.events import FlowEvent
from collector.kafka import Delivery, DeliveryHooks
from collector.spool import Spool
from tests.bench.through_kafka.cost import Meter, tell
from tests.bench.through_kafka.stream import SAMPLE

if TYPE_CHECKING:
    from collector.segments import Network

SPOOL_BYTES = 1 << 30
# Events that a meter hands over at once: a block of frames of a busy tap.
AT_ONCE = 100


class Made:
    """A capture whose events are there already."""

    def __init__(self, events: Sequence[FlowEvent]) -> None:
        self.name = "made beforehand"
        self.sha256 = "0" * 64
        self._events = events

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield the events in portions."""
        for at in range(0, len(self._events), AT_ONCE):
            yield self._events[at : at + AT_ONCE]

    def use_network(self, network: Network) -> None:
        """Nothing: the events have their places."""


def main() -> None:
    """Read events from a file, send them, and tell the cost.

    Arguments: HOST:PORT, the file of events (JSON Lines), a folder for the spool, the topic, the collector's name, and
    `at-once` or `after-outage`: then everything is in the spool before the first record is sent.
    """
    bootstrap, lines, folder, topic, name, when = sys.argv[1:]
    decoder = msgspec.json.Decoder(FlowEvent)
    source = Made([decoder.decode(line) for line in Path(lines).read_bytes().splitlines()])
    to = Connection(bootstrap=(bootstrap,), user=None, client={"security_protocol": "PLAINTEXT"})
    delivered: list[int] = []
    said: list[str] = []
    meter = Meter()
    with Spool(Path(folder) / f"{name}.db", max_bytes=SPOOL_BYTES, when_full="stop", origin=1) as spool:
        hooks = DeliveryHooks(say=said.append, delivered=delivered.append)
        delivery = Delivery(spool, to=to, collector=name, hooks=hooks, topic=topic)
        filler = Filler(
            spool,
            stop=threading.Event(),
            network=NetworkFile(SAMPLE / "network.yaml"),
            hooks=FillHooks(say=said.append, before_append=lambda: None),
        )
        if when == "after-outage":
            filler.take(source)
            meter = Meter()
        asyncio.run(_both(filler, source=source, delivery=delivery))
        tell(meter.read(delivered=sum(delivered), left=spool.events, said=said))


async def _both(filler: Filler, *, source: Made, delivery: Delivery) -> None:
    sending = asyncio.create_task(delivery.run())
    # A capture that is in the spool as a whole is skipped here.
    await asyncio.to_thread(filler.take, source)
    delivery.finish()
    await sending


if __name__ == "__main__":
    main()
