"""A case is forgotten while judges go on: it can be read in no topic, no table, no file and no backup of before."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from collector.topics import CASE_STATE, CASES, ENGINE_STATE, FINDINGS
from rules.case_keys import CaseKey, Kind, number_in
from rules.sealed_days import MARK, open_value
from rules.store import Store
from tests.parts.broker import KafkaBroker
from tests.parts.patience import PATIENCE_S
from tests.system.judged_district import JudgedDistrict
from tests.system.product import schoolgate, until

pytestmark = pytest.mark.kafka

PARTY = "adorbit.example"
"""A third party that three cases are about, by attribution."""
PAUSED = ("quizgale", "use-paused")
"""A case of single flows."""
KINDS: tuple[Kind, ...] = ("finding", "case", "evidence", "ending", "entry", "version", "edge", "row")
SEALED = re.compile(rb'"(?:case|id|about)":"([^"]+)"[^{}]*?"sealed":"([A-Za-z0-9+/=]*)"')
COUNTS = (b"contacts/", b"counted/", b"seen/")
"""State that belongs to no case: whom devices met, as counts, and which events were seen."""


@pytest.fixture
def judged(tmp_path: Path, mortal_broker: KafkaBroker) -> Iterator[JudgedDistrict]:
    """The sample day, judged, with a judge that goes on."""
    district = JudgedDistrict(tmp_path / "district", mortal_broker)
    expected = district.checked(district.day)
    district.judge()
    district.send(district.day)
    district.wait_for(expected)
    yield district
    district.close()


async def everything(broker: KafkaBroker) -> list[Any]:
    """Return every record that tells of cases, committed or not, but for counts that belong to none."""
    consumer = AIOKafkaConsumer(
        FINDINGS, ENGINE_STATE, CASE_STATE, CASES, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    found = []
    try:
        while batches := await consumer.getmany(timeout_ms=1000):
            found += [message for messages in batches.values() for message in messages]
    finally:
        await consumer.stop()
    return [
        each
        for each in found
        if dict(each.headers).get("kind") != b"contacts" and not (each.key or b"").startswith(COUNTS)
    ]


def pieces(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every sealed piece of a record, or of a part of a report in it, with the case that it names."""
    for text in (octets, octets.replace(b'\\"', b'"')):
        for owner, sealed in SEALED.findall(text):
            yield owner.decode(), base64.b64decode(sealed)


def inside(record: Any, keys: list[CaseKey]) -> bytes:
    """Return a record as it lies there, or what is sealed in it with the key of an open day of a judge's task."""
    value: bytes = record.value or b""
    by_owner = {key.case_id: key for key in keys}
    found = open_value(value, task=f"{record.topic}/{record.partition}", keys=by_owner)
    return value if found is None else found


def opened(octets: bytes, keys: list[CaseKey]) -> list[bytes]:
    """Return what any of *keys* opens, as whatever it may be and under its own name or that of the case."""
    found = []
    for owner, sealed in pieces(octets):
        for key in keys:
            for name, number in {(key.case_id, key.number), (owner, number_in(sealed) or 0)}:
                again = CaseKey(case_id=name, number=number, octets=key.octets)
                found += [text for kind in KINDS if (text := again.open(sealed, kind=kind)) is not None]
    return found


def in_tables(path: Path) -> bytes:
    """Return every octet of a database's files."""
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


def later(line: bytes, *, number: int, at: datetime) -> bytes:
    """Return an event like another one, at another time."""
    started, ended = (
        (at + timedelta(seconds=more)).isoformat(timespec="microseconds").replace("+00:00", "Z") for more in (0, 1)
    )
    event = {**json.loads(line), "id": f"{number:032x}", "started_at": started, "ended_at": ended}
    return json.dumps(event, separators=(",", ":")).encode()


def chosen(store: Store) -> tuple[list[str], str]:
    """Return the cases that are to be forgotten, and the one of them that needs no attribution."""
    cases = {key: json.loads(row.body) for key, row in store.cases().items()}
    paused = next(key for key, case in cases.items() if (case["agreement"], case["rule"]) == PAUSED)
    wanted = sorted([paused, *(key for key, case in cases.items() if case["subject"] == PARTY)])
    assert len(wanted) == 4
    return wanted, paused


def check_certificate(path: Path, *, wanted: list[str]) -> None:
    """Look at what the certificate says, and that it tells nothing of the cases."""
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("purge.json"))
        page = archive.read("purge.html").decode()
    assert (told["complete"], told["by"], told["reason"]) == (True, "ada", "The vendor left.")
    assert [case["case_id"] for case in told["cases"]] == wanted
    assert "Nothing of it can be read any more" in page
    kafka, backup, keys = told["elsewhere"]
    assert [each["opened"] for each in (kafka, backup)] == [0, 0], (kafka["what"], backup["what"])
    assert [(each["pieces"] or 0) > 10 for each in (kafka, backup)] == [True, True], (kafka["what"], backup["what"])
    assert ("every one that was there" in kafka["what"], keys["pieces"]) == (True, None)
    assert PARTY not in json.dumps(told) + page


