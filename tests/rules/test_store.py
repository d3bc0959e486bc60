"""Outputs, state and position move together or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rules.store import CaseRow, Position, Store, StoreError

SHA = "a" * 64


def at(folder: Path) -> str:
    return f"sqlite:///{folder / 'cases.db'}"


def case(version: int = 1, state: str = "open") -> CaseRow:
    return CaseRow(id="c1", version=version, state=state, body=b'{"id":"c1"}')


def position(events: int, *, finished: bool) -> Position:
    return Position(sha256=SHA, name="day.pcap", events=events, finished=finished)


def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(at(tmp_path))
    store.commit(
        findings={"f1": ("mathtrek", b"one")},
        cases=[case()],
        state={"coverage": b"{}"},
        position=position(7, finished=False),
    )
    store.close()
    again = Store(at(tmp_path))
    assert list(again.findings()) == [b"one"]
    assert again.cases() == {"c1": case()}
    assert again.state("coverage") == b"{}"
    assert again.position(SHA) == position(7, finished=False)


def test_a_finding_and_a_case_of_the_same_id_are_replaced(tmp_path: Path) -> None:
    store = Store(at(tmp_path))
    for body, version in ((b"old", 1), (b"new", 2)):
        store.commit(
            findings={"f1": ("mathtrek", body)},
            cases=[case(version)],
            state={},
            position=position(version, finished=version == 2),
        )
    assert list(store.findings()) == [b"new"]
    assert store.cases()["c1"].version == 2
    assert store.position(SHA) == position(2, finished=True)


def test_a_commit_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(at(tmp_path))
    broken = CaseRow(id="c1", version=1, state="open", body=None)  # type: ignore[arg-type]  # what the database refuses
    with pytest.raises(StoreError):
        store.commit(
            findings={"f1": ("m", b"x")}, cases=[broken], state={"s": b""}, position=position(1, finished=True)
        )
    assert list(store.findings()) == []
    assert store.state("s") is None
    assert store.position(SHA) is None


def test_a_reader_sees_the_cases_while_a_writer_holds_the_store(tmp_path: Path) -> None:
    writer, reader = Store(at(tmp_path)), Store(at(tmp_path))
    writer.commit(findings={}, cases=[case()], state={}, position=None)
    assert set(reader.cases()) == {"c1"}


@pytest.mark.parametrize(
    "address", ["no address", "nosuch://x", "sqlite:////nosuchfolder/x.db"], ids=["no url", "no such kind", "no folder"]
)
def test_an_address_that_does_not_work_is_one_sentence(address: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(address)
    assert "\n" not in str(caught.value).split("(")[0]


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    Store(at(tmp_path)).close()
    with sqlite3.connect(tmp_path / "cases.db") as database:
        database.execute("UPDATE meta SET value = '99'")
    database.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(at(tmp_path))


def test_a_password_in_the_address_is_never_shown(tmp_path: Path) -> None:
    store = Store(at(tmp_path))
    assert "secret" not in store.address
    with pytest.raises(StoreError) as caught:
        Store("postgresql+psycopg://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
