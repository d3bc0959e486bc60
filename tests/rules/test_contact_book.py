"""Contacts over restarts, in a real store: open days as contacts, closed ones as counts, and cases that stay."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from rules.checks.example import SCHOOL_DAY, among_others, event, lessons
from rules.closed_contacts import closed, is_timeless
from rules.contact_book import CONTACTS, COUNTED, ContactBook
from rules.counted import packed, packed_closed, unpacked
from rules.estimator import Estimator
from rules.findings import RULES
from rules.metrics import RulesMetrics
from rules.rehearsal import TOKEN_KEY, world
from rules.service import EmbeddedService
from rules.store import Position, Store, StoreError
from rules.versions import OPEN
from rules.windows import Counts
from tests.rules.made_contacts import BROUGHT, FIRST_DAY, PARTY, Scene, at, counts_of, log_of, visits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.events import FlowEvent
    from rules.contact_book import Kept
    from rules.contacts import Contact, ContactLog

NEXT_DAY = FIRST_DAY + timedelta(days=1)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Address of a new store."""
    return f"sqlite:///{tmp_path / 'cases.db'}"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """A new store."""
    made = Store(address)
    yield made
    made.close()


def note(book: ContactBook, mets: Scene) -> None:
    """Take contacts in."""
    for met in mets:
        book.log.note(met)


def write(store: Store, kept: Kept, **more: bytes) -> None:
    """Write down what a book wants kept, as the service does."""
    store.commit(findings={}, cases=(), state={**kept.written, **more}, position=None, dropped=kept.dropped)


def commit(store: Store, book: ContactBook) -> Kept:
    """Write down what changed, and tell the book."""
    kept = book.changes()
    write(store, kept)
    book.committed(kept)
    return kept


def close(book: ContactBook, day: date) -> None:
    """End a day, as the service does."""
    counts = Counts()
    for part in Estimator(world().rulebook).hours(book.log, day=day, key=TOKEN_KEY).values():
        counts.add(part)
    counts.rows = closed(counts.rows)
    book.log.forget(day)
    book.close(day, counts=counts)


def held(log: ContactLog) -> dict[date, list[tuple[str, list[Contact]]]]:
    """Return everything that a log holds."""
    return {day: list(log.devices(day)) for day in log.days()}


def as_closed(*scenes: Scene) -> bytes:
    """Return what is left of scenes that were closed one after the other, as octets."""
    total = Counts()
    for scene in scenes:
        counts = counts_of(scene)
        counts.rows = closed(counts.rows)
        total.add(counts)
    return packed_closed(total)


def test_contacts_survive_a_restart_and_go_on_growing(store: Store) -> None:
    scene = visits(*BROUGHT, days=2)
    book = ContactBook(store)
    for start in range(0, len(scene), 20):
        note(book, scene[start : start + 20])
        commit(store, book)
    again = ContactBook(store)
    assert held(again.log) == held(log_of(scene))
    more = visits(*BROUGHT, days=1, first_device=50)
    note(again, more)
    commit(store, again)
    assert held(ContactBook(store).log) == held(log_of([*scene, *more]))


def test_a_restored_contact_is_not_written_down_again(store: Store) -> None:
    book = ContactBook(store)
    note(book, visits(*BROUGHT))
    commit(store, book)
    assert ContactBook(store).changes().written == {}
    assert book.changes().written == {}


def test_what_was_committed_twice_is_there_once(store: Store) -> None:
    scene = visits(*BROUGHT, days=1)
    book = ContactBook(store)
    note(book, scene)
    kept = book.changes()
    # A commit whose success was not learnt of is written again, under the same names.
    write(store, kept)
    assert book.changes() == kept
    commit(store, book)
    commit(store, book)
    assert held(ContactBook(store).log) == held(log_of(scene))


