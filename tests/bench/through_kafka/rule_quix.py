"""Worker: the rule in Quix Streams, written as its documentation writes such an application."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from quixstreams import Application  # type: ignore[import-not-found]  # lives in the peers' own environment

from tests.bench.through_kafka.cost import Meter, tell
from tests.bench.through_kafka.rule import finding, table


def main() -> None:
    """Apply the rule to every event.

    Arguments: HOST:PORT, topic, run, table, number of events, records in all, and `at-least-once` or `exactly-once`.
    """
    bootstrap, topic, run, path, events, records, guarantee = sys.argv[1:]
    hosts = table(path)
    seen = came = 0

    def judged(value: bytes) -> dict[str, object] | None:
        nonlocal seen, came
        came += 1
        if came == int(records):
            app.stop()
        event = json.loads(value)
        if "server_name" not in event:  # a control record
            return None
        seen += 1
        octets = event["bytes_up"] + event["bytes_down"]
        return finding(event["server_name"], event_id=event["id"], octets=octets, hosts=hosts)

    meter = Meter()
    app = Application(
        broker_address=bootstrap, consumer_group=run, auto_offset_reset="earliest", loglevel=None,
        auto_create_topics=False, use_changelog_topics=False, processing_guarantee=guarantee,
        state_dir=str(Path(path).parent / run),
    )  # fmt: skip
    source = app.topic(topic, value_deserializer="bytes")
    sink = app.topic(f"{run}.findings", value_serializer="json")
    stream = app.dataframe(source).apply(judged).filter(lambda found: found is not None)
    stream.to_topic(sink, key=lambda found: found["agreement"])
    app.run()
    assert seen == int(events), seen
    tell(meter.read(events=seen))


if __name__ == "__main__":
    main()
