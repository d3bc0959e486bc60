"""Captures through the spool to a real broker: everything arrives, whatever dies on the way."""

from __future__ import annotations

import gzip
import json
import re
import resource
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.spool import Spool
from tests.chaos.material import dense
from tests.chaos.plan import Cut
from tests.parts.broker import KafkaBroker
from tests.parts.kafka_jars import KafkaJars
from tests.parts.patience import PATIENCE_S
from tests.parts.secure_broker import SecureBroker
from tests.parts.verb_program import VerbProgram
from tests.system.product import UNLISTED, configure, free_port, schoolgate, scrape, until
from tests.system.topic_reader import Record, events, make_topic, records, with_kafka

pytestmark = pytest.mark.kafka

# The sample day lasts over 15 hours: at the first speed half a minute, at the second longer than any test.
SLOWLY = 2000
FOR_LONG = 50


@pytest.fixture
def own_broker(mortal_broker: KafkaBroker) -> KafkaBroker:
    """A broker with an empty topic of flows."""
    make_topic(mortal_broker.bootstrap)
    return mortal_broker


@pytest.fixture
def sensor() -> str:
    return f"tap-{uuid.uuid4().hex[:8]}"


class Collect:
    """A `schoolgate collect` in the background."""

    def __init__(self, config: Path) -> None:
        self.listen = f"127.0.0.1:{free_port()}"
        self._log = config.with_name("collect.log")
        self.program = VerbProgram(("collect", "--config", config, "--metrics", self.listen), log=self._log)

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} ([0-9.e+]+)$", scrape(self.listen), re.MULTILINE)
        assert found is not None
        return float(found[1])

    def delivered(self) -> float:
        try:
            return self.metric("schoolgate_events_delivered_total")
        except OSError:
            return 0.0


@pytest.fixture
def start() -> Iterator[Callable[[Path], Collect]]:
    """Start collectors that are ended with the test, whatever becomes of it."""
    started: list[Collect] = []

    def begin(config: Path) -> Collect:
        started.append(Collect(config))
        return started[-1]

    yield begin
    for each in started:
        each.program.kill()


def plain(broker: KafkaBroker) -> str:
    return f'{{bootstrap: ["{broker.bootstrap}"]}}'


def expected(district: Path, *, sensor: str) -> list[dict[str, Any]]:
    """Return what `flows` makes of the capture, released, by id; pseudonyms differ from run to run."""
    run = schoolgate("flows", district / "day.pcap.gz", "--network", district / "network.yaml", "--sensor", sensor)
    assert run.returncode == 0, run.stderr
    return without_devices([released(json.loads(line)) for line in run.stdout.splitlines()])


def released(event: dict[str, Any]) -> dict[str, Any]:
    name = event["server_name"]
    if name not in UNLISTED:
        return event
    return {**event, "withheld": True, "server_name": UNLISTED[name], "dst_ip": None, "cnames": []}


def without_devices(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        ({name: value for name, value in event.items() if name != "device"} for event in found),
        key=lambda event: str(event["id"]),
    )


def assert_whole(found: list[Record], *, district: Path, sensor: str) -> None:
    """Every event is there under exactly one number, in order, and each partition ends with the end of the capture."""
    by_number = events(found)
    assert without_devices(list(by_number.values())) == expected(district, sensor=sensor)
    numbers = sorted(by_number)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for partition in range(12):
        part = [each for each in found if each.partition == partition]
        assert part[-1].headers["kind"] == b"watermark"
        assert part[-1].value["end"] is True
        assert set(part[-1].value) == {"collector", "through", "end"}
        assert part[-1].key is None
        assert all(each.value["ended_at"] <= part[-1].value["through"] for each in part if "seq" in each.headers)


def test_every_event_of_a_capture_arrives_once_and_the_capture_ends(
    own_broker: KafkaBroker, district: Path, sensor: str
) -> None:
    config = with_kafka(configure(district), sensor=sensor, kafka=plain(own_broker))
    run = schoolgate("collect", "--config", config)
    assert run.returncode == 0, run.stderr
    found = records(own_broker.bootstrap, collector=sensor)
    assert_whole(found, district=district, sensor=sensor)
    assert len(events(found)) == sum("seq" in each.headers for each in found)
    again = schoolgate("collect", "--config", config)
    assert again.returncode == 0
    assert "collected before" in again.stderr
    assert len(records(own_broker.bootstrap, collector=sensor)) == len(found)


