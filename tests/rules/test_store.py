"""Outputs, state and position move together or not at all; SQLite and PostgreSQL give the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from rules.store import CaseRow, FindingRow, Position, Store, StoreError
from rules.versions import CaseVersion, ReportPart

SHA = "a" * 64


def case(version: int = 1, state: str = "open") -> CaseRow:
    return CaseRow(id="c1", version=version, state=state, body=b'{"id":"c1"}')


def position(events: int, *, finished: bool) -> Position:
    return Position(sha256=SHA, name="day.pcap", events=events, finished=finished)


def test_what_was_committed_is_there_after_a_restart(store_address: str) -> None:
    store = Store(store_address)
    store.commit(
        findings={"f1": FindingRow("mathtrek", "c1", b"one")},
        cases=[case()],
        state={"coverage": b"{}"},
        position=position(7, finished=False),
    )
    store.close()
    again = Store(store_address)
    assert list(again.findings()) == [b"one"]
    assert again.cases() == {"c1": case()}
    assert again.case("c1") == case()
    assert again.case("c2") is None
    assert again.state("coverage") == b"{}"
    assert again.position(SHA) == position(7, finished=False)
    again.close()


def test_a_finding_and_a_case_of_the_same_id_are_replaced(store_address: str) -> None:
    store = Store(store_address)
    for body, version in ((b"old", 1), (b"new", 2)):
        store.commit(
            findings={"f1": FindingRow("mathtrek", "c1", body)},
            cases=[case(version)],
            state={},
            position=position(version, finished=version == 2),
        )
    assert list(store.findings()) == [b"new"]
    assert store.cases()["c1"].version == 2
    assert store.position(SHA) == position(2, finished=True)
    store.close()


def test_a_commit_that_fails_leaves_nothing_behind(store_address: str) -> None:
    store = Store(store_address)
    refused: dict[str, bytes] = {"s": None}  # type: ignore[dict-item]  # what the database refuses
    with pytest.raises(StoreError):
        store.commit(
            findings={"f1": FindingRow("m", "c1", b"x")},
            cases=[case()],
            state=refused,
            position=position(1, finished=True),
        )
    assert list(store.findings()) == []
    assert store.cases() == {}
    assert store.log() == []
    assert store.state("s") is None
    assert store.position(SHA) is None
    store.close()


def test_a_reader_sees_the_cases_while_a_writer_holds_the_store(store_address: str) -> None:
    writer, reader = Store(store_address), Store(store_address)
    writer.commit(findings={}, cases=[case()], state={}, position=None)
    with writer.database.writing():
        assert set(reader.cases()) == {"c1"}
    writer.close()
    reader.close()


def test_the_highest_version_of_a_part_stays_whoever_comes_last(store_address: str) -> None:
    store = Store(store_address)
    for version in (2, 1, 3, 2):
        store.keep((), parts=[ReportPart(name="frame", version=version, body=f"{version}")])
    assert store.parts() == {"frame": "3"}
    store.close()


def test_several_writers_at_once_lose_nothing_and_make_one_chain(store_address: str) -> None:
    def write(writer: int) -> None:
        store = Store(store_address)
        for number in range(10):
            rows = [CaseVersion(id=f"{writer}-{number}-{one}", version=1, state="open", body="{}") for one in range(3)]
            store.keep(rows, parts=[ReportPart(name="frame", version=number, body="x")])
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = Store(store_address)
    assert len(store.cases()) == 120
    assert [entry.seq for entry in store.log()] == list(range(1, 121))
    assert getattr(store.verify(), "entries", None) == 120
    store.close()


@pytest.mark.parametrize(
    "address",
    ["no address", "nosuch://x", "mysql://x", "sqlite:////nosuchfolder/x.db"],
    ids=["no url", "no such kind", "another kind", "no folder"],
)
def test_an_address_that_does_not_work_is_one_sentence(address: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(address)
    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_never_shown(store_address: str) -> None:
    store = Store(store_address)
    assert "secret" not in store.address
    with pytest.raises(StoreError) as caught:
        Store("postgresql+psycopg://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    store.close()


def test_both_databases_hold_the_same_octets(new_store: Callable[[], str]) -> None:
    """Names from the network in any script, whatever they are made of."""
    odd = json.dumps(
        {"id": "c1", "subject": "пример\u0000\ud800.example", "summary": "<b>\n\u2028'\"; DROP TABLE cases"}
    )
    store = Store(new_store())
    store.keep([CaseVersion(id="c1", version=1, state="open", body=odd, evidence=odd)], parts=())
    row = store.cases()["c1"]
    assert (row.body, row.evidence) == (odd.encode(), odd)
    assert store.verify() is not None
    assert json.loads(store.log()[0].entry)["case"]["subject"] == "пример\u0000\ud800.example"
    store.close()