def test_a_forgotten_case_is_read_nowhere_and_its_promise_is_watched_on(judged: JudgedDistrict, tmp_path: Path) -> None:
    config, store = judged.config, Store(f"sqlite:///{judged.folder / 'cases.db'}")
    all_of_them, (wanted, paused) = set(store.cases()), chosen(store)
    backup = schoolgate("store", "backup", tmp_path / "before.gz", "--config", config)
    assert backup.returncode == 0, backup.stderr
    keys = store.live_keys()
    before = {(key.case_id, key.number): key for key in keys}
    records = asyncio.run(everything(judged.broker))
    # What is looked for is there, for whoever has the keys: without them, there is not a word of it.
    texts = [(each, b"".join(opened(inside(each, keys), keys))) for each in records]
    assert sum(PARTY.encode() in text for _each, text in texts) > 3
    of_open_days = {
        each.topic for each, text in texts if (each.value or b"").startswith(MARK) and PAUSED[0].encode() in text
    }
    assert of_open_days == {ENGINE_STATE, CASE_STATE}
    assert [each for each in records if PARTY.encode() in b"%b%b" % (each.key or b"", each.value or b"")] == []

    words: tuple[str | Path, ...] = (
        "cases",
        "forget",
        *wanted,
        "--config",
        config,
        "--reason",
        "The vendor left.",
        "--by",
        "ada",
    )
    dry = schoolgate(*words, "--dry-run")
    assert (dry.returncode, dry.stdout.split(), set(store.cases())) == (0, wanted, all_of_them)
    run = schoolgate(*words, "--yes", "--certificate", tmp_path / "purge.zip", "--backup", tmp_path / "before.gz")
    assert run.returncode == 0, run.stderr
    check_certificate(tmp_path / "purge.zip", wanted=wanted)
    left = store.live_keys()
    gone = [key for place, key in before.items() if place not in {(each.case_id, each.number) for each in left}]
    assert len(gone) == 5  # of each case, and of what three of them share

    until(lambda: "keys of cases were destroyed" in judged.said(), what="the judge to hear of it")
    until(lambda: forgotten_in_topic(judged.broker) >= set(wanted), what="the topic of cases to say so")
    check_nothing_opens(judged, backup=tmp_path / "before.gz", gone=gone, left=store.live_keys())
    assert set(store.cases()) == all_of_them - set(wanted)
    shown = schoolgate("cases", "show", paused, "--config", config)
    assert re.fullmatch(rf"Case {paused}: forgotten on [\d-]+ by ada: The vendor left\.\n", shown.stdout)
    assert schoolgate("cases", "verify", "--config", config).returncode == 0

    check_that_it_is_watched_on(judged, store=store, paused=paused)
    store.close()


def check_nothing_opens(judged: JudgedDistrict, *, backup: Path, gone: list[CaseKey], left: list[CaseKey]) -> None:
    """Try every key that is left on everything that is anywhere, and look for the keys that are gone."""
    for each in asyncio.run(everything(judged.broker)):
        whole = b"%b%b" % (each.key or b"", inside(each, left))
        assert PARTY.encode() not in whole
        assert [text for text in opened(whole, left) if PARTY.encode() in text] == []
    for octets in (in_tables(judged.folder / "cases.db"), gzip.decompress(backup.read_bytes())):
        assert [key.case_id for key in gone if key.octets in octets or base64.b64encode(key.octets) in octets] == []
        assert [text for text in opened(octets, left) if PARTY.encode() in text] == []


def check_that_it_is_watched_on(judged: JudgedDistrict, *, store: Store, paused: str) -> None:
    """Send everything again, of which nothing comes, and then what is seen later: it opens the case anew."""
    again = datetime(2026, 10, 7, 15, tzinfo=UTC)
    judged.send([later(line, number=at, at=again) for at, line in enumerate(judged.day)], first=100_000)
    products = [line for line in judged.day if b".quizgale." in line or b'"quizgale.' in line]
    now = datetime.now(UTC) + timedelta(seconds=30)
    judged.send([later(line, number=10**6 + at, at=now) for at, line in enumerate(products)], first=200_000)
    deadline = time.monotonic() + 2 * PATIENCE_S
    while (row := store.case(paused)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert row is not None, judged.said()
    assert datetime.fromisoformat(json.loads(row.body)["first_seen"]) >= now
    assert (row.status, row.version > 1, len(store.unreadable())) == ("new", True, 3)
    assert "Traceback" not in judged.said()


def forgotten_in_topic(broker: KafkaBroker) -> set[str]:
    """Return the cases of which the topic says that they were forgotten."""
    records = (each for each in asyncio.run(everything(broker)) if each.topic == CASES and each.value)
    return {told["id"] for told in (json.loads(each.value) for each in records) if told["state"] == "forgotten"}