def test_a_broker_that_dies_and_comes_back_gets_everything(
    mortal_broker: KafkaBroker, district: Path, sensor: str, start: Callable[[Path], Collect]
) -> None:
    make_topic(mortal_broker.bootstrap)
    config = with_kafka(configure(district, speed=SLOWLY), sensor=sensor, kafka=plain(mortal_broker))
    collect = start(config)
    until(lambda: collect.delivered() > 20, what="events at the broker")
    mortal_broker.kill()
    until(lambda: collect.metric("schoolgate_events_spooled") > 20, what="events in the spool")
    mortal_broker.restart()
    assert collect.program.wait(limit_s=PATIENCE_S) == 0, collect.said()
    assert_whole(records(mortal_broker.bootstrap, collector=sensor), district=district, sensor=sensor)


def test_a_collector_killed_again_and_again_loses_nothing(
    own_broker: KafkaBroker, district: Path, sensor: str, start: Callable[[Path], Collect]
) -> None:
    config = with_kafka(configure(district, speed=SLOWLY), sensor=sensor, kafka=plain(own_broker))
    before = 0
    for seconds in (0.0, 0.7, 1.9):
        collect = start(config)
        until(lambda: collect.delivered() > 5, what="events at the broker")  # noqa: B023 -- called within the round
        time.sleep(seconds)
        collect.program.kill()
        now = len(events(records(own_broker.bootstrap, collector=sensor)))
        assert now > before
        before = now
    configure(district)
    run = schoolgate("collect", "--config", with_kafka(config, sensor=sensor, kafka=plain(own_broker)))
    assert run.returncode == 0, run.stderr
    assert "going on from there" in run.stderr
    assert_whole(records(own_broker.bootstrap, collector=sensor), district=district, sensor=sensor)


def test_a_stop_while_the_broker_is_away_keeps_everything_for_the_next_start(
    own_broker: KafkaBroker, district: Path, sensor: str, start: Callable[[Path], Collect]
) -> None:
    nowhere = f'{{bootstrap: ["127.0.0.1:{free_port()}"]}}'
    collect = start(with_kafka(configure(district), sensor=sensor, kafka=nowhere))
    until(lambda: "cannot be reached" in collect.said(), what="the broker is missed")
    # All of the day lies in the spool before anybody asks it to stop.
    waiting = len(expected(district, sensor=sensor))
    until(lambda: collect.metric("schoolgate_events_spooled") == waiting, what="the whole day in the spool")
    collect.program.signal(signal.SIGTERM)
    assert collect.program.wait(limit_s=PATIENCE_S) == 0, collect.said()
    assert f"{waiting:,} events wait in the spool" in collect.said()
    run = schoolgate("collect", "--config", with_kafka(configure(district), sensor=sensor, kafka=plain(own_broker)))
    assert run.returncode == 0, run.stderr
    assert_whole(records(own_broker.bootstrap, collector=sensor), district=district, sensor=sensor)


def test_a_second_collect_on_one_spool_is_refused(
    own_broker: KafkaBroker, district: Path, sensor: str, start: Callable[[Path], Collect]
) -> None:
    config = with_kafka(configure(district, speed=FOR_LONG), sensor=sensor, kafka=plain(own_broker))
    first = start(config)
    until(lambda: first.delivered() > 0, what="events at the broker")
    second = schoolgate("collect", "--config", config, "--metrics", f"127.0.0.1:{free_port()}")
    assert second.returncode == 3
    assert "another process holds this spool" in second.stderr
    assert first.program.alive


def test_a_gap_reaches_the_topic_and_says_what_is_missing(own_broker: KafkaBroker, district: Path, sensor: str) -> None:
    config = with_kafka(configure(district), sensor=sensor, kafka=plain(own_broker), spool="{path: spool.db}")
    with Spool(district / "spool.db", max_bytes=1 << 20, origin=100) as spool:
        for _ in range(20):
            spool.append([(b"d", b'{"device":"d"}'.ljust(1000))] * 100)
        dropped = spool.dropped_events
    assert dropped > 500
    assert schoolgate("collect", "--config", config).returncode == 0
    gaps = [each for each in records(own_broker.bootstrap, collector=sensor) if each.headers.get("kind") == b"gap"]
    assert [each.value["events"] for each in gaps] == [dropped]
    assert gaps[0].value["from"] == 100
    assert gaps[0].value["to"] == 100 + dropped - 1
    assert gaps[0].value["octets"] > 1000 * dropped


