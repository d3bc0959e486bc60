"""A filled store of the fifth version, in which nothing was sealed, comes to be sealed as a whole and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rules.case_keys import case_id
from rules.findings import Promise
from rules.service import stored_report
from rules.store import Store
from rules.store.chain import Break, Head
from rules.store.forgetting import forget
from rules.store.schema import tables
from tests.rules.fifth_store import FINDING, MET, WAIVED, build_fifth_store
from tests.rules.first_store import a_case
from tests.rules.fourth_store import ENDED_AT

PLAIN = (b"adco", b"waivedco", b"metco", b"mathtrek", b"Because.", b"officer")
"""What stands in the store of the fifth version, of cases alone."""


def entries(address: str) -> list[tuple[object, ...]]:
    """Return what the log says, as it lies there."""
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        asked = sa.text("SELECT seq, case_id, version, kind, at, entry FROM case_log ORDER BY seq")
        found = [tuple(row) for row in connection.execute(asked)]
    engine.dispose()
    return found


def test_nothing_is_lost_and_the_log_says_where_it_ended_before(store_address: str) -> None:
    before = build_fifth_store(store_address)
    said = entries(store_address)
    for _opened_again in range(2):
        store = Store(store_address)
        with store.database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables) == []
        log = store.log()
        assert [(row.seq, row.case_id, row.version, row.kind, row.at, row.entry) for row in log[: len(said)]] == said
        assert (log[len(said)].kind, json.loads(log[len(said)].entry)) == (
            "resealed", {"v": 1, "entries": before.entries, "hash": before.hash},
        )  # fmt: skip
        assert isinstance(store.verify(), Head)
        assert json.loads(store.cases()["case-1"].body) == a_case("case-1")
        assert json.loads(store.cases()["case-1"].evidence) == {"v": 1, "words": "adco.example"}
        known = store.cases()["case-3"].ending
        assert known is not None
        assert (known.at, known.devices, known.groups) == (ENDED_AT, 23, ("6-8", "k-5"))
        assert set(store.findings()) == {b"finding", json.dumps(FINDING).encode()}
        report = stored_report(store)
        assert (report["waived"], report["differential"], report["coverage"]) == ([WAIVED], [MET], {"flows": 7})
        store.close()


def test_no_octet_of_before_is_left_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "cases.db"
    build_fifth_store(f"sqlite:///{path}")
    assert all(word in path.read_bytes() for word in PLAIN)
    Store(f"sqlite:///{path}").close()
    files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    # The agreement of a finding stands beside it: by it records go to their partition.
    assert [word for word in PLAIN if word in files] == [b"mathtrek"]


def test_a_finding_of_before_is_forgotten_with_its_case(store_address: str) -> None:
    build_fifth_store(store_address)
    store = Store(store_address)
    promise = Promise(FINDING["agreement"], FINDING["rule"], FINDING["clause"], FINDING["subject"])
    with store.database.reading() as connection:
        owners = connection.execute(sa.text("SELECT case_id FROM findings ORDER BY id")).scalars().all()
    assert owners == ["", case_id(promise)]
    purge = forget(store, ["case-1"], by="officer", reason="Because.")
    assert purge.is_complete
    assert purge.cases[0].entries == 2
    assert "case-1" not in store.cases()
    assert isinstance(store.verify(), Head)
    store.close()


@pytest.mark.parametrize("text", ["UPDATE case_log SET entry = 'x'", "DELETE FROM case_log"])
def test_a_log_that_was_changed_before_stays_broken_at_the_same_row(tmp_path: Path, text: str) -> None:
    address = f"sqlite:///{tmp_path}/cases.db"
    build_fifth_store(address)
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        for name in ("case_log_no_update", "case_log_no_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(f"{text} WHERE seq = 3")
        for name, what in (("no_update", "UPDATE"), ("no_delete", "DELETE")):
            body = "SELECT RAISE(ABORT, 'the case log is append-only')"
            connection.exec_driver_sql(f"CREATE TRIGGER case_log_{name} BEFORE {what} ON case_log BEGIN {body}; END")
    engine.dispose()
    store = Store(address)
    found = store.verify()
    assert isinstance(found, Break)
    assert found.seq == 3
    store.close()


def test_rows_are_still_held_by_the_triggers(store_address: str) -> None:
    build_fifth_store(store_address)
    store = Store(store_address)
    for text in ("UPDATE case_log SET kind = 'x'", "DELETE FROM case_log"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.database.engine.begin() as connection:
            connection.exec_driver_sql(text)
    store.close()