def test_a_commit_that_fails_leaves_nothing_half_and_the_next_one_makes_up_for_it(store: Store) -> None:
    scene = visits(*BROUGHT, days=2)
    book = ContactBook(store)
    note(book, scene[:10])
    commit(store, book)
    note(book, scene[10:])
    close(book, FIRST_DAY)
    before = {name: store.states(name) for name in (CONTACTS, COUNTED)}
    with pytest.raises(StoreError):
        write(store, book.changes(), refused=None)  # type: ignore[arg-type]  # what the database refuses
    assert {name: store.states(name) for name in (CONTACTS, COUNTED)} == before
    assert held(ContactBook(store).log) == held(log_of(scene[:10]))
    commit(store, book)
    again = ContactBook(store)
    assert again.log.days() == [NEXT_DAY]
    assert packed_closed(again.closed) == as_closed([met for met in scene if met.day == FIRST_DAY])


def test_a_closed_day_leaves_counts_and_no_contact(store: Store) -> None:
    scene = visits(*BROUGHT, days=2)
    book = ContactBook(store)
    note(book, scene)
    commit(store, book)
    close(book, FIRST_DAY)
    commit(store, book)
    assert all(NEXT_DAY.isoformat() in name for name in store.states(CONTACTS))
    kept = store.states(COUNTED)
    # Of which hour anything was is not told.
    assert list(kept) == [f"{COUNTED}{FIRST_DAY}/1"]
    day = [met for met in scene if met.day == FIRST_DAY]
    assert packed_closed(unpacked(kept[f"{COUNTED}{FIRST_DAY}/1"])) == as_closed(day)
    again = ContactBook(store)
    assert again.log.days() == [NEXT_DAY]
    assert packed_closed(again.closed) == as_closed(day)


def test_contacts_of_a_day_that_closes_before_they_were_written_are_counted_and_never_written(store: Store) -> None:
    scene = visits(*BROUGHT, days=1)
    book = ContactBook(store)
    note(book, scene)
    close(book, FIRST_DAY)
    commit(store, book)
    assert store.states(CONTACTS) == {}
    assert packed_closed(ContactBook(store).closed) == as_closed(scene)


def test_contacts_that_come_after_their_day_was_closed_add_to_its_counts(store: Store) -> None:
    early, late = visits(*BROUGHT, days=1), visits(*BROUGHT, days=1, first_device=50)
    book = ContactBook(store)
    note(book, early)
    commit(store, book)
    close(book, FIRST_DAY)
    commit(store, book)
    again = ContactBook(store)
    note(again, late)
    commit(store, again)
    close(again, FIRST_DAY)
    commit(store, again)
    assert store.states(CONTACTS) == {}
    assert list(store.states(COUNTED)) == [f"{COUNTED}{FIRST_DAY}/1", f"{COUNTED}{FIRST_DAY}/2"]
    assert packed_closed(ContactBook(store).closed) == as_closed(early, late)


def test_counts_that_an_earlier_release_kept_by_the_hour_are_closed_at_start(store: Store) -> None:
    scene = visits(*BROUGHT, days=1)
    log = log_of(scene)
    hours = Estimator(world().rulebook).hours(log, day=FIRST_DAY, key=TOKEN_KEY)
    write(
        store,
        ContactBook(store).changes(),
        **{f"{COUNTED}{FIRST_DAY}/{hour}": packed(counts) for hour, counts in hours.items()},
    )
    book = ContactBook(store)
    commit(store, book)
    assert list(store.states(COUNTED)) == [f"{COUNTED}{FIRST_DAY}/1"]
    again = ContactBook(store).closed
    assert len(again.rows) == len(counts_of(scene).rows)
    assert all(is_timeless(row) for row in again.rows)
    assert again.visits == counts_of(scene).visits


def test_no_count_that_is_kept_names_a_device(store: Store) -> None:
    book = ContactBook(store)
    note(book, [at(number, site=PARTY, device=f"pseudonym{number}") for number in range(5)])
    note(book, visits(*BROUGHT, days=1))
    close(book, FIRST_DAY)
    commit(store, book)
    kept = [unpacked(octets) for octets in store.states(COUNTED).values()]
    assert any(counts.rows for counts in kept)
    assert not any(word in repr(counts) for counts in kept for word in ("pseudonym", "d0/0", "d1/0"))


def events() -> list[FlowEvent]:
    """Return three days of a class that meets an advertising company with each visit."""
    scene = among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))
    told = [event(changes, number=number) for number, changes in enumerate(scene)]
    return sorted(told, key=lambda each: each.started_at)


