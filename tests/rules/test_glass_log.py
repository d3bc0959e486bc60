"""Break-glass in the case log: two people of two roles, and when it is not allowed although they say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from collector.break_glass import commitment
from rules.desk.access_log import COMMAND_LINE, AccessLog
from rules.errors import StepRefusedError
from rules.store import Store
from rules.store.database import SQLITE
from rules.store.glass import LONGEST_REASON, MOST_LISTED, MOST_OPEN, SETTLED, GlassLog
from tests.rules.told_cases import START, Hands

DEVICE = "00c0ffee00c0ffee"
REASON = "Resolver alarm 4711: command server of the FluBot family, 10:42"


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def store(store_address: str, clock: Hands) -> Iterator[Store]:
    own = Store(store_address, clock=clock)
    yield own
    own.close()


@pytest.fixture
def log(store: Store, clock: Hands) -> GlassLog:
    return GlassLog(store, clock=clock)


def ask(log: GlassLog, *, by: str = "ivo", reason: str = REASON) -> str:
    """Ask for the device as district IT, and return the name of the request."""
    return log.ask(by=by, role="it", reason=reason, commit=lambda name: commitment(name, DEVICE))


def allow(log: GlassLog, request: str, *, by: str = "ada") -> str:
    """Allow a request as an officer, and return who asked."""
    return log.allow(request, by=by, role="officer", commitment=commitment(request, DEVICE)).by


def take_key(store: Store, request: str) -> None:
    """Take the key of a request out of the store, as a backup that is restored without its keys does."""
    with store.database.writing() as connection:
        connection.execute(sa.text("DELETE FROM case_keys WHERE case_id = :id"), {"id": request})


def test_the_log_takes_two_people_of_two_roles_and_stays_whole(store: Store, log: GlassLog, clock: Hands) -> None:
    refused: list[Callable[[], object]] = [
        lambda: log.ask(by="ada", role="officer", reason=REASON, commit=lambda _: "c"),
        lambda: ask(log, reason="malware"),
        lambda: allow(log, "glass-none"),
    ]
    for attempt in refused:
        with pytest.raises(StepRefusedError):
            attempt()
    named = ask(log)
    right = commitment(named, DEVICE)
    for by, role, what, says in (
        ("ivo", "it", right, "a second person"),
        ("ivo", "officer", right, "a second person"),  # the same person under another role
        ("ina", "it", right, "only a privacy officer"),
        ("ann", "auditor", right, "only a privacy officer"),
        ("ada", "officer", commitment(named, "f" * 16), "another device"),
    ):
        for step in (log.wanted, log.allow):
            with pytest.raises(StepRefusedError, match=says):
                step(named, by=by, role=role, commitment=what)
    clock.at = START + timedelta(minutes=61)
    with pytest.raises(StepRefusedError, match="older than an hour"):
        allow(log, named)
    clock.at = START
    assert log.wanted(named, by="ada", role="officer", commitment=right).reason == REASON
    assert log.allow(named, by="ada", role="officer", commitment=right).reason == REASON
    with pytest.raises(StepRefusedError, match="allowed before"):
        allow(log, named)
    (approval,) = log.record().approvals
    assert (approval.given.kind, approval.given.by) == ("glass_allowed", "ada")
    assert log.record().requests == [approval.asked]
    entries = store.log(named)
    assert [entry.kind for entry in entries] == ["glass_asked", "glass_allowed"]
    assert DEVICE not in json.dumps([entry.entry for entry in entries])
    assert getattr(store.verify(), "entries", 0) == 2


def test_nothing_is_allowed_on_a_log_that_was_changed(store: Store, log: GlassLog, clock: Hands) -> None:
    late = ask(log)
    clock.pass_(3601)
    other = ask(log)
    with store.database.writing() as connection:
        sqlite = store.database.kind == SQLITE
        off = "DROP TRIGGER case_log_no_update" if sqlite else "ALTER TABLE case_log DISABLE TRIGGER USER"
        connection.execute(sa.text(off))
        young = clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connection.execute(sa.text("UPDATE case_log SET at = :at WHERE case_id = :id"), {"at": young, "id": late})
    # Neither the row that was changed nor another one: who changes one row may have changed more.
    for request in (late, other):
        with pytest.raises(StepRefusedError, match=r"row 1, .*run `schoolgate cases verify`"):
            allow(log, request)
    assert [entry.kind for entry in store.log()] == ["glass_asked", "glass_asked"]


def test_a_request_from_the_future_is_refused_and_one_of_a_clock_that_is_a_little_fast_is_not(
    log: GlassLog, clock: Hands
) -> None:
    request = ask(log)
    clock.at = START - timedelta(minutes=5, seconds=1)
    with pytest.raises(StepRefusedError, match="dated ahead of this clock"):
        allow(log, request)
    clock.at = START - timedelta(minutes=5)
    assert allow(log, request) == "ivo"


def test_a_request_whose_key_is_gone_is_refused_in_words(store: Store, log: GlassLog) -> None:
    request = ask(log)
    take_key(store, request)
    with pytest.raises(StepRefusedError, match="cannot be read"):
        allow(log, request)


def test_an_officer_who_was_made_or_changed_within_a_day_before_the_request_or_after_it_allows_nothing(
    store: Store, log: GlassLog, clock: Hands
) -> None:
    people = AccessLog(store, clock=clock)
    # Old enough by one second, and what other people or sign-ins do says nothing.
    people.note("user_added", who="old", origin=COMMAND_LINE)
    clock.pass_(1)
    people.note("user_added", who="added", origin=COMMAND_LINE)
    clock.pass_(SETTLED.total_seconds())
    people.note("user_changed", who="changed", origin=COMMAND_LINE)
    people.note("user_removed", who="removed", origin=COMMAND_LINE)
    people.note("signed_in", who="old", origin=COMMAND_LINE)
    request = ask(log)
    clock.pass_(60)
    people.note("user_added", who="after", origin=COMMAND_LINE)
    clock.pass_(60)
    for who in ("added", "changed", "removed", "after"):
        with pytest.raises(StepRefusedError, match=f"the account {who} was made or changed.*; let another officer"):
            allow(log, request, by=who)
    assert allow(log, request, by="old") == "ivo"


def test_an_approval_stays_on_the_record_however_many_ask_later(log: GlassLog) -> None:
    request = ask(log)
    allow(log, request)
    for number in range(MOST_LISTED + 3):
        ask(log, by=f"ivo{number}")
    record = log.record()
    assert (len(record.requests), record.asked) == (MOST_LISTED, MOST_LISTED + 4)
    (approval,) = record.approvals
    assert (approval.given.by, approval.given.request) == ("ada", request)
    assert approval.asked is not None
    assert (approval.asked.by, approval.asked.reason) == ("ivo", REASON)
    assert request not in {row.request for row in record.requests}


def test_rows_whose_key_is_gone_are_there_with_time_and_kind(store: Store, log: GlassLog) -> None:
    lost, kept = ask(log), ask(log)
    allow(log, lost)
    take_key(store, lost)
    record = log.record()
    assert [(row.request, row.by, row.reason) for row in record.requests] == [(kept, "ivo", REASON), (lost, "", "")]
    (approval,) = record.approvals
    assert (approval.given.request, approval.given.kind, approval.given.by) == (lost, "glass_allowed", "")
    assert approval.given.at.startswith(f"{START:%Y-%m-%d}")


def test_a_reason_is_neither_too_short_nor_too_long(log: GlassLog) -> None:
    assert ask(log, reason="x" * LONGEST_REASON)
    with pytest.raises(StepRefusedError, match="longer than 500 characters; say it shorter"):
        ask(log, reason="x" * (LONGEST_REASON + 1))


def test_one_person_waits_for_five_answers_at_most_and_others_ask_on(log: GlassLog, clock: Hands) -> None:
    requests = [ask(log) for _ in range(MOST_OPEN)]
    with pytest.raises(StepRefusedError, match="ivo waits for 5 answers already"):
        ask(log)
    ask(log, by="ina")
    # An answer makes room for one, and so does the hour for all.
    allow(log, requests[0])
    ask(log)
    with pytest.raises(StepRefusedError, match="waits for 5"):
        ask(log)
    clock.pass_(3601)
    ask(log)
