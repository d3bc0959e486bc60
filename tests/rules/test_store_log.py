"""The case log: what is written into it, and that no octet of it can change unnoticed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from rules.life_cycle import Act
from rules.store import CaseRow, StepRefusedError, Store, StoreError
from rules.store.chain import FIRST, Break, Head, linked
from rules.store.sealing import commitment
from rules.versions import CaseVersion
from tests.rules.first_store import a_case

AT = datetime(2026, 10, 16, 20, 7, 31, 250, tzinfo=UTC)


def opened(address: str) -> Store:
    return Store(address, clock=lambda: AT)


def version(number: int, *, state: str = "open", **changes: object) -> CaseVersion:
    body = json.dumps(a_case("c1", **changes))
    return CaseVersion(id="c1", version=number, state=state, body=body)


def kinds(store: Store) -> list[str]:
    return [entry.kind for entry in store.log("c1")]


def head_of(store: Store) -> Head:
    found = store.verify()
    assert isinstance(found, Head), found
    return found


def test_an_entry_holds_what_was_told_and_no_small_number(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1, devices=4, summary="Seen on 4 devices (counted per day) in 1 school.")], parts=())
    (entry,) = store.log()
    assert (entry.seq, entry.case_id, entry.version, entry.kind) == (1, "c1", 1, "opened")
    assert (entry.at, entry.previous) == ("2026-10-16T20:00Z", FIRST)
    told = json.loads(entry.entry)["case"]
    assert told["devices"] == "fewer than 10"
    assert told["summary"] == "Seen on fewer than 10 devices (counted per day) in 1 school."
    assert (told["first_seen"], told["last_seen"]) == ("2026-10-14T13:00Z", "2026-10-16T19:30Z")
    assert "flows" not in told
    store.close()


def test_a_case_is_logged_when_it_opens_changes_goes_and_returns(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    store.keep([version(2, groups=["6-8", "k-5"])], parts=())
    store.keep([version(3, state="withdrawn", groups=["6-8", "k-5"])], parts=())
    store.keep([version(4, groups=["6-8", "k-5"])], parts=())
    assert kinds(store) == ["opened", "changed", "withdrawn", "returned"]
    assert json.loads(store.log()[1].entry)["changed"] == ["groups"]
    assert head_of(store).entries == 4
    store.close()


def test_more_of_the_same_evidence_is_not_told_again(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1, devices=25)], parts=())
    for number, devices in enumerate(range(26, 50), start=2):
        store.keep([version(number, devices=devices, flows=devices * 9)], parts=())
    assert kinds(store) == ["opened"]
    store.keep([version(99, devices=50)], parts=())
    assert kinds(store) == ["opened", "changed"]
    assert store.cases()["c1"].version == 99
    store.close()


def test_a_version_that_is_written_again_appends_nothing(store_address: str) -> None:
    """A judge that died between its transaction and the store writes everything once more."""
    store = opened(store_address)
    versions = [version(1), version(2, groups=["6-8"]), version(3, state="withdrawn")]
    for one in versions:
        store.keep([one], parts=())
    before = head_of(store)
    for _again in range(2):
        for one in versions:
            store.keep([one], parts=())
        store.keep(versions, parts=())
    assert head_of(store) == before
    assert store.cases()["c1"].state == "withdrawn"
    store.close()


def told(store: Store) -> list[tuple[object, ...]]:
    """What the log says; how it is sealed is another each time."""
    return [(entry.seq, entry.case_id, entry.version, entry.kind, entry.at, entry.entry) for entry in store.log()]


def test_whoever_has_entry_and_salt_sees_that_it_is_what_was_sealed(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    (entry,) = store.log()
    lies = json.loads(entry.sealed)
    assert "adco" not in entry.sealed
    assert lies["sha256"] == commitment(entry.entry, salt=bytes.fromhex(entry.salt))
    assert lies["sha256"] != commitment(entry.entry.replace("adco", "ad-co"), salt=bytes.fromhex(entry.salt))
    store.close()


def test_versions_of_one_portion_are_told_one_by_one(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1), version(2, groups=["6-8"]), version(2, groups=["6-8"])], parts=())
    assert kinds(store) == ["opened", "changed"]
    store.close()


def test_the_embedded_service_and_the_case_tasks_write_the_same_log(new_store: Callable[[], str]) -> None:
    one, other = opened(new_store()), opened(new_store())
    for number in (1, 2):
        kept = version(number, devices=number * 40)
        one.keep([kept], parts=())
        row = CaseRow(id=kept.id, version=kept.version, state=kept.state, body=kept.body.encode())
        other.commit(findings={}, cases=[row], state={}, position=None)
    assert told(one) == told(other)
    one.close()
    other.close()


def test_what_people_do_is_logged_and_gives_the_case_its_status(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    seen = []
    acts: tuple[Act, ...] = ("acknowledged", "noted", "asked", "disputed", "reopened", "breach", "closed")
    for act in acts:
        reason = "wrong_owner" if act == "disputed" else None
        entry = store.act("c1", act=act, by="officer", text="Because.", reason=reason)
        code = {} if reason is None else {"reason": reason}
        assert json.loads(entry.entry) == {"v": 1, "by": "officer", "text": "Because.", **code}
        seen.append(store.cases()["c1"].status)
    assert seen == ["acknowledged", "acknowledged", "asked", "disputed", "new", "breach", "closed"]
    assert tuple(kinds(store)[1:]) == acts
    assert head_of(store).entries == 8
    store.close()


def test_closing_and_disputing_need_a_reason_and_a_case(store_address: str) -> None:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    before = head_of(store)
    refused: tuple[Act, ...] = ("closed", "disputed", "breach")
    for act in refused:
        with pytest.raises(StepRefusedError, match="reason"):
            store.act("c1", act=act, by="officer", text=" ")
    with pytest.raises(StepRefusedError, match="`whim` is no reason for `disputed`; write one of wrong_owner"):
        store.act("c1", act="disputed", by="officer", text="So.", reason="whim")
    with pytest.raises(StoreError, match="no case nobody"):
        store.act("nobody", act="acknowledged", by="officer", text="")
    assert head_of(store) == before
    store.close()


def test_the_databases_tell_the_same(tmp_path: Path, store_address: str) -> None:
    one, other = opened(f"sqlite:///{tmp_path}/other.db"), opened(store_address)
    for store in (one, other):
        store.keep([version(1)], parts=())
        store.act("c1", act="noted", by="Zoë", text="seen\u2028")
    assert told(one) == told(other)
    one.close()
    other.close()


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE case_log SET entry = 'x' WHERE seq = 1",
        "DELETE FROM case_log WHERE seq = 1",
        "INSERT INTO case_log SELECT * FROM case_log WHERE seq = 1",
        "INSERT INTO case_log SELECT 0, case_id, version, kind, at, entry, previous, hash FROM case_log WHERE seq = 1",
    ],
)
def test_the_database_itself_refuses_to_change_the_log(store_address: str, text: str) -> None:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    store.act("c1", act="noted", by="officer", text="")
    refused = text
    if "SELECT 0" in text and store.database.kind == "postgresql":
        refused = "TRUNCATE case_log"  # a row in front of the first is no loss there, and the chain shows it
    with pytest.raises(StoreError, match=r"append-only|duplicate key"), store.database.writing() as connection:
        connection.execute(sa.text(refused))
    assert head_of(store).entries == 2
    store.close()


@pytest.mark.parametrize("how", ["INSERT OR REPLACE INTO", "REPLACE INTO"])
def test_sqlite_refuses_to_replace_a_row(tmp_path: Path, how: str) -> None:
    """REPLACE deletes without any delete trigger."""
    store = opened(f"sqlite:///{tmp_path}/cases.db")
    store.keep([version(1)], parts=())
    store.act("c1", act="noted", by="officer", text="")
    with sqlite3.connect(tmp_path / "cases.db") as database, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(f"{how} case_log SELECT seq, case_id, 9, kind, at, entry, previous, hash FROM case_log")  # noqa: S608 -- ours
    database.close()
    assert head_of(store).entries == 2
    store.close()


# What follows goes around the database's own guard, as somebody with the file or the administrator's rights can.


def unguarded(store: Store, text: str, **values: object) -> None:
    with store.database.writing() as connection:
        if store.database.kind == "sqlite":
            names = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(sa.text("ALTER TABLE case_log DISABLE TRIGGER USER"))
        connection.execute(sa.text(text), values)


@pytest.fixture
def filled(store_address: str) -> Store:
    store = opened(store_address)
    store.keep([version(1)], parts=())
    store.act("c1", act="asked", by="officer", text="Letter sent.")
    store.keep([version(2, groups=["6-8"])], parts=())
    store.act("c1", act="closed", by="officer", text="Taken out.")
    return store


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("case_id", "'c2'"), ("version", "7"), ("kind", "'noted'"), ("at", "'2026-10-16T20:00:00.000001Z'"),
        ("entry", "replace(entry, 'sha256', 'sha512')"), ("previous", f"'{FIRST}'"), ("hash", f"'{FIRST}'"),
    ],
)  # fmt: skip
def test_a_changed_column_is_found_and_the_row_named(filled: Store, column: str, value: str) -> None:
    unguarded(filled, f"UPDATE case_log SET {column} = {value} WHERE seq = 2")  # noqa: S608 -- all of it is ours
    found = filled.verify()
    assert isinstance(found, Break)
    assert found.seq == 2
    filled.close()


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("DELETE FROM case_log WHERE seq = 1", 1),
        ("DELETE FROM case_log WHERE seq = 3", 3),
        ("DELETE FROM case_log WHERE seq = 4", 4),
        ("DELETE FROM case_log", 1),
        ("UPDATE case_log SET seq = 9 WHERE seq = 4", 4),
        ("UPDATE case_log SET seq = -1 WHERE seq = 2", 1),
        ("INSERT INTO case_log SELECT 5, case_id, 2, kind, at, entry, previous, hash FROM case_log WHERE seq = 4", 5),
        ("UPDATE case_log_head SET entries = 3", 4),
        ("UPDATE case_log_head SET hash = 'x'", 4),
        ("DELETE FROM case_log_head", 5),
    ],
)  # fmt: skip
def test_a_lost_moved_or_added_row_is_found(filled: Store, text: str, row: int) -> None:
    unguarded(filled, text)
    found = filled.verify()
    assert isinstance(found, Break)
    assert found.seq == row
    filled.close()


def test_two_rows_that_changed_places_are_found(filled: Store) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        unguarded(filled, f"UPDATE case_log SET seq = {new} WHERE seq = {old}")  # noqa: S608 -- all of it is ours
    found = filled.verify()
    assert isinstance(found, Break)
    assert found.seq == 2
    filled.close()


def test_rows_cut_off_with_their_record_are_found_by_an_anchor_alone(filled: Store) -> None:
    anchor = head_of(filled)
    third = filled.log()[2]
    unguarded(filled, "DELETE FROM case_log WHERE seq = 4")
    unguarded(filled, "UPDATE case_log_head SET entries = 3, hash = :hash", hash=third.hash)
    assert filled.verify() == Head(entries=3, hash=third.hash)
    found = filled.verify([anchor])
    assert isinstance(found, Break)
    assert found.seq == 4
    filled.close()


def test_a_log_that_was_made_anew_is_found_by_an_anchor_alone(filled: Store) -> None:
    anchor = head_of(filled)
    rows, previous = [], FIRST
    for row in filled.log():
        entry = row.sealed if row.seq != 4 else row.sealed.replace('"v":1', '"v":2')
        again = linked(
            seq=row.seq, case_id=row.case_id, version=row.version, kind=row.kind, at=row.at, entry=entry,
            previous=previous,
        )  # fmt: skip
        rows.append(again)
        previous = again.hash
    for made in rows:
        unguarded(
            filled, "UPDATE case_log SET entry = :entry, previous = :previous, hash = :hash WHERE seq = :seq",
            entry=made.entry, previous=made.previous, hash=made.hash, seq=made.seq,
        )  # fmt: skip
    unguarded(filled, "UPDATE case_log_head SET hash = :hash", hash=previous)
    assert filled.verify() == Head(entries=4, hash=previous)
    found = filled.verify([anchor])
    assert isinstance(found, Break)
    assert found.seq == 4
    filled.close()


def test_an_anchor_of_an_earlier_moment_holds_for_a_log_that_grew(filled: Store) -> None:
    early = [Head(entries=0, hash=FIRST), *(Head(entries=row.seq, hash=row.hash) for row in filled.log())]
    assert filled.verify(early) == early[-1]
    filled.close()


@pytest.mark.parametrize("value", ["CAST(entry AS BLOB)", "NULL", "X'ff'", "CAST(X'ff' AS TEXT)", "7"])
def test_sqlite_values_of_another_kind_are_found(tmp_path: Path, value: str) -> None:
    store = opened(f"sqlite:///{tmp_path}/cases.db")
    store.keep([version(1)], parts=())
    unguarded(store, "PRAGMA ignore_check_constraints=ON")
    with store.database.writing() as connection:
        connection.execute(sa.text("PRAGMA writable_schema=ON"))
        connection.execute(sa.text("UPDATE sqlite_master SET sql = replace(sql, 'TEXT NOT NULL', 'TEXT')"))
    store.close()
    store = opened(f"sqlite:///{tmp_path}/cases.db")
    with store.database.writing() as connection:
        connection.execute(sa.text(f"UPDATE case_log SET entry = {value} WHERE seq = 1"))  # noqa: S608 -- ours
    found = store.verify()
    assert isinstance(found, Break)
    assert found.seq == 1
    store.close()
