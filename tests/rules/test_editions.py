"""Agreements over time: which set is in effect when, and that a verdict about the past stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.events import FlowEvent
from rules.cases import Cases
from rules.checks.example import ABSENT, each, event
from rules.checks.registry import all_checks
from rules.edition_engines import MAX_READY, EditionEngines
from rules.editions import BEGINNING, Editions, Version
from rules.engine import Engine
from rules.findings import Case, Finding
from rules.rehearsal import world
from rules.rulebook import Rulebook

NOON = datetime(2026, 10, 14, 17, tzinfo=UTC)
PLAIN = world()
FINE, PAUSED = PLAIN.agreements[0], world({"use_gate": {"status": "paused"}}).agreements[0]
BEFORE = {"started_at": "2026-10-14T16:59:59.999999Z", "ended_at": "2026-10-14T18:00:00.000000Z"}
AFTER = {"started_at": "2026-10-14T17:00:00.000000Z", "ended_at": "2026-10-14T18:00:00.000000Z"}


def changed(*versions: tuple[datetime, object]) -> Editions:
    """Editions of the one agreement of the example."""
    return Editions({"mathlab": [Version(effective=when, agreement=what) for when, what in versions]})  # type: ignore[arg-type]


def rulebook(editions: Editions) -> Rulebook:
    files = Rulebook(
        agreements=(), register=PLAIN.register, parties=PLAIN.parties, network=PLAIN.network, locations=None
    )
    return files.under(editions)


def engines(editions: Editions) -> EditionEngines:
    def make(book: Rulebook) -> Engine:
        assert book.editions is None
        checks = all_checks(book.agreements, party_of=book.parties.find)
        return Engine(
            register=book.register, parties=book.parties, network=book.network, checks=checks,
            token_key=lambda _day: b"key",
        )  # fmt: skip

    return EditionEngines(rulebook(editions), make=make)


def flows(*changes: Mapping[str, object]) -> list[FlowEvent]:
    """Three devices for each mapping of changes."""
    whole = [one for change in changes for one in each(3, **change)]
    return [event(one, number=number) for number, one in enumerate(whole)]


def findings(editions: Editions, events: list[FlowEvent]) -> list[Finding]:
    judging = engines(editions)
    for one in events:
        judging.judge_new(one, started=datetime.fromisoformat(one.started_at))
    return judging.take()[0]


def cases(editions: Editions, found: list[Finding]) -> list[Case]:
    checks = all_checks((), party_of=PLAIN.parties.find)
    told = Cases(agreements=(), party_of=PLAIN.parties.find, checks=checks, editions=editions)
    told.apply(found)
    return told.report()


def test_an_event_is_judged_by_the_version_in_effect_when_it_began() -> None:
    editions = changed((BEGINNING, FINE), (NOON, PAUSED))
    assert findings(editions, flows(BEFORE))[0].rule == "upload-above-declared"
    rules = {(one.rule, one.flows) for one in findings(editions, flows(BEFORE, AFTER))}
    assert rules == {("use-paused", 1), ("upload-above-declared", 2)}
    (case,) = cases(editions, findings(editions, flows(BEFORE, AFTER)))
    assert (case.rule, case.flows, case.first_seen) == ("use-paused", 3, AFTER["started_at"])


def test_an_amendment_neither_withdraws_what_was_nor_words_it_anew() -> None:
    paused = changed((BEGINNING, PAUSED))
    amended = changed((BEGINNING, PAUSED), (NOON, FINE))
    found = findings(paused, flows(BEFORE))
    assert cases(amended, findings(amended, flows(BEFORE, AFTER))) == cases(paused, found)
    assert cases(changed((BEGINNING, FINE), (BEGINNING + timedelta(days=1), PAUSED)), found) == cases(paused, found)


def test_a_withdrawn_agreement_still_speaks_for_its_time() -> None:
    withdrawn = changed((BEGINNING, PAUSED), (NOON, None))
    (case,) = cases(withdrawn, findings(withdrawn, flows(BEFORE, AFTER)))
    assert (case.agreement, case.rule, case.flows) == ("mathlab", "use-paused", 3)
    assert withdrawn.agreements(1) == ()


def test_before_the_first_edition_the_first_one_speaks() -> None:
    editions = changed((NOON, PAUSED))
    assert cases(editions, findings(editions, flows(BEFORE))) == cases(
        changed((BEGINNING, PAUSED)), findings(changed((BEGINNING, PAUSED)), flows(BEFORE))
    )


def test_thresholds_count_over_editions_because_an_edit_must_not_begin_them_anew() -> None:
    reworded = world({"use_gate": {"status": "paused", "reason": "Said in other words."}}).agreements[0]
    editions = changed((BEGINNING, PAUSED), (NOON, reworded))
    two = [event({"device": f"d{number}", **BEFORE}, number=number) for number in range(2)]
    third = event({"device": "d3", **AFTER}, number=3)
    assert cases(editions, findings(editions, two)) == []
    (case,) = cases(editions, findings(editions, [*two, third]))
    assert case.devices == 3


def test_a_device_that_breaks_one_promise_in_two_editions_of_a_day_is_one_finding() -> None:
    reworded = world({"use_gate": {"status": "paused", "reason": "Said in other words."}}).agreements[0]
    editions = changed((BEGINNING, PAUSED), (NOON, reworded))
    (found,) = [one for one in findings(editions, flows(BEFORE, AFTER)[::3]) if one.rule == "use-paused"]
    assert (found.flows, found.bytes_up) == (2, 4000)


def test_uploads_are_measured_by_the_figure_of_their_day() -> None:
    more = world({"expected.upload_mb_per_device_day": 50}).agreements[0]
    editions = changed((BEGINNING, FINE), (NOON, more))
    big = {"bytes_up": 10_000_000}
    next_day = {"started_at": "2026-10-15T17:00:00.000000Z", "ended_at": "2026-10-15T17:10:00.000000Z"}
    (case,) = cases(editions, findings(editions, flows({**BEFORE, **big}, {**next_day, **big})))
    assert (case.devices, case.last_seen) == (3, BEFORE["ended_at"])
    assert "at most 5 MB" in case.agreement_says
    # On the very day of the change the larger figure counts.
    assert cases(editions, findings(editions, flows({**BEFORE, **big}, {**AFTER, "bytes_up": 1}))) == []
    assert cases(changed((BEGINNING, more), (NOON, FINE)), findings(editions, flows({**next_day, **big}))) == []


def test_a_waiver_of_a_later_version_covers_what_was_seen_before_it_until_its_day() -> None:
    waiver = {"clause": "R0", "until": "2026-10-14", "reason": "A trial.", "by": "the board"}
    waived = world({"use_gate": {"status": "paused"}, "provenance": {"waivers": [waiver]}}).agreements[0]
    editions = changed((BEGINNING, PAUSED), (NOON + timedelta(days=300), waived))
    assert cases(editions, findings(editions, flows(BEFORE))) == []
    late = {"started_at": "2026-10-15T17:00:00.000000Z", "ended_at": "2026-10-15T17:10:00.000000Z"}
    assert len(cases(editions, findings(editions, flows(late)))) == 1


def test_clause_states_are_those_at_the_end_of_the_day() -> None:
    book = rulebook(changed((BEGINNING, FINE), (datetime(2026, 10, 15, 5, tzinfo=UTC), PAUSED)))
    # The district lies five hours behind UTC: the change comes with the first moment of the 15th.
    assert book.agreements_on(date(2026, 10, 14)) == (FINE,)
    assert book.agreements_on(date(2026, 10, 15)) == (PAUSED,)
    assert book.agreements == (PAUSED,)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_sums_do_not_depend_on_order_or_portions(data: st.DataObject) -> None:
    versions = [PAUSED, FINE, world({"data.access": ABSENT}).agreements[0], None]
    moments = data.draw(st.lists(st.integers(0, 23), unique=True, min_size=1, max_size=MAX_READY + 3))
    editions = changed(
        *((datetime(2026, 10, 14, hour, tzinfo=UTC), data.draw(st.sampled_from(versions))) for hour in moments)
    )
    hours = data.draw(st.lists(st.integers(0, 23), min_size=1, max_size=12))
    events = [
        event(
            {"device": f"d{number % 3}", "group": "k-5", "started_at": f"2026-10-14T{hour:02}:00:00.000000Z",
             "ended_at": f"2026-10-14T{hour:02}:00:02.000000Z"},
            number=number,
        )
        for number, hour in enumerate(hours)
    ]  # fmt: skip
    whole = {one.id: one for one in findings(editions, events)}
    judging, sums = engines(editions), dict[str, Finding]()
    for one in data.draw(st.permutations(events)):
        judging.judge_new(one, started=datetime.fromisoformat(one.started_at))
        for part in judging.take()[0]:
            before = sums.get(part.id)
            sums[part.id] = part if before is None else replace(
                part,
                flows=part.flows + before.flows,
                bytes_up=part.bytes_up + before.bytes_up,
                bytes_down=part.bytes_down + before.bytes_down,
                first_seen=min(part.first_seen, before.first_seen),
                last_seen=max(part.last_seen, before.last_seen),
            )  # fmt: skip
    assert sums == whole
    assert judging.last_day is not None
