"""Stores that are empty, older, newer or opened by several programs at once."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rules.life_cycle import Ending
from rules.notify.docket import Docket
from rules.notify.outbox import Outbox
from rules.notify.planning import begin
from rules.store import Position, Store, StoreError
from rules.store.chain import Head
from rules.store.migration import load_migrations
from rules.store.schema import STORE_VERSION, tables
from rules.versions import CaseVersion
from tests.rules.first_store import a_case, build_first_store
from tests.rules.fourth_store import ENDED, ENDED_AT, build_fourth_store, known
from tests.rules.second_store import LOG, build_second_store


def open_and_tell(address: str, together: Barrier, told: SimpleQueue[tuple[int, int]]) -> None:
    """Open the store when all the others do."""
    together.wait()
    store = Store(address)
    told.put((len(store.cases()), len(list(store.log()))))
    store.close()


def statement(address: str, text: str) -> None:
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text(text))
    engine.dispose()


def test_an_empty_database_gets_the_tables_of_the_program(store_address: str) -> None:
    store = Store(store_address)
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables) == []
    store.close()


def test_the_last_migration_is_the_version_of_the_store() -> None:
    assert load_migrations().get_heads() == [f"{STORE_VERSION:04}"]


def test_a_filled_store_of_the_first_release_is_migrated_and_loses_nothing(store_address: str) -> None:
    build_first_store(store_address)
    store = Store(store_address)
    assert {row.id: (row.version, row.state, row.status) for row in store.cases().values()} == {
        "case-0": (1, "open", "new"), "case-1": (2, "open", "new"), "case-2": (3, "withdrawn", "new"),
    }  # fmt: skip
    assert json.loads(store.cases()["case-1"].body) == a_case("case-1")
    assert list(store.findings()) == [b"finding"]
    assert store.state("engine") == b"state"
    assert store.position("b" * 64) == Position(sha256="b" * 64, name="day.pcap", events=12, finished=True)
    assert store.parts() == {"frame": "{}"}
    store.close()


def test_cases_that_are_older_than_the_log_say_so_in_it(store_address: str) -> None:
    build_first_store(store_address)
    for _opened_again in range(2):
        store = Store(store_address)
        assert [(entry.kind, entry.case_id) for entry in store.log()] == [
            ("carried_over", "case-0"), ("carried_over", "case-1"), ("carried_over", "case-2"),
        ]  # fmt: skip
        assert getattr(store.verify(), "entries", None) == 3
        store.close()


def test_a_migrated_store_has_the_tables_of_the_program(store_address: str) -> None:
    build_first_store(store_address)
    store = Store(store_address)
    with store.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables) == []
    store.close()


def test_a_filled_store_of_the_second_version_is_migrated_and_loses_nothing(store_address: str) -> None:
    build_second_store(store_address)
    for _opened_again in range(2):
        store = Store(store_address)
        with store.database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables) == []
        assert {row.id: (row.state, row.status) for row in store.cases().values()} == {
            "case-0": ("open", "new"), "case-1": ("open", "acknowledged"), "case-2": ("withdrawn", "new"),
        }  # fmt: skip
        kept = [(case, kind) for case, kind, _ in LOG]
        assert [(entry.case_id, entry.kind) for entry in store.log()] == [*kept, ("", "resealed")]
        assert getattr(store.verify(), "entries", None) == len(LOG) + 1
        assert list(store.findings()) == [b"finding"]
        store.close()


def test_a_filled_store_of_the_fourth_version_knows_what_its_ended_cases_were_ended_for(store_address: str) -> None:
    build_fourth_store(store_address)
    for _opened_again in range(2):
        store = Store(store_address)
        with store.database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables) == []
        rows = store.cases()
        assert {case_id: rows[case_id].status for case_id in ENDED} == ENDED
        for case_id, at in (("case-3", ENDED_AT), ("case-4", ENDED_AT), ("case-5", "1970-01-01T00:00:00.000000Z")):
            assert rows[case_id].ending == Ending(
                at=at, devices=23, groups=("6-8", "k-5"), seen="2026-10-16T19:44:59.000001Z"
            )
        assert all(rows[case_id].ending is None for case_id in ("case-0", "case-1", "case-2"))
        assert {json.loads(body)["id"] for body in store.open_cases()} == {"case-0", "case-1"}
        assert isinstance(store.verify(), Head)
        store.close()
    store = Store(store_address)
    more = [{"devices": 45}, {"devices": 46}]
    for version, changes in enumerate(more, start=2):
        body = json.dumps(known("case-3") | changes)
        store.keep([CaseVersion(id="case-3", version=version, state="open", body=body)], parts=())
        assert store.cases()["case-3"].status == ("closed" if changes["devices"] == 45 else "new")
    assert isinstance(store.verify(), Head)
    store.close()


def test_who_is_told_after_a_migration_hears_of_open_cases_that_nobody_has_taken_up(store_address: str) -> None:
    build_second_store(store_address)
    store = Store(store_address)
    assert Outbox(store.database).channel("mail") is None
    docket = Docket()
    list(docket.read(store.log()))
    items = begin(docket, now=datetime(2026, 10, 17, tzinfo=UTC))
    Outbox(store.database).plan("mail", items, planned=docket.seq, now=1)
    assert [one.item.case_id for one in Outbox(store.database).waiting("mail")] == ["case-0"]
    store.close()


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "first release"])
def test_of_programs_that_start_at_once_one_migrates(store_address: str, *, filled: bool) -> None:
    if filled:
        build_first_store(store_address)
    # Processes of their own, and forked: what is asked is not how they are loaded.
    forked = multiprocessing.get_context("fork")
    together, told = forked.Barrier(4, timeout=120), forked.SimpleQueue()
    programs = [forked.Process(target=open_and_tell, args=(store_address, together, told)) for _ in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(timeout=120)
    assert [program.exitcode for program in programs] == [0] * 4
    assert [told.get() for _ in programs] == [(3, 3) if filled else (0, 0)] * 4


@pytest.mark.parametrize("version", ["99", "7"])
def test_a_newer_store_is_refused_and_left_alone(store_address: str, version: str) -> None:
    Store(store_address).close()
    statement(store_address, f"UPDATE meta SET value = '{version}'")  # noqa: S608 -- ours
    with pytest.raises(StoreError, match=f"version {version}, this program reads version {STORE_VERSION}"):
        Store(store_address)
    statement(store_address, f"UPDATE meta SET value = '{STORE_VERSION}'")  # noqa: S608 -- ours
    Store(store_address).close()


def test_a_version_that_is_no_number_is_a_sentence(store_address: str) -> None:
    Store(store_address).close()
    statement(store_address, "UPDATE meta SET value = 'soon'")
    with pytest.raises(StoreError, match="no number"):
        Store(store_address)


def test_a_migration_that_fails_leaves_the_older_store_as_it_was(store_address: str) -> None:
    build_first_store(store_address)
    # A table of that name belongs to somebody else: the second migration cannot make its own.
    statement(store_address, "CREATE TABLE case_log_head (name INTEGER)")
    with pytest.raises(StoreError, match=r"refused|cannot be used"):
        Store(store_address)
    statement(store_address, "DROP TABLE case_log_head")
    store = Store(store_address)
    assert len(store.cases()) == 3
    store.close()