def service(store: Store) -> EmbeddedService:
    """Return the embedded service, as it starts on this store."""
    return EmbeddedService(
        store=store,
        rulebook=world().rulebook,
        token_key=lambda _day: bytes(32),
        today=date.fromisoformat(SCHOOL_DAY),
        metrics=RulesMetrics(CollectorRegistry(), rules=RULES, version="1", compiled=False),
    )


def position(number: int, *, finished: bool) -> Position:
    """Return how far the events are judged."""
    return Position(sha256="a" * 64, name="days.pcap", events=number, finished=finished)


def attributed(store: Store) -> dict[str, tuple[str, int]]:
    """Return verdict and device-days of the open cases that rest on attribution, by rule."""
    bodies = [json.loads(row.body) for row in store.cases().values() if row.state == OPEN]
    return {case["rule"]: (case["verdict"], case["devices"]) for case in bodies if case["subject"] == PARTY}


@pytest.fixture
def judged(store: Store) -> dict[str, tuple[str, int]]:
    """A store in which the three days were judged in one go; the cases are returned."""
    started = service(store)
    started.judge(events())
    changes = started.commit(position(len(events()), finished=True))
    assert {case.rule for case in changes.opened} >= {"undeclared-third-party", "prohibited-tracking"}
    return attributed(store)


def test_attributed_cases_survive_a_restart(store: Store, judged: dict[str, tuple[str, int]]) -> None:
    again = service(store)
    changes = again.commit(None)
    assert (changes.opened, changes.withdrawn) == ((), ())
    assert attributed(store) == judged
    assert judged["undeclared-third-party"] == ("contradicted", 12)
    assert {row.version for row in store.cases().values()} == {1}


def test_attributed_cases_survive_the_end_of_their_days_and_a_restart(
    store: Store, judged: dict[str, tuple[str, int]]
) -> None:
    started = service(store)
    assert started.close_before(date.max)
    assert not started.close_before(date.max)
    changes = started.commit(None)
    assert (changes.opened, changes.withdrawn) == ((), ())
    assert store.states(CONTACTS) == {}
    again = service(store)
    # With no contact left, an input that ends weighs everything anew from the counts alone.
    changes = again.commit(position(len(events()), finished=True))
    assert (changes.opened, changes.withdrawn) == ((), ())
    assert attributed(store) == judged


def test_days_in_two_runs_give_the_cases_of_one(
    store: Store, judged: dict[str, tuple[str, int]], tmp_path: Path
) -> None:
    told = events()
    half = len(told) // 2
    other = Store(f"sqlite:///{tmp_path / 'two-runs.db'}")
    first = service(other)
    first.judge(told[:half])
    first.commit(position(half, finished=False))
    assert first.close_before(date.fromisoformat(SCHOOL_DAY))
    second = service(other)
    second.judge(told[half:])
    second.commit(position(len(told), finished=True))
    assert attributed(other) == judged
    assert {row.body for row in other.cases().values()} == {row.body for row in store.cases().values()}
    other.close()


def test_what_was_judged_and_not_committed_is_gone_and_judged_again_to_the_same_end(
    store: Store, judged: dict[str, tuple[str, int]], tmp_path: Path
) -> None:
    told = events()
    half = len(told) // 2
    other = Store(f"sqlite:///{tmp_path / 'crash.db'}")
    first = service(other)
    first.judge(told[:half])
    first.commit(position(half, finished=False))
    # The process dies here: the second half was judged, a day of it closed, and nothing of that written down.
    first.judge(told[half:])
    first.close_before(date.fromisoformat(SCHOOL_DAY))
    written = other.states(CONTACTS)
    assert (
        sum(len(contacts) for _day, devices in held(ContactBook(other).log).items() for _d, contacts in devices) == half
    )
    assert other.states(COUNTED) == {}
    second = service(other)
    second.judge(told[half:])
    second.commit(position(len(told), finished=True))
    assert written.items() <= other.states(CONTACTS).items()
    assert attributed(other) == judged
    assert {row.body for row in other.cases().values()} == {row.body for row in store.cases().values()}
    other.close()