def test_a_missing_topic_is_named(kafka_jars: KafkaJars, mortal_broker: KafkaBroker, district: Path) -> None:
    assert kafka_jars
    config = with_kafka(configure(district), sensor="tap", kafka=plain(mortal_broker))
    run = schoolgate("collect", "--config", config)
    assert run.returncode == 3
    assert "no topic schoolgate.flows; run `schoolgate kafka setup`" in run.stderr


@pytest.mark.parametrize(
    ("door", "password", "words"),
    [
        ("bootstrap", "wrong", "refuses user admin"),
        ("bootstrap_expired", None, "certificate has expired"),
        ("bootstrap_stranger", None, "self-signed certificate"),
    ],
)
def test_a_broker_that_refuses_us_is_asked_a_few_times_and_the_spool_is_kept(
    secure_broker: SecureBroker, district: Path, door: str, password: str | None, words: str
) -> None:
    (district / "password").write_text((password or secure_broker.admin.password) + "\n", encoding="utf-8")
    kafka = (
        f'{{bootstrap: ["{getattr(secure_broker, door)}"], security: {{protocol: SASL_SSL, '
        f"mechanism: SCRAM-SHA-512, user: admin, password: {{file: password}}, ca: {secure_broker.ca}}}}}"
    )
    run = schoolgate("collect", "--config", with_kafka(configure(district), sensor="tap", kafka=kafka))
    assert run.returncode == 3, run.stderr
    assert words in run.stderr
    assert run.stderr.count("trying again") == 4
    assert "Traceback" not in run.stderr
    assert "wrong" not in run.stderr
    with Spool(district / "spool.db", max_bytes=1 << 30, origin=0) as spool:
        assert spool.events == len(expected(district, sensor="tap"))


def test_the_right_password_and_authority_deliver(secure_broker: SecureBroker, district: Path, sensor: str) -> None:
    admin = secure_broker.admin
    (district / "password").write_text(admin.password, encoding="utf-8")
    kafka = (
        f'{{bootstrap: ["{secure_broker.bootstrap}"], security: {{protocol: SASL_SSL, user: admin, '
        f"password: {{file: password}}, ca: {secure_broker.ca}}}}}"
    )
    config = with_kafka(configure(district), sensor=sensor, kafka=kafka)
    setup = schoolgate("kafka", "setup", "--config", config)
    assert setup.returncode == 0, setup.stderr
    run = schoolgate("collect", "--config", config)
    assert run.returncode == 0, run.stderr


def test_a_password_file_that_is_not_there_is_wrong_input(district: Path) -> None:
    kafka = "{security: {protocol: SASL_SSL, user: tap, password: {file: nowhere}}}"
    run = schoolgate("collect", "--config", with_kafka(configure(district), sensor="tap", kafka=kafka))
    assert run.returncode == 2
    assert re.search(r"nowhere:1: the password file cannot be read .*; ", run.stderr)


def test_a_disk_that_takes_nothing_more_ends_it_in_one_sentence_and_the_next_start_goes_on(
    own_broker: KafkaBroker, district: Path, sensor: str, start: Callable[[Path], Collect]
) -> None:
    # So dense that something is always about to be appended.
    day = gzip.decompress((district / "day.pcap.gz").read_bytes())
    dense_day = dense(day, cut=Cut(first=0, last=1, lasts_s=8, days=0))
    (district / "day.pcap.gz").write_bytes(gzip.compress(dense_day, compresslevel=1))
    config = with_kafka(configure(district, speed=SLOWLY), sensor=sensor, kafka=plain(own_broker))
    collect = start(config)
    until(lambda: collect.delivered() > 5, what="events at the broker")
    # Files grow no further, as on a full disk: what is appended and what is acknowledged both fail.
    resource.prlimit(collect.program.pid, resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))
    assert collect.program.wait(limit_s=PATIENCE_S) == 3, collect.said()
    assert "spool" in collect.said()
    assert "Traceback" not in collect.said()
    configure(district)
    run = schoolgate("collect", "--config", with_kafka(config, sensor=sensor, kafka=plain(own_broker)))
    assert run.returncode == 0, run.stderr
    assert_whole(records(own_broker.bootstrap, collector=sensor), district=district, sensor=sensor)
