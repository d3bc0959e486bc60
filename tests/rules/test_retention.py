"""What has been kept for as long as it may be is let go: by the day it was taken in, in steps, and cases stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from rules.case_keys import case_of
from rules.desk.access_log import AccessLog
from rules.findings import Case
from rules.floors import Floors
from rules.retention import DayLedger, Policy
from rules.store import FindingRow, Position, Store, schema
from rules.store.retention import SEEN, STEP_ROWS, due_cases, last_purge, note_held, noted, purge, read_ledger
from rules.store.rounding import round_times
from rules.versions import CaseVersion
from tests.rules.first_store import a_case
from tests.rules.test_told import finding
from tests.rules.told_cases import Hands

if TYPE_CHECKING:
    from rules.findings import Finding

NOW = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)
DAYS = 90
POLICY = Policy(finding_days=DAYS)


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    own = Store(store_address, clock=Hands())
    yield own
    own.close()


def keep(store: Store, *findings: Finding, state: dict[str, bytes] | None = None) -> None:
    store.commit(
        findings={
            each.id: FindingRow(each.agreement, case_of(each), msgspec.json.encode(each)) for each in findings
        },
        cases=(), state=state or {}, position=None,
    )  # fmt: skip


def count(store: Store, table: sa.Table) -> int:
    with store.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def names(store: Store) -> set[str]:
    return set(store.states(""))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=40), st.integers(1, 90))
def test_no_day_is_held_longer_than_the_policy_nor_let_go_before(moves: list[tuple[int, int]], days: int) -> None:
    ledger, since, first = DayLedger(), dict[date, date](), date(2026, 1, 1)
    for day, on in sorted(moves, key=lambda move: move[1]):
        today, of = first + timedelta(days=on), first + timedelta(days=day)
        ledger.note([of], on=today)
        since.setdefault(of, today)
        due = ledger.due(today, keep_days=days)
        assert due == {each for each, at in since.items() if today - at >= timedelta(days=days)}
        ledger.let_go(due)
        for each in due:
            del since[each]
        ledger = DayLedger(ledger.as_state())
        assert ledger.since == since


def test_a_date_that_is_still_to_come_is_brought_back_and_no_other() -> None:
    ledger, today = DayLedger(), date(2026, 10, 14)
    ledger.note([date(2026, 10, 1)], on=date(2026, 10, 2))
    ledger.note([date(2026, 10, 3)], on=date(2036, 10, 3))
    assert ledger.bring_back(on=today)
    assert ledger.since == {date(2026, 10, 1): date(2026, 10, 2), date(2026, 10, 3): today}
    assert not ledger.bring_back(on=today)


def seen(store: Store) -> set[str]:
    return {at[:10] for at in json.loads(noted(store.database, SEEN) or "{}").values()}


def take_in(store: Store) -> None:
    """Keep a finding, counts and an input."""
    keep(store, finding("d"), state={"counted/2026-10-14/1": b"x", "engine": b"{}"})
    store.commit(findings={}, cases=(), state={}, position=Position(sha256="a" * 64, name="x", events=1, finished=True))


def test_the_days_of_what_is_held_begin_though_nobody_purges(store: Store) -> None:
    take_in(store)
    note_held(store, now=NOW)
    assert read_ledger(store.database).since == {date(2026, 10, 14): NOW.date()}
    assert seen(store) == {"2026-10-14"}
    note_held(store, now=NOW + timedelta(days=40))
    assert read_ledger(store.database).since == {date(2026, 10, 14): NOW.date()}
    assert (last_purge(store.database).at, count(store, schema.findings)) == (None, 1)
    gone = purge(store, policy=POLICY, now=NOW + timedelta(days=DAYS)).removed
    assert gone == {"findings": 1, "counted": 1, "inputs": 1}


def test_a_clock_that_was_years_ahead_keeps_nothing_for_years(store: Store) -> None:
    take_in(store)
    purge(store, policy=POLICY, now=NOW + timedelta(days=3650))
    assert purge(store, policy=POLICY, now=NOW).removed.total() == 0
    assert set(read_ledger(store.database).since.values()) == {NOW.date()}
    assert seen(store) == {"2026-10-14"}
    gone = purge(store, policy=POLICY, now=NOW + timedelta(days=DAYS)).removed
    assert gone == {"findings": 1, "counted": 1, "inputs": 1}


def test_a_clock_that_was_years_behind_takes_nothing_away_once_it_is_right(store: Store) -> None:
    body = json.dumps(a_case("c"))
    store.keep([CaseVersion(id="c", version=1, state="open", body=body)], parts=())
    (entry, *_) = store.log()
    told = datetime.fromisoformat(entry.at)
    take_in(store)
    purge(store, policy=POLICY, now=told - timedelta(days=3650))
    assert purge(store, policy=POLICY, now=told + timedelta(hours=1)).removed.total() == 0
    assert set(read_ledger(store.database).since.values()) == {told.date()}
    gone = purge(store, policy=POLICY, now=told + timedelta(days=DAYS)).removed
    assert gone == {"findings": 1, "counted": 1, "inputs": 1}


def test_findings_and_counts_go_after_ninety_days_whenever_it_was_that_they_speak_of(store: Store) -> None:
    old = [finding(f"d{each}") for each in range(STEP_ROWS + 3)]
    keep(store, *old, state={"counted/2026-10-14/1": b"x", "engine": b"{}", "report": b"{}"})
    assert purge(store, policy=POLICY, now=NOW).removed.total() == 0
    later = NOW + timedelta(days=40)
    # A capture of years ago, read today: it counts from today.
    keep(store, finding("late", day=-900))
    assert purge(store, policy=POLICY, now=later).removed.total() == 0
    before = NOW + timedelta(days=DAYS, seconds=-NOW.hour * 3600 - 1)
    assert purge(store, policy=POLICY, now=before).removed.total() == 0
    # A look changes nothing.
    gone = NOW + timedelta(days=DAYS)
    assert purge(store, policy=POLICY, now=gone, dry="yes").removed == {"findings": len(old), "counted": 1}
    assert count(store, schema.findings) == len(old) + 1
    found = purge(store, policy=POLICY, now=gone)
    assert found.removed == {"findings": len(old), "counted": 1}
    assert found.days == {date(2026, 10, 14)}
    assert [json.loads(body)["device"] for body in store.findings()] == ["late"]
    assert names(store) == {"engine", "report"}
    assert read_ledger(store.database).horizon == date(2026, 10, 14)
    told = last_purge(store.database)
    assert (told.at, told.removed["findings"]) == (gone, len(old))


def test_contacts_that_nobody_closed_go_after_72_hours_and_inputs_after_ninety_days(store: Store) -> None:
    keep(store, state={"contacts/2026-10-14/0": b"x"})
    store.commit(
        findings={}, cases=(), state={}, position=Position(sha256="a" * 64, name="day.pcap", events=1, finished=True)
    )
    purge(store, policy=POLICY, now=NOW)
    assert purge(store, policy=POLICY, now=NOW + timedelta(hours=71)).removed.total() == 0
    assert purge(store, policy=POLICY, now=NOW + timedelta(hours=72)).removed == {"contacts": 1}
    assert purge(store, policy=POLICY, now=NOW + timedelta(days=DAYS)).removed == {"inputs": 1}
    assert store.position("a" * 64) is None


def test_what_was_told_and_who_signed_in_goes_by_the_policy(store: Store) -> None:
    clock = Hands(NOW)
    AccessLog(store, clock=clock).note("signed_in", who="ada", origin="192.0.2.1")
    row = {"channel": "mail:x", "item": "entry/1", "seq": 1, "case_id": "c", "due_at": int(NOW.timestamp())}
    rows = [row | {"sent_at": row["due_at"]}, row | {"item": "entry/2", "sent_at": None}]
    with store.database.writing() as connection:
        connection.execute(sa.insert(schema.outbox), rows)
    policy = Policy(told_days=30, access_days=60)
    assert purge(store, policy=policy, now=NOW + timedelta(days=30)).removed.total() == 0
    assert purge(store, policy=policy, now=NOW + timedelta(days=31)).removed == {"outbox": 2}
    assert purge(store, policy=policy, now=NOW + timedelta(days=61)).removed == {"access_log": 1}


def test_times_that_earlier_releases_kept_to_the_second_are_rounded_by_the_first_purge(store: Store) -> None:
    at = int(NOW.timestamp()) + 437
    row = {"channel": "mail:x", "item": "entry/1", "seq": 1, "case_id": "c", "due_at": at}
    rows = [row | {"sent_at": at + 5}, row | {"item": "entry/2", "sent_at": None}]
    exact = {"case_id": "c", "number": 1, "key": b"k" * 32, "made_at": f"{NOW:%Y-%m-%d}T11:23:45.678901Z"}
    with store.database.writing() as connection:
        connection.execute(sa.insert(schema.outbox), rows)
        connection.execute(sa.insert(schema.case_keys), [exact, exact | {"case_id": "d", "key": None}])
    purge(store, policy=POLICY, now=NOW, dry="yes")
    assert exact["made_at"] in made(store)
    purge(store, policy=POLICY, now=NOW)
    assert made(store) == {f"{NOW:%Y-%m-%d}T11:15Z"}
    kept = schema.outbox.c
    with store.database.reading() as connection:
        told = connection.execute(sa.select(kept.due_at, kept.sent_at).order_by(kept.item)).all()
    quarter = at // 900 * 900
    assert [tuple(each) for each in told] == [(quarter, quarter), (at, None)]
    with store.database.writing() as connection:
        assert round_times(connection) == 0


def made(store: Store) -> set[str]:
    with store.database.reading() as connection:
        return {*connection.execute(sa.select(schema.case_keys.c.made_at)).scalars()}


def test_cases_are_due_so_many_days_after_somebody_ended_them(store: Store) -> None:
    for case_id in ("ended", "open"):
        body = json.dumps(a_case(case_id))
        store.keep([CaseVersion(id=case_id, version=1, state="open", body=body)], parts=())
    store.act("ended", act="closed", by="ada", text="", reason="explained")
    policy = Policy(case_days=30)
    assert due_cases(store.database, policy=policy, now=NOW + timedelta(days=29)) == []
    assert due_cases(store.database, policy=policy, now=NOW + timedelta(days=31)) == ["ended"]
    assert purge(store, policy=policy, now=NOW + timedelta(days=31)).due_cases == ["ended"]
    assert due_cases(store.database, policy=Policy(), now=NOW + timedelta(days=3000)) == []


def test_who_is_stopped_in_the_middle_goes_on_the_next_time(store: Store) -> None:
    keep(store, *(finding(f"d{each}") for each in range(3 * STEP_ROWS)))
    purge(store, policy=POLICY, now=NOW)
    asked = iter([True, False])
    later = NOW + timedelta(days=DAYS)
    found = purge(store, policy=POLICY, now=later, still=lambda: next(asked, False))
    assert (found.whole, count(store, schema.findings)) == (False, 2 * STEP_ROWS)
    assert last_purge(store.database).at == NOW
    # What is left was let go of already: it is found without a date, and must not get another ninety days.
    assert purge(store, policy=POLICY, now=later + timedelta(hours=1)).removed == {"findings": 2 * STEP_ROWS}


def a_case_now(**changes: Any) -> Any:
    body = a_case("c", **changes)
    return Case(**{**body, "schools": tuple(body["schools"]), "groups": tuple(body["groups"])})


def test_a_case_that_lost_evidence_never_says_less_than_it_did() -> None:
    floors = Floors()
    body = json.dumps(a_case("c"))
    evidence = json.dumps({"days": [{"day": "2026-10-14", "devices": 41}, {"day": "2026-10-16", "devices": 1}]})
    floors.learn([("c", body, evidence)], horizon=date(2026, 10, 13), zone=UTC)
    assert "c" not in floors
    floors.learn([("c", body, evidence)], horizon=date(2026, 10, 15), zone=UTC)
    assert "c" in floors
    now = a_case_now(devices=2, flows=3, groups=["staff"], first_seen="2026-10-16T10:00:00.000000Z", summary="now")
    said = floors.over(now)
    assert (said.devices, said.flows, said.groups) == (41, 312, ("k-5", "staff"))
    assert (said.first_seen, said.summary) == ("2026-10-14T13:07:12.123456Z", a_case("c")["summary"])
    more = a_case_now(devices=50, summary="more")
    assert (floors.over(more).devices, floors.over(more).summary) == (50, "more")
    told = floors.evidence("c", {"days": [{"day": "2026-10-16", "devices": 2}]})
    assert told["days"] == [{"day": "2026-10-14", "devices": 41}, {"day": "2026-10-16", "devices": 2}]
