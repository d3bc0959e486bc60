"""A report held to a span of time: local days in full, on days of 23 and 25 hours as well, and clear refusals."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from collector.problems import DocumentError
from rules.checks.example import event
from rules.span import Span, Within, span_of

CHICAGO = ZoneInfo("America/Chicago")
BERLIN = ZoneInfo("Europe/Berlin")


def held(span: Span | None, started: str, *, part: int = 0) -> bool:
    assert span is not None
    return span.holds(event({"started_at": started, "ended_at": started, "part": part}, number=0))


def refused(since: str | None, until: str | None) -> list[str]:
    with pytest.raises(DocumentError) as told:
        span_of(since=since, until=until, zone=CHICAGO)
    return [str(problem) for problem in told.value.problems]


@pytest.mark.parametrize(
    ("zone", "day", "first", "last", "next_day"),
    [
        # The clocks go back: the day has 25 hours.
        (CHICAGO, "2026-11-01", "2026-11-01T05:00:00.000000Z", "2026-11-02T05:59:59.999999Z", "2026-11-02T06:00:00Z"),
        (BERLIN, "2026-10-25", "2026-10-24T22:00:00.000000Z", "2026-10-25T22:59:59.999999Z", "2026-10-25T23:00:00Z"),
        # The clocks go forward: the day has 23.
        (CHICAGO, "2027-03-14", "2027-03-14T06:00:00.000000Z", "2027-03-15T04:59:59.999999Z", "2027-03-15T05:00:00Z"),
        (BERLIN, "2027-03-28", "2027-03-27T23:00:00.000000Z", "2027-03-28T21:59:59.999999Z", "2027-03-28T22:00:00Z"),
        # An ordinary one.
        (CHICAGO, "2026-10-14", "2026-10-14T05:00:00.000000Z", "2026-10-15T04:59:59.999999Z", "2026-10-15T05:00:00Z"),
    ],
)
def test_a_day_counts_from_local_midnight_to_local_midnight(
    zone: ZoneInfo, day: str, first: str, last: str, next_day: str
) -> None:
    span = span_of(since=day, until=day, zone=zone)
    assert held(span, first)
    assert held(span, last)
    assert not held(span, next_day)
    assert not held(span, "2026-10-01T00:00:00.000000Z")


def test_both_days_are_included_and_either_end_may_be_open() -> None:
    both = span_of(since="2026-10-12", until="2026-10-14", zone=CHICAGO)
    assert [held(both, f"2026-10-{day}T12:00:00Z") for day in (11, 12, 13, 14, 15)] == [False, True, True, True, False]
    assert held(span_of(since="2026-10-12", until=None, zone=CHICAGO), "2031-01-01T00:00:00Z")
    assert held(span_of(since=None, until="2026-10-14", zone=CHICAGO), "1999-01-01T00:00:00Z")
    assert span_of(since=None, until=None, zone=CHICAGO) is None


def test_a_time_counts_itself_as_the_first_and_no_longer_as_the_last() -> None:
    span = span_of(since="2026-10-14T07:30:00-05:00", until="2026-10-14T13:00:00Z", zone=BERLIN)
    assert not held(span, "2026-10-14T12:29:59.999999Z")
    assert held(span, "2026-10-14T12:30:00.000000Z")
    assert held(span, "2026-10-14T12:59:59.999999Z")
    assert not held(span, "2026-10-14T13:00:00.000000Z")


def test_a_later_part_of_a_flow_that_began_before_the_span_does_not_count() -> None:
    span = span_of(since="2026-10-14T12:00:00Z", until="2026-10-14T13:00:00Z", zone=CHICAGO)
    # Part 3 comes fifteen minutes after the flow began, or later.
    assert not held(span, "2026-10-14T12:14:59Z", part=3)
    assert held(span, "2026-10-14T12:15:00Z", part=3)
    assert not held(span, "2026-10-14T13:00:01Z", part=1)
    assert not held(span, "2026-10-14T12:30:00Z", part=10**18)


def test_in_the_hour_that_the_clocks_repeat_the_offset_decides_the_order() -> None:
    span = span_of(since="2026-11-01T01:30:00-05:00", until="2026-11-01T01:15:00-06:00", zone=CHICAGO)
    assert held(span, "2026-11-01T07:00:00Z")
    assert not held(span, "2026-11-01T07:15:00Z")
    assert refused("2026-11-01T01:15:00-06:00", "2026-11-01T01:30:00-05:00")


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "20261014", "2026-W42-3", "14.10.2026", "2026-02-30"])
def test_what_is_no_date_is_refused_with_a_remedy(text: str) -> None:
    (problem,) = refused(text, None)
    assert problem.startswith("--since:1: ")
    assert "no date and no time" in problem
    assert "2026-10-14T07:30:00-05:00" in problem


def test_a_time_without_an_offset_is_no_moment() -> None:
    (problem,) = refused(None, "2026-10-14T07:30:00")
    assert problem.startswith("--until:1: `2026-10-14T07:30:00` has no offset")


def test_the_wrong_order_is_refused_and_both_slips_are_told_at_once() -> None:
    (problem,) = refused("2026-10-15", "2026-10-14")
    assert problem.startswith("--until:1: `2026-10-14` does not come after --since (`2026-10-15`)")
    assert refused("2026-10-14T12:00:00Z", "2026-10-14T12:00:00Z")
    assert len(refused("soon", "late")) == 2


def test_a_date_at_the_end_of_the_calendar_is_refused_and_no_accident() -> None:
    assert refused(None, "9999-12-31")
    assert refused("0001-01-01T00:00:00+14:00", None)


def test_what_lies_outside_is_counted_and_the_order_is_kept() -> None:
    span = span_of(since="2026-10-14", until=None, zone=CHICAGO)
    assert span is not None
    within = Within(span)
    days = (15, 13, 14, 12)
    events = [event({"started_at": f"2026-10-{day}T12:00:00Z"}, number=day) for day in days]
    assert [each.id for each in within.of(events)] == ["example-15", "example-14"]
    assert within.outside == 2
    assert span.as_report(outside=within.outside) == {
        "since": "2026-10-14T00:00:00-05:00", "until": None, "outside": 2,
    }  # fmt: skip
