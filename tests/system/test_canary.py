"""Nothing by which a device could be known leaves the collector, on either way, in any form, under any guessable hash.

What the contract lets out is listed where it is looked for: a product's own hosts (section 5), the registrable domain
that enough devices asked for (section 2), pseudonyms and tokens under keys that nobody can guess (section 2).
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer

from tests.parts.broker import KafkaBroker
from tests.parts.canary_day import IPV4, of_its_name, of_its_visits, of_the_device, planted
from tests.parts.leak_search import LeakSearch
from tests.parts.secrets import Secret, host
from tests.parts.topics import remove_topics
from tests.system.canary_district import CanaryDistrict, records_of
from tests.system.desk_visitor import ROLES

GUESSES = (
    "prairie-lakes", "Prairie Lakes Community Schools (invented)", "lakeview-tap", "meadow-es", "k-5", "schoolgate",
    "2026-10-06", "20261006",
)  # fmt: skip
"""What lies about in the district and may have served as the key of a hash."""
CONTROL = host("a host that the product must tell of", "quizgale.example")
EMBEDDED_PLACES = (
    *(f"the desk, {name}: /cases/" for name in ROLES), *(f"the desk, {name}: /vendors" for name in ROLES),
    "a mail, ", "what was posted, ", "output of cases list", "pack.zip", "annual.zip", "oversight.zip", "store.backup",
    "cases.db: cases", "cases.db: case_log", "cases.db: findings",
)  # fmt: skip
KAFKA_PLACES = (
    "a mail, ", "what was posted, ", "the desk, ada: /cases/", "cases.db: cases", "topic schoolgate.flows, record ",
    "topic schoolgate.findings, record ", "topic schoolgate.case-state, record ",
    "topic schoolgate.engine-state, record ", "topic schoolgate.cases, record ",
)  # fmt: skip
"""Places of which the device's own visit to a product speaks: who looks there sees what is there."""


@pytest.fixture(scope="module")
def secrets() -> Mapping[str, tuple[Secret, ...]]:
    """What must not be found, by what keeps it back."""
    return {"device": of_the_device(planted()), "name": of_its_name(), "visits": of_its_visits()}


