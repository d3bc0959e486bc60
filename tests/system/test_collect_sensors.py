"""Logs of another sensor through `collect` to a broker: as they grow, over a restart, each event once."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.collector.sensor_lines import AT, eve_flow, eve_tls
from tests.parts.broker import Broker
from tests.parts.verb_program import VerbProgram
from tests.system.product import configure, copy_district, free_port, scrape, until
from tests.system.topic_reader import events, make_topic, records, with_kafka

pytestmark = pytest.mark.kafka


def write(log: Path, numbers: range) -> None:
    rows = [row for each in numbers for row in (eve_tls(flow_id=each), eve_flow(flow_id=each, at=AT + each / 10))]
    with log.open("ab") as file:
        file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def test_a_log_that_is_not_there_yet_is_followed_and_arrives_whole_and_once_over_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    district = copy_district(tmp_path / "district")
    make_topic(broker.bootstrap)
    config = with_kafka(configure(district), sensor="eve-tap", kafka=f'{{bootstrap: ["{broker.bootstrap}"]}}')
    source = "source: {suricata: eve.json}"
    rows = [source if row.startswith("source:") else row for row in config.read_text(encoding="utf-8").splitlines()]
    config.write_text("\n".join(rows) + "\n", encoding="utf-8")
    for part in range(2):
        # The second time half of it was written while nobody read.
        if part:
            write(district / "eve.json", range(100, 150))
        log = tmp_path / f"collect{part}.log"
        listen = f"127.0.0.1:{free_port()}"
        program = VerbProgram(("collect", "--config", config, "--metrics", listen), log=log)
        try:
            if not part:
                until(lambda: "is not there yet" in log.read_text(encoding="utf-8"), what="it to be missed")  # noqa: B023
            write(district / "eve.json", range(150, 200) if part else range(100))
            until(lambda: delivered(listen) >= 100, what=f"100 events ({log})")  # noqa: B023
            program.signal(signal.SIGTERM)
            until(lambda: not program.alive, what="the end of collect")  # noqa: B023
        finally:
            program.kill()
    found = arrived(broker)
    assert len(found) == len(set(found)) == 200
    assert (district / "places.json").exists()


def delivered(listen: str) -> float:
    """Return how many events the broker has acknowledged to the process that serves its metrics at *listen*."""
    try:
        found = re.search(r"^schoolgate_events_delivered_total ([0-9.e+]+)$", scrape(listen), re.MULTILINE)
    except OSError:
        return 0
    assert found is not None
    return float(found[1])


def arrived(broker: Broker) -> list[str]:
    return [event["id"] for event in events(records(broker.bootstrap, collector="eve-tap")).values()]
