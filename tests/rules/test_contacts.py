"""The contact log: what it keeps, in which order it gives it back, and how it survives a restart."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import contacts
from rules.checks.example import event
from rules.contacts import Contact, ContactLog, Met, contact_of, pieces

DAY = date(2026, 10, 14)
NEXT_DAY = date(2026, 10, 15)


def met(at_ms: int, *, site: str = "@mathlab", device: str = "d1", day: date = DAY, school: str = "north") -> Met:
    contact = Contact(
        at_ms=at_ms, site=site, until_ms=at_ms + 1_500, bytes_up=700, bytes_down=9_000, school=school, group="k-5"
    )
    return Met(day=day, device=device, contact=contact)


def log_of(*mets: Met) -> ContactLog:
    log = ContactLog()
    for each in mets:
        log.note(each)
    return log


def held(log: ContactLog) -> dict[date, list[tuple[str, list[Contact]]]]:
    return {day: list(log.devices(day)) for day in log.days()}


def test_contacts_come_back_by_device_in_order_of_time_whatever_came_first() -> None:
    early, late = met(1_000), met(2_000, site="adco.example")
    assert list(log_of(late, early).devices(DAY)) == [("d1", [early.contact, late.contact])]


def test_the_order_in_which_names_first_appear_does_not_show() -> None:
    one, two = met(1_000, site="b.example", school="south"), met(1_000, site="a.example")
    assert held(log_of(one, two)) == held(log_of(two, one))


def test_an_event_becomes_a_contact_in_milliseconds() -> None:
    seen = event({"started_at": "2026-10-14T15:00:00.250999Z", "ended_at": "2026-10-14T15:00:02.000000Z"}, number=1)
    contact = contact_of(seen, started=datetime(2026, 10, 14, 15, 0, 0, 250_999, tzinfo=UTC), site="@mathlab")
    assert contact.at_ms % 1_000 == 250
    assert contact.until_ms - contact.at_ms == 1_750
    assert (contact.bytes_up, contact.school, contact.group) == (2000, "north-es", "6-8")


def test_octets_beyond_what_a_row_holds_stay_at_its_largest_number() -> None:
    seen = event({"bytes_up": 2**40}, number=1)
    assert contact_of(seen, started=datetime(2026, 10, 14, 15, tzinfo=UTC), site="@a").bytes_up == 2**32 - 1


def test_a_day_that_is_forgotten_leaves_nothing() -> None:
    log = log_of(met(1_000), met(2_000, day=NEXT_DAY))
    log.forget(DAY)
    assert log.days() == [NEXT_DAY]
    assert len(log) == 1


def test_pieces_bring_everything_back() -> None:
    mets = [met(1_000), met(2_000, site="adco.example", device="d2"), met(3_000, day=NEXT_DAY)]
    again = ContactLog()
    for day, octets in pieces(mets).items():
        again.restore(day, octets)
    assert held(again) == held(log_of(*mets))


def test_what_is_no_piece_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        ContactLog().restore(DAY, b"nonsense")


def test_a_contact_that_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MAX_CONTACTS", 2)
    log = log_of(met(1_000), met(2_000), met(3_000))
    assert (len(log), log.lost) == (2, 1)


def test_names_have_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MAX_NAMES", 4)
    log = log_of(met(1_000), met(2_000, site="one.example"), met(3_000, site="two.example"))
    assert (len(log), log.lost) == (2, 1)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**45), st.text(min_size=1, max_size=8), st.integers(0, 2**33), st.integers(0, 2**32 - 1)
        ),
        max_size=20,
    )
)
def test_any_contacts_survive_the_way_through_pieces(rows: list[tuple[int, str, int, int]]) -> None:
    mets = [
        Met(
            day=DAY,
            device=site,
            contact=Contact(
                at_ms=at, site=site, until_ms=at + min(lasted, 2**32 - 1), bytes_up=octets, bytes_down=0,
                school="s", group="g",
            ),
        )
        for at, site, lasted, octets in rows
    ]  # fmt: skip
    again = ContactLog()
    for day, octets in pieces(mets).items():
        again.restore(day, octets)
    assert held(again) == held(log_of(*mets))
