"""Contacts of days that are over, through Kafka: closed where all partitions meet, and no case changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from collector.topics import CASE_STATE, FINDINGS
from rules import counted_contacts, edge_records
from rules.checks.example import among_others, lessons
from rules.closed_contacts import closed, is_timeless
from rules.contact_records import NOTHING, place_in
from rules.contacts import ContactLog
from rules.counted import unpacked
from rules.counted_contacts import COUNTED_KEYS, TELLING_KEY
from rules.edge_records import EDGE_KEYS
from rules.edge_tellings import GATHERED_KEYS
from rules.ended_contacts import CLOSED_KEYS, OVER_KEYS, SINCE_KEY
from rules.estimator import Estimator
from rules.left_counts import LEFT_KEYS
from rules.open_since import UNENDED_DAYS
from rules.records import CLOSING, CONTACTS, CONTACTS_OVER, COVERAGE, EDGES, KIND
from rules.rehearsal import world
from rules.retention import FINDING_DAYS
from rules.versions import OPEN
from rules.windows import Counts
from tests.contracts.topic_document import TopicDocument
from tests.rules.stages_for_tests import BROKER_TIME, Stages, events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.events import FlowEvent
    from rules.windows import Row
    from tests.rules.stages_for_tests import Task

WHERE = world({})
KEY = bytes(range(32))
ONE_PARTY = among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))
TWO_PARTIES = among_others(
    lessons("app.mathlab.example", brings=("t.adco.example", "s.statco.example")),
    lessons("www.elsewhere.example", brings=("t.adco.example",), from_minute=30),
)
FLOWS = events(TWO_PARTIES)
LATER = BROKER_TIME + timedelta(hours=80)


def judged(flows: Iterable[FlowEvent] = FLOWS, *, seed: int = 1) -> Stages:
    """Return both stages with what they say of open days."""
    stages = Stages(WHERE, seed=seed, day_key=lambda _number: KEY)
    stages.send(flows)
    stages.settle()
    return stages


def end(stages: Stages) -> None:
    """Let time pass until the days are over in every partition; stage two has not heard of it yet."""
    stages.mark("2026-10-17T12:00:00Z", at=LATER)
    stages.judge()


def under(stages: Stages, prefix: bytes) -> dict[bytes, bytes]:
    return {key: body for task in stages.by_agreement for key, body in task.state.items() if key.startswith(prefix)}


def rows(stages: Stages, prefix: bytes) -> list[Row]:
    return sorted(row for body in under(stages, prefix).values() for row in unpacked(body).rows)


def versions(stages: Stages) -> dict[str, int]:
    """Return the version of every case that was ever open."""
    return {row.id: row.version for task in stages.by_agreement for row in task.core.everything().rows}


def embedded(flows: Iterable[FlowEvent]) -> Counts:
    """Return what the embedded service leaves of the contacts of these flows."""
    log, estimator = ContactLog(), Estimator(WHERE.rulebook)
    engine = WHERE.engine(contacts=log)
    for flow in flows:
        engine.judge(flow)
    whole, days = Counts(), {}
    for day in log.days():
        days[day] = Counts()
        for part in estimator.hours(log, day=day, key=KEY).values():
            days[day].add(part)
        whole.add(days[day])
    credited = estimator.credited(whole)
    whole.rows = sorted(row for counts in days.values() for row in closed(counts.rows, credited=credited))
    return whole


@pytest.mark.parametrize("seed", range(2))
def test_no_case_changes_when_days_are_closed_and_no_device_is_left_of_them(seed: int) -> None:
    stages = judged(seed=seed)
    cases, before = stages.cases(), versions(stages)
    assert "undeclared-third-party" in {case["rule"] for case in cases}
    assert len([row for row in rows(stages, COUNTED_KEYS) if not is_timeless(row)]) > 50
    end(stages)
    stages.settle()
    assert stages.cases() == cases
    assert versions(stages).keys() == before.keys()
    assert all(before[case] <= version <= before[case] + 1 for case, version in versions(stages).items())
    assert not under(stages, COUNTED_KEYS)
    assert not under(stages, OVER_KEYS)
    # What is left is what the embedded service leaves of the same events, field by field.
    left = embedded(FLOWS)
    assert rows(stages, LEFT_KEYS) == left.rows
    counts = Counts()
    for body in under(stages, LEFT_KEYS).values():
        counts.add(unpacked(body))
    assert (counts.visits, counts.met, counts.used, counts.habits) == (left.visits, left.met, left.used, left.habits)
    # No record that tells more of the days is left on the way: neither counts, nor edges of before.
    kept = [record for task in stages.by_agreement for record in task.records[task.spent :]]
    assert {record.headers.get(KIND) for record in kept} <= {COVERAGE}
    # Estimated once more, from what is left alone: nothing is said anew.
    told = len(stages.told)
    stages.restart()
    stages.settle()
    assert stages.cases() == cases
    assert not [out for out in stages.told[told:] if (KIND, EDGES) in out.headers]


class Mortal:
    """Stage two from where it stood, of which one task dies with a portion in hand.

    Args:
        of: both stages; stage one has told everything.
    """

    def __init__(self, of: Stages) -> None:
        self.stages = Stages(WHERE)
        self.stages.by_device = []
        self._of = of
        self.died_with: set[str] = set()

    def run(self, *, dies_at: int) -> int:
        """Judge one record at a time until nothing is left to do, and return in how many portions.

        Args:
            dies_at: number of the portion.
        """
        self.stages.keys = self._of.keys.copy()
        for mine, theirs in zip(self.stages.by_agreement, self._of.by_agreement, strict=True):
            mine.records, mine.position = [*theirs.records], theirs.position
            mine.state, mine.lying = dict(theirs.state), dict(theirs.lying)
        self.stages.restart()
        moved, steps = True, 0
        while moved:
            moved = False
            for task in self.stages.tasks:
                moved |= self.stages.work(task)
                if task.position < len(task.records) or task.core.waits(self.stages.clock):
                    if steps == dies_at:
                        self._die(task)
                    self.stages.step(task, size=1)
                    steps += 1
                    moved = True
            self.stages.clock += 60
        return steps

    def _die(self, task: Task) -> None:
        task.core.ran(self.stages.clock)
        portion = task.portion(1)
        if any(int(dict(out.headers).get(CLOSING, b"0")) for out in portion.outputs):
            self.died_with.add("what is left")
        if any(key.startswith(GATHERED_KEYS) for key in task.state):
            self.died_with.add("half a list")
        self.stages.restart()


def test_tasks_that_die_with_any_portion_in_hand_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_records, "MAX_EXPOSURES", 1)
    monkeypatch.setattr(edge_records, "MAX_OCTETS", 900)
    flows = events(ONE_PARTY)
    stages, left = judged(flows), embedded(flows).rows
    cases = stages.cases()
    end(stages)
    mortal, number, steps = Mortal(stages), 0, 1
    while number < steps:
        steps = mortal.run(dies_at=number)
        number += 1
        assert mortal.stages.cases() == cases
        assert rows(mortal.stages, LEFT_KEYS) == left
        assert not [*under(mortal.stages, COUNTED_KEYS), *under(mortal.stages, GATHERED_KEYS)]
    assert mortal.died_with == {"what is left", "half a list"}
    assert steps > 10


def test_edges_whose_list_a_poll_cuts_in_two_change_no_case_before_the_rest_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages = judged(events(ONE_PARTY))
    cases = stages.cases()
    # The same edges in other records: those of before are no longer all there when the first of them comes.
    monkeypatch.setattr(edge_records, "MAX_EXPOSURES", 1)
    monkeypatch.setattr(edge_records, "MAX_OCTETS", 900)
    stages.by_agreement[0].core.use(WHERE.rulebook)
    told, seen = len(stages.told), set[str]()
    for _ in range(200):
        for task in stages.by_agreement:
            stages.work(task)
            stages.step(task, size=1)
            seen |= {row.state for row in task.core.everything().rows}
            assert stages.cases() == cases
        stages.clock += 1
    assert len([out for out in stages.told[told:] if (KIND, EDGES) in out.headers]) > 1
    assert seen == {OPEN}
    assert not under(stages, GATHERED_KEYS)


def test_edges_that_come_in_one_record_leave_no_trace_of_having_been_gathered() -> None:
    stages = Stages(WHERE, seed=1, day_key=lambda _number: KEY)
    stages.send(FLOWS)
    written = set[bytes]()
    for _ in range(200):
        for task in stages.tasks:
            stages.work(task)
            portion = task.portion(40)
            written |= portion.state.keys()
            stages.step(task, size=40)
        stages.clock += 60
    assert any(key.startswith(EDGE_KEYS) for key in written)
    assert not any(key.startswith(GATHERED_KEYS) for key in written)


def passed(stages: Stages, *, days: int) -> None:
    """Let stage two learn the date, so many days after the broker took the first record."""
    for task in stages.by_agreement:
        task.core.passed(BROKER_TIME + timedelta(days=days))
        stages.step(task, size=0)


def without_ends(stages: Stages, *, of: int) -> None:
    """Take back what one input partition said of the end of its contacts: it lost its state."""
    task = stages.by_agreement[0]
    task.records[:] = [
        record
        for record in task.records
        if record.headers.get(KIND) != CONTACTS_OVER or not (record.key or b"").startswith(b"%d/" % of)
    ]


def test_a_day_is_closed_when_every_partition_has_ended_it_and_after_a_week_at_the_latest() -> None:
    stages = judged()
    cases = stages.cases()
    passed(stages, days=0)
    end(stages)
    without_ends(stages, of=1)
    stages.settle()
    passed(stages, days=UNENDED_DAYS - 1)
    stages.restart()
    stages.settle()
    open_days = {row.day for row in rows(stages, COUNTED_KEYS)}
    assert open_days == {place_in(key.removeprefix(COUNTED_KEYS)).day for key in under(stages, COUNTED_KEYS)}
    assert open_days
    assert not open_days & {row.day for row in rows(stages, LEFT_KEYS)}
    # A restart knows since when the days are held.
    passed(stages, days=UNENDED_DAYS)
    stages.settle()
    assert not under(stages, COUNTED_KEYS)
    assert rows(stages, LEFT_KEYS) == embedded(FLOWS).rows
    assert stages.cases() == cases


def test_counts_that_a_release_before_took_in_are_closed_a_week_after_that() -> None:
    stages = judged()
    cases = stages.cases()
    passed(stages, days=0)
    stages.settle()
    state = stages.by_agreement[0].state
    stages.by_agreement[0].state = {key: body for key, body in state.items() if key not in {SINCE_KEY, TELLING_KEY}}
    stages.restart()
    passed(stages, days=UNENDED_DAYS + 20)
    stages.settle()
    assert not under(stages, COUNTED_KEYS)
    assert rows(stages, LEFT_KEYS) == embedded(FLOWS).rows
    assert stages.cases() == cases


def test_what_comes_of_a_closed_day_counts_is_closed_by_itself_and_has_a_week_of_its_own() -> None:
    stages = judged(FLOWS[::2])
    passed(stages, days=0)
    end(stages)
    stages.settle()
    assert not under(stages, COUNTED_KEYS)
    passed(stages, days=UNENDED_DAYS - 1)
    stages.send(FLOWS[1::2], at=LATER)
    stages.settle()
    passed(stages, days=UNENDED_DAYS + 1)
    stages.settle()
    assert under(stages, COUNTED_KEYS)
    cases, before = stages.cases(), len(rows(stages, LEFT_KEYS))
    assert cases
    stages.mark("2026-10-20T12:00:00Z", at=LATER + timedelta(hours=80))
    stages.settle()
    assert not under(stages, COUNTED_KEYS)
    assert len(rows(stages, LEFT_KEYS)) > before
    assert {key.split(b"/")[2] for key in under(stages, LEFT_KEYS)} == {b"1", b"2"}
    assert stages.cases() == cases


def test_a_topic_that_is_read_again_changes_nothing_of_closed_days() -> None:
    stages = judged()
    end(stages)
    stages.settle()
    cases, states, held = stages.cases(), versions(stages), rows(stages, LEFT_KEYS)
    stages.restart()
    for task in stages.by_agreement:
        task.position = 0
    stages.settle()
    assert (stages.cases(), versions(stages), rows(stages, LEFT_KEYS)) == (cases, states, held)
    assert not under(stages, COUNTED_KEYS)


def test_counts_that_come_while_days_are_being_closed_are_closed_with_them() -> None:
    stages = judged()
    cases = stages.cases()
    end(stages)
    counting = stages.by_agreement[0]
    while counting.position < len(counting.records):
        stages.step(counting, size=40)
    stages.clock += 60
    closing = counting.core.work(stages.clock)
    assert closing is not None
    # Whoever says that a day is over has told all of it; this is what happens where not.
    told = [record for record in counting.records if record.headers.get(KIND) == CONTACTS][-1]
    counting.put(key=told.key, value=NOTHING, headers=told.headers, at=told.at)
    counting.core.worked(closing())
    stages.step(counting, size=1)
    assert not under(stages, LEFT_KEYS)
    counting.put(key=told.key, value=told.value or b"", headers=told.headers, at=told.at)
    stages.settle()
    assert rows(stages, LEFT_KEYS) == embedded(FLOWS).rows
    assert stages.cases() == cases


def test_what_is_left_goes_with_its_day_and_takes_part_in_what_finds_room(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = judged()
    passed(stages, days=0)
    end(stages)
    stages.settle()
    whole = sum(map(len, under(stages, LEFT_KEYS).values()))
    cases = stages.cases()
    passed(stages, days=FINDING_DAYS)
    stages.settle()
    assert not [*under(stages, LEFT_KEYS), *under(stages, CLOSED_KEYS)]
    assert [case["id"] for case in stages.cases()] == [case["id"] for case in cases]
    again = judged()
    end(again)
    again.settle()
    assert again.errors() == []
    monkeypatch.setattr(counted_contacts, "MAX_OCTETS", whole + 200)
    again.send(events([{**each, **_a_week_later(each)} for each in ONE_PARTY]), at=LATER)
    again.settle()
    assert not {row.day.isoformat() for row in rows(again, LEFT_KEYS)} & {"2026-10-13", "2026-10-14"}
    assert rows(again, COUNTED_KEYS)
    assert "hours of contacts found no room" in again.errors()[0]


def _a_week_later(flow: Mapping[str, object]) -> dict[str, str]:
    return {
        name: f"{stamp[:8]}{int(stamp[8:10]) + 7}{stamp[10:]}"
        for name, stamp in ((name, str(flow[name])) for name in ("started_at", "ended_at") if name in flow)
    }


def test_what_is_written_of_closing_is_as_the_document_of_topics_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_records, "MAX_EXPOSURES", 1)
    monkeypatch.setattr(edge_records, "MAX_OCTETS", 900)
    document, names, looked_at = TopicDocument(), set[str](), set[tuple[bytes, bytes]]()
    stages = judged(events(ONE_PARTY))
    passed(stages, days=0)
    end(stages)
    moved = True
    while moved:
        moved = False
        for task in stages.by_agreement:
            moved |= stages.work(task)
            if task.position < len(task.records) or task.core.waits(stages.clock):
                stages.step(task, size=1)
                moved = True
            for key, body in task.state.items() - looked_at:
                names.add(document.check(body, topic=CASE_STATE, key=key, headers={}))
            looked_at |= task.state.items()
        stages.clock += 60
    for out in [out for out in stages.told if dict(out.headers).get(KIND) in {CONTACTS_OVER, EDGES}]:
        names.add(document.check(out.value, topic=FINDINGS, key=out.key, headers=dict(out.headers)))
    assert names >= {"ContactsEnd", "ClosedContacts", "LeftContacts", "OpenContacts", "Telling"}
    assert names >= {"GatheredEdges", "ClosedEdges", "ContactsOver", "EdgesTold"}
