"""State that tells of a day is sealed in the store, so that it is in a backup, and goes for good with the day's key."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from rules.case_keys import CaseKey, day_id, open_day_id
from rules.contact_book import COUNTED, ContactBook
from rules.counted import packed
from rules.retention import Policy
from rules.store import Store, schema
from rules.store.backup import back_up, restore
from rules.store.keys import live_keys
from rules.store.retention import purge
from rules.store.rows import FindingRow
from tests.rules.made_contacts import BROUGHT, FIRST_DAY, PARTY, counts_of, log_of, visits
from tests.rules.told_cases import START, Hands

NOW = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)
POLICY = Policy(finding_days=90)
OPEN = f"contacts/{FIRST_DAY.isoformat()}/0"
SHUT = f"{COUNTED}{FIRST_DAY.isoformat()}/1"
DAY_KEY, OPEN_KEY = day_id(FIRST_DAY), open_day_id(FIRST_DAY)


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    own = Store(store_address, clock=Hands())
    yield own
    own.close()


def write(store: Store, *dropped: str, **state: bytes) -> None:
    """Commit state, with names as keywords cannot have them."""
    names = {"open_": OPEN, "shut": SHUT}
    told = {names.get(name, name): body for name, body in state.items()}
    store.commit(findings={}, cases=(), state=told, position=None, dropped=dropped)


def lying(store: Store, name: str) -> bytes:
    """Return what lies in the table, as it lies there."""
    kept = schema.engine_state.c
    with store.database.reading() as connection:
        return bytes(connection.execute(sa.select(kept.body).where(kept.name == name)).scalar_one())


def day_keys(store: Store) -> dict[str, bytes]:
    """Return the keys of days that are there."""
    with store.database.reading() as connection:
        return {key.case_id: key.octets for key in live_keys(connection) if "day-" in key.case_id}


def in_backup(path: Path, name: str) -> bytes:
    """Return what a backup holds of one piece of state."""
    lines = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    rows = [line["row"] for line in lines if line.get("table") == "engine_state"]
    return b64decode(next(row["body"]["base64"] for row in rows if row["name"] == name))


def test_contacts_and_counts_are_sealed_where_they_lie_and_read_as_before(store: Store) -> None:
    book = ContactBook(store)
    scene = visits(*BROUGHT, days=1)
    for met in scene:
        book.log.note(met)
    kept = book.changes()
    write(store, **kept.written, shut=packed(counts_of(scene)), engine=b"{}")
    assert list(ContactBook(store).log.devices(FIRST_DAY)) == list(log_of(scene).devices(FIRST_DAY))
    assert packed(ContactBook(store).closed) == packed(counts_of(scene))
    (piece,) = kept.written.values()
    assert PARTY.encode() in piece
    assert PARTY.encode() not in lying(store, OPEN)
    assert (lying(store, OPEN)[0], lying(store, SHUT)[0]) == (1, 1)
    # Sums of the whole district tell of nobody, and the desk reads them.
    assert lying(store, "engine") == b"{}"
    assert {*day_keys(store)} == {DAY_KEY, OPEN_KEY}


def test_the_key_of_a_day_goes_with_the_last_that_is_kept_of_it(store: Store) -> None:
    write(store, open_=b"contacts")
    assert {*day_keys(store)} == {OPEN_KEY}
    # The day ends: contacts become counts, in one commit.
    write(store, OPEN, shut=b"counts")
    first = day_keys(store)[DAY_KEY]
    assert day_keys(store) == {DAY_KEY: first}
    purge(store, policy=POLICY, now=NOW, dry="no")
    assert day_keys(store) == {DAY_KEY: first}
    assert purge(store, policy=POLICY, now=NOW + timedelta(days=90)).removed == {"counted": 1}
    assert day_keys(store) == {}
    # A capture of that day is read again: under a key of its own.
    write(store, shut=b"again")
    assert day_keys(store)[DAY_KEY] != first
    assert store.states(COUNTED) == {SHUT: b"again"}


def test_a_backup_of_a_day_that_is_gone_is_read_by_no_key_that_is_left(
    store: Store, new_store: Callable[[], str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.gz"
    write(store, shut=b"what the class met")
    back_up(store, tmp_path / "before.gz", keys=keys)
    assert b"what the class met" not in gzip.decompress((tmp_path / "before.gz").read_bytes())
    whole, blind = Store(new_store()), Store(new_store())
    restore(whole, tmp_path / "before.gz", keys=keys)
    assert whole.states(COUNTED) == {SHUT: b"what the class met"}
    # Without the keys there is nothing, and nothing is said to be missing: a day is no case.
    assert restore(blind, tmp_path / "before.gz").without == 0
    assert blind.states(COUNTED) == {}
    ContactBook(blind)
    purge(store, policy=POLICY, now=NOW)
    purge(store, policy=POLICY, now=NOW + timedelta(days=90))
    write(store, **{f"{COUNTED}2026-12-01/1": b"a later day"})
    back_up(store, tmp_path / "after.gz", keys=keys)
    after = Store(new_store())
    restore(after, tmp_path / "before.gz", keys=keys)
    assert after.states(COUNTED) == {}
    sealed = in_backup(tmp_path / "before.gz", SHUT)
    for key in (*store.live_keys(), *after.live_keys()):
        as_that_day = CaseKey(case_id=DAY_KEY, number=1, octets=key.octets)
        assert (key.open(sealed, kind="state"), as_that_day.open(sealed, kind="state")) == (None, None)
    for each in (whole, blind, after):
        each.close()


def found(key: str, *, day: date | None = FIRST_DAY) -> dict[str, FindingRow]:
    body = json.dumps({"id": key, "day": FIRST_DAY.isoformat(), "device": key}).encode()
    return {key: FindingRow(agreement="mathtool", case_id="c1", body=body, open_day=day)}


def test_a_backup_of_an_open_day_shows_no_device_to_whoever_has_every_key_that_is_left(
    store: Store, new_store: Callable[[], str], tmp_path: Path
) -> None:
    keys, before = tmp_path / "keys.gz", tmp_path / "before.gz"
    whole = found("of all", day=None)
    store.commit(findings={**found("one"), **whole}, cases=(), state={OPEN: b"whom it met"}, position=None)
    assert {json.loads(body)["id"] for body in store.findings()} == {"one", "of all"}
    back_up(store, before, keys=keys)
    again = Store(new_store())
    restore(again, before, keys=keys)
    assert [json.loads(body)["id"] for body in again.findings()] == ["of all"]
    assert again.states("contacts/") == {}
    # The day goes on in the store that was put back, under a key of its own; what nobody can read is taken away.
    again.commit(findings=found("another"), cases=(), state={}, position=None)
    assert purge(again, policy=POLICY, now=NOW).removed["findings"] == 1
    assert {json.loads(body)["id"] for body in again.findings()} == {"another", "of all"}
    sealed = in_backup(before, OPEN)
    store.commit(findings={}, cases=(), state={}, position=None, dropped=[OPEN], closed=["one"], ended=[FIRST_DAY])
    assert day_keys(store) == {}
    for key in (*store.live_keys(), *again.live_keys()):
        as_that_day = CaseKey(case_id=OPEN_KEY, number=1, octets=key.octets)
        assert (key.open(sealed, kind="state"), as_that_day.open(sealed, kind="state")) == (None, None)
    again.close()


def test_devices_of_a_day_that_nobody_closed_are_let_go_after_72_hours(store: Store) -> None:
    store.commit(findings=found("one"), cases=(), state={}, position=None)
    purge(store, policy=POLICY, now=START + timedelta(hours=71))
    assert len(list(store.findings())) == 1
    assert purge(store, policy=POLICY, now=START + timedelta(hours=73)).removed == {"findings": 1}
    assert (list(store.findings()), day_keys(store)) == ([], {})


def test_what_comes_of_a_day_after_its_end_is_under_another_key(store: Store) -> None:
    store.commit(findings=found("one"), cases=(), state={}, position=None)
    first = day_keys(store)[OPEN_KEY]
    store.commit(findings=found("late"), cases=(), state={}, position=None, closed=["one"], ended=[FIRST_DAY])
    assert [json.loads(body)["id"] for body in store.findings()] == ["late"]
    assert day_keys(store)[OPEN_KEY] != first


def test_what_an_earlier_release_left_in_the_clear_is_read_and_sealed_before_a_backup(
    store: Store, tmp_path: Path
) -> None:
    with store.database.writing() as connection:
        connection.execute(sa.insert(schema.engine_state).values(name=SHUT, body=b"xplain counts"))
    assert store.states(COUNTED) == {SHUT: b"xplain counts"}
    back_up(store, tmp_path / "backup.gz")
    assert b"plain counts" not in in_backup(tmp_path / "backup.gz", SHUT)
    assert lying(store, SHUT)[0] == 1
    assert store.states(COUNTED) == {SHUT: b"xplain counts"}
    assert store.seal_state() == 0


def test_no_unused_page_of_the_database_holds_the_key_of_a_day_that_a_purge_took(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}", clock=Hands())
    write(store, shut=b"counts")
    key = day_keys(store)[DAY_KEY]
    purge(store, policy=POLICY, now=NOW)
    with store.database.reading() as connection:
        connection.execute(sa.select(schema.case_keys)).all()
        # Somebody still reads: the log of the database cannot be cut yet.
        purge(store, policy=POLICY, now=NOW + timedelta(days=90))
    assert day_keys(store) == {}
    purge(store, policy=POLICY, now=NOW + timedelta(days=90, hours=1))
    found = [path.name for path in tmp_path.iterdir() if key in path.read_bytes()]
    assert found == []
    store.close()


def test_no_unused_page_holds_what_a_closed_day_had_of_devices(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}", clock=Hands())
    row = FindingRow(agreement="mathtool", case_id="c1", body=b'{"of": "one device"}')
    store.commit(findings={"f1": row}, cases=(), state={OPEN: b"whom they met"}, position=None)
    kept = schema.findings.c
    with store.database.reading() as connection:
        sealed = [connection.execute(sa.select(kept.body)).scalar_one(), lying(store, OPEN)]

    def left() -> list[bool]:
        octets = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return [body in octets for body in sealed]

    store.commit(findings={}, cases=(), state={SHUT: b"counts"}, position=None, dropped=[OPEN], closed=["f1"])
    assert left() == [True, True]
    purge(store, policy=POLICY, now=NOW)
    assert left() == [False, False]
    store.close()