@pytest.fixture(scope="module")
def search(secrets: Mapping[str, tuple[Secret, ...]]) -> LeakSearch:
    return LeakSearch([CONTROL, *(each for group in secrets.values() for each in group)], words=GUESSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A day that has passed."""

    district: CanaryDistrict
    found: Mapping[str, set[str]]
    """What was found -> where."""

    def leaks(self, secrets: tuple[Secret, ...]) -> dict[str, list[str]]:
        """Return what of *secrets* was found, and some of the places."""
        names = {name for each in secrets for name in (each.name, f"octets of {each.name}", f"hash of {each.name}")}
        return {name: sorted(self.found[name])[:5] for name in sorted(names & self.found.keys())}

    def speaks_of(self, start: str) -> bool:
        """Return whether the control was found in a place whose name begins so."""
        return any(place.startswith(start) for place in self.found[CONTROL.name])


def lived(district: CanaryDistrict, *, search: LeakSearch) -> Lived:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for place, octets in district.evidence():
        for name in search.find(octets):
            found[name].add(place)
    return Lived(district=district, found=found)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, search: LeakSearch) -> Iterator[Lived]:
    """The day by `run`."""
    with CanaryDistrict(tmp_path_factory.mktemp("canary") / "run", broker=None) as district:
        district.live()
        yield lived(district, search=search)


@pytest.fixture(scope="module")
def through_kafka(
    tmp_path_factory: pytest.TempPathFactory, kafka_of_one_process: KafkaBroker, embedded: Lived, search: LeakSearch
) -> Iterator[Lived]:
    """The day by `collect`, `judge` and `desk`."""
    broker = kafka_of_one_process
    if broker.program is None or not broker.program.alive:
        broker.restart()
    remove_topics(broker.bootstrap)
    with CanaryDistrict(tmp_path_factory.mktemp("canary") / "kafka", broker=broker) as district:
        district.live(cases=embedded.district.cases())
        yield lived(district, search=search)


def test_the_device_was_seen_and_every_place_is_searched(embedded: Lived) -> None:
    assert [place for place in EMBEDDED_PLACES if not embedded.speaks_of(place)] == []
    assert b'agreement="quizgale"' in embedded.district.served["metrics of run"]
    assert embedded.district.served["output of cases verify"].startswith(b"schoolgate-case-log/1")


def test_nothing_of_the_device_is_written_or_served_by_the_embedded_way(
    embedded: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert embedded.leaks(secrets["device"]) == {}


def test_no_visit_of_one_device_alone_is_written_or_served_by_the_embedded_way(
    embedded: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert embedded.leaks(secrets["visits"]) == {}


def test_the_name_of_a_device_is_not_the_name_of_a_site_however_many_talk_to_it(
    embedded: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert embedded.leaks(secrets["name"]) == {}


@pytest.mark.kafka
def test_through_kafka_too_the_device_was_seen_and_every_place_is_searched(
    through_kafka: Lived, search: LeakSearch, kafka_of_one_process: KafkaBroker
) -> None:
    assert [place for place in KAFKA_PLACES if not through_kafka.speaks_of(place)] == []
    for verb in ("judge", "desk", "collect"):
        assert b"schoolgate_" in through_kafka.district.served[f"metrics of {verb}"]
    # Squeezed, in a topic of its own: whoever reads the broker's files alone would miss it.
    bootstrap = kafka_of_one_process.bootstrap
    asyncio.run(_leak(bootstrap, value=f"device={IPV4} ".encode() * 50))
    records = asyncio.run(records_of(bootstrap))
    assert "its IPv4 address" in search.find(records["topic leaky, record 1"])


@pytest.mark.kafka
def test_nothing_of_the_device_is_written_or_served_by_the_way_through_kafka(
    through_kafka: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert through_kafka.leaks(secrets["device"]) == {}


@pytest.mark.kafka
def test_no_visit_of_one_device_alone_is_written_or_served_by_the_way_through_kafka(
    through_kafka: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert through_kafka.leaks(secrets["visits"]) == {}


@pytest.mark.kafka
def test_through_kafka_too_the_name_of_a_device_is_not_the_name_of_a_site(
    through_kafka: Lived, secrets: Mapping[str, tuple[Secret, ...]]
) -> None:
    assert through_kafka.leaks(secrets["name"]) == {}


FINER = re.compile(r"\b\d\d:\d\d(?::\d\d)?\b|\b[0-9a-f]{16}\b|\b\d{4}-\d\d-\d\dT")
"""A time of day, a pseudonym or an id: no line of a log says when, or of whom."""


def loose_lines(lived: Lived, *verbs: str) -> list[str]:
    """Return the lines of these verbs' logs that say when something was, or of whom; they have some lines."""
    logs = (lived.district.folder / f"{verb}.log" for verb in verbs)
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 1
    return [line for line in lines if FINER.search(line)]


def test_no_line_that_run_says_tells_when_something_was_or_of_whom(embedded: Lived) -> None:
    assert loose_lines(embedded, "run") == []


@pytest.mark.kafka
def test_no_line_that_collect_judge_and_desk_say_tells_when_something_was_or_of_whom(through_kafka: Lived) -> None:
    assert loose_lines(through_kafka, "collect", "judge", "desk") == []


def test_what_the_embedded_way_has_in_memory_is_never_dumped(embedded: Lived) -> None:
    assert_no_core(embedded, verb="run")


@pytest.mark.kafka
def test_what_the_collector_has_in_memory_is_never_dumped(through_kafka: Lived) -> None:
    assert_no_core(through_kafka, verb="collect")


def assert_no_core(lived: Lived, *, verb: str) -> None:
    found = re.search(r"^Max core file size +(\S+) +(\S+)", lived.district.limits[verb], re.MULTILINE)
    assert found is not None
    assert found.groups() == ("0", "0")


async def _leak(bootstrap: str, *, value: bytes) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415 -- this test's own

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("leaky", num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="gzip") as producer:
        await producer.send_and_wait("leaky", value)
