"""Worker: the rule in FastStream on aiokafka, written as its documentation writes such an application."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from faststream import FastStream  # type: ignore[import-not-found]  # lives in the peers' own environment
from faststream.kafka import KafkaBroker  # type: ignore[import-not-found]

from tests.bench.through_kafka.cost import Meter, tell
from tests.bench.through_kafka.rule import finding, table


def main() -> None:
    """Apply the rule to every event. Arguments: HOST:PORT, topic, run, table, number of events, records in all."""
    bootstrap, topic, run, path, events, records = sys.argv[1:]
    hosts = table(path)
    seen = came = 0
    meter = Meter()
    broker = KafkaBroker(bootstrap, logger=None)
    app = FastStream(broker, logger=None)
    publisher = broker.publisher(f"{run}.findings")

    @broker.subscriber(topic, group_id=run, auto_offset_reset="earliest")  # type: ignore[untyped-decorator]
    async def judged(event: dict[str, Any]) -> None:
        nonlocal seen, came
        if "server_name" in event:
            seen += 1
            octets = event["bytes_up"] + event["bytes_down"]
            found = finding(event["server_name"], event_id=event["id"], octets=octets, hosts=hosts)
            if found is not None:
                # Without waiting for each acknowledgement: waiting would cost it more.
                await publisher.publish(found, key=found["agreement"].encode(), no_confirm=True)
        came += 1
        if came == int(records):
            app.exit()

    asyncio.run(app.run())
    assert seen == int(events), seen
    tell(meter.read(events=seen))


if __name__ == "__main__":
    main()
