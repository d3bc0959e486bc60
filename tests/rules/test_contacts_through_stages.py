"""Attribution in a consumer group: contacts of many partitions become the edges of one process, without a broker."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rules import contact_records, contacts, counted_contacts, edge_records, partition_contacts
from rules.checks.example import among_others, beside, lessons
from rules.contacts import ContactLog
from rules.counted import packed, unpacked
from rules.days import DAY_KEYS
from rules.edge_records import KeptEdges
from rules.edges import Edge
from rules.left_counts import LEFT_KEYS
from rules.parties import Party, PartyTable
from rules.partition_contacts import CONTACT_KEYS, TOLD_KEYS
from rules.rehearsal import world
from rules.windows import Counts
from tests.parts.case_keys import a_ring
from tests.rules.stages_for_tests import BROKER_TIME, Stages, Story, events

WHERE = world({})
ONE_PARTY = among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))
TWO_PARTIES = among_others(
    lessons("app.mathlab.example", brings=("t.adco.example", "s.statco.example")),
    lessons("www.elsewhere.example", brings=("t.adco.example",), from_minute=30),
    beside(lessons("www.unknown.example", from_minute=30)),
)
PAUSE_S = 2.1
STORIES = {"one party": ONE_PARTY, "two parties and a rival": TWO_PARTIES}


def edges_of(story: Story) -> tuple[Edge, ...]:
    """Return what one process says of a story."""
    log = ContactLog()
    engine = WHERE.engine(contacts=log)
    for flow in events(story):
        engine.judge(flow)
    return WHERE.edges(log)


def counted(stages: Stages) -> Counts:
    """Return the sum of the counts that stand in the state of stage two, and of what is left of closed ones."""
    whole = Counts()
    for key, body in stages.by_agreement[0].state.items():
        if key.startswith((counted_contacts.COUNTED_KEYS, LEFT_KEYS)):
            whole.add(unpacked(body))
    return whole


def kinds(stages: Stages, *, since: int = 0) -> Counter[bytes]:
    """Return how many records of each kind stage one and two told, leaving out the first ones."""
    return Counter(dict(out.headers).get("kind", b"") for out in stages.told[since:])


def kept(stages: Stages, *prefixes: bytes) -> list[bytes]:
    """Return the state keys of stage one that begin so."""
    return [key for task in stages.by_device for key in task.state if key.startswith(prefixes)]


EDGES_OF_MATHLAB = msgspec.json.encode(edges_of(ONE_PARTY))
WITHOUT_EXPOSURES = msgspec.json.encode([replace(edge, exposures=()) for edge in edges_of(ONE_PARTY)])


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("seed", range(3))
def test_the_edges_are_those_of_one_process_in_whatever_order_and_portions_events_come(story: Story, seed: int) -> None:
    stages, flows = Stages(WHERE, seed=seed), events(story)
    random.Random(seed).shuffle(flows)  # noqa: S311 -- a seed makes the order the same every time
    for start in range(0, len(flows), 50):
        stages.send(flows[start : start + 50])
        stages.settle()
    assert stages.edges() == edges_of(story)
    assert [edge.standing for edge in stages.edges()].count("confirmed") >= 1
    assert not stages.dead


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_tasks_that_die_again_and_again_come_to_the_same_edges_and_cases(story: Story) -> None:
    stages = Stages(WHERE)
    stages.send(events(story))
    stages.settle(restarts=True)
    assert stages.edges() == edges_of(story)
    assert stages.cases() == cases_of(story)
    assert "undeclared-third-party" in {case["rule"] for case in stages.cases()}


def cases_of(story: Story) -> list[dict[str, Any]]:
    """Return the cases that one process makes of a story, by id."""
    found = sorted((asdict(case) for case in WHERE.play(story).report()), key=lambda case: str(case["id"]))
    return [{**case, **_lists(case)} for case in found]


def _lists(case: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) for name, value in case.items() if isinstance(value, tuple)}


def test_tasks_made_anew_from_their_state_tell_nothing_twice() -> None:
    stages = Stages(WHERE)
    stages.send(events(TWO_PARTIES))
    stages.settle()
    told = len(stages.told)
    stages.restart()
    stages.settle()
    assert not kinds(stages, since=told).keys() & {b"contacts", b"edges"}
    assert stages.edges() == edges_of(TWO_PARTIES)


def test_a_portion_that_was_never_committed_leaves_no_contact() -> None:
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    for task in stages.by_device:
        assert task.portion(30).outputs == task.portion(30).outputs
        task.core.take(task.records)
    stages.settle()
    assert stages.edges() == edges_of(ONE_PARTY)
    assert counted(stages).met["adco.example"] == len(lessons("app.mathlab.example"))


def test_contacts_are_told_when_every_collector_has_passed_another_hour_and_at_the_end() -> None:
    stages, flows = Stages(WHERE), events(ONE_PARTY)
    random.Random(1).shuffle(flows)  # noqa: S311 -- so that every partition has some of the first
    stages.mark("2026-10-14T15:00:10Z")
    stages.send(flows[:30])
    stages.settle(tick=PAUSE_S)
    first = kinds(stages)[b"contacts"]
    assert len(kept(stages, TOLD_KEYS)) == first >= len(stages.by_device)
    stages.send(flows[30:60])
    stages.mark("2026-10-14T15:59:59Z")
    stages.settle(tick=PAUSE_S)
    assert kinds(stages)[b"contacts"] == first
    stages.mark("2026-10-14T16:00:09Z")
    stages.settle(tick=PAUSE_S)
    second = kinds(stages)[b"contacts"]
    assert second > first
    stages.send(flows[60:])
    stages.settle(tick=PAUSE_S)
    assert kinds(stages)[b"contacts"] == second
    stages.mark("2026-10-14T16:10:00Z", end=True)
    stages.settle(tick=PAUSE_S)
    assert kinds(stages)[b"contacts"] > second
    assert stages.edges() == edges_of(ONE_PARTY)


def test_contacts_in_the_middle_of_an_hour_are_told_once_nothing_more_comes() -> None:
    stages = Stages(WHERE)
    stages.mark("2026-10-14T15:00:10Z")
    stages.settle(tick=PAUSE_S)
    stages.send(events(ONE_PARTY)[:50])
    stages.settle(tick=PAUSE_S)
    first = kinds(stages)[b"contacts"]
    stages.send(events(ONE_PARTY)[50:])
    stages.settle(tick=PAUSE_S)
    assert kinds(stages)[b"contacts"] == first
    stages.clock += partition_contacts.QUIET_S
    stages.settle(tick=PAUSE_S)
    assert kinds(stages)[b"contacts"] > first
    assert stages.edges() == edges_of(ONE_PARTY)


def test_what_was_counted_before_more_contacts_came_is_told_and_the_rest_follows() -> None:
    stages, flows = Stages(WHERE), events(ONE_PARTY)
    stages.send(flows[:60])
    stages.judge()
    works = [task.core.work(stages.clock) for task in stages.by_device]
    stages.send(flows[60:])
    stages.judge()
    for task, work in zip(stages.by_device, works, strict=True):
        task.core.worked(work())
    stages.settle()
    assert stages.edges() == edges_of(ONE_PARTY)


def test_a_replay_counts_again_only_after_a_pause_of_ten_times_what_counting_takes() -> None:
    stages, flows = Stages(WHERE), events(ONE_PARTY)
    task = stages.by_device[0]
    stages.send(flows[:90])
    stages.judge()
    assert stages.work(task)
    stages.step(task, size=0)
    stages.send(flows[90:])
    stages.judge()
    stages.clock += partition_contacts.LEAST_PAUSE_S
    assert not stages.work(task)
    stages.clock += 90 * partition_contacts.SECONDS_A_CONTACT
    assert stages.work(task)


def test_a_day_that_ends_keeps_no_contact_and_what_was_not_told_of_it_is_told_with_its_end() -> None:
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    stages.judge()
    assert kept(stages, CONTACT_KEYS)
    assert not kinds(stages)[b"contacts"]
    stages.mark("2026-10-17T12:00:00Z", at=BROKER_TIME + timedelta(hours=72))
    stages.judge()
    assert not kept(stages, CONTACT_KEYS, TOLD_KEYS)
    assert kinds(stages)[b"contacts"]
    stages.settle()
    assert [told(edge) for edge in stages.edges()] == [told(edge) for edge in edges_of(ONE_PARTY)]
    assert stages.cases() == cases_of(ONE_PARTY)


def told(edge: Edge) -> Edge:
    """Return an edge without sums and times, which are closed with the days."""
    days = ((each.day, each.school, each.group, each.devices) for each in edge.exposures)
    return replace(edge, exposures=tuple(days), windows=())  # type: ignore[arg-type]  # to compare with its like


def test_contacts_that_come_after_their_day_ended_add_to_what_was_told_of_it() -> None:
    stages, flows = Stages(WHERE), events(TWO_PARTIES)
    stages.send(flows[::2])
    stages.settle()
    before = counted(stages)
    later = BROKER_TIME + timedelta(hours=80)
    stages.mark("2026-10-17T12:00:00Z", at=later)
    stages.settle()
    assert not kept(stages, CONTACT_KEYS)
    stages.restart()
    stages.send(flows[1::2], at=later)
    stages.settle(restarts=True)
    after = counted(stages)
    assert sum(after.met.values()) + sum(after.visits.values()) > sum(before.met.values()) + sum(before.visits.values())
    assert after.met["adco.example"] == sum(flow.server_name == "t.adco.example" for flow in flows)


def test_contacts_of_a_day_whose_key_is_gone_are_cleared_away_and_not_counted_again() -> None:
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    stages.settle()
    for task in stages.by_device:
        task.lose(DAY_KEYS)
    stages.restart()
    stages.send(events([{"device": f"d{number}"} for number in range(20)]))
    stages.settle()
    assert {key.partition(b"/")[2][:10] for key in kept(stages, CONTACT_KEYS)} == {b"2026-10-14"}
    assert all(len([key for key in task.state if key.startswith(CONTACT_KEYS)]) <= 20 for task in stages.by_device)
    assert counted(stages).met["adco.example"] == len(lessons("app.mathlab.example"))


def test_no_device_can_be_read_out_of_what_is_told() -> None:
    stages, flows = Stages(WHERE), events(ONE_PARTY)
    stages.send(flows)
    stages.settle()
    told = b"".join(zlib.decompress(out.value) for out in stages.told if (b"contacts" in dict(out.headers).values()))
    assert b"adco.example" in told
    assert not [flow.device for flow in flows if (flow.device or "").encode() in told]


def test_other_lists_count_what_is_open_anew_and_take_back_what_they_no_longer_support() -> None:
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    stages.settle()
    assert stages.cases()
    noise = Party(
        name="AdCo", owner="AdCo", kind="operating_system", domains=("adco.example",), list_name="the district's own"
    )
    others = [party for party in (WHERE.parties.find(name) for name in ("news.example",)) if party]
    stages.use(replace(stages.rulebook, parties=PartyTable([*others, noise])))
    stages.settle()
    assert counted(stages).met["adco.example"] == 0
    assert stages.edges() == ()
    assert stages.cases() == []
    assert not [key for task in stages.by_agreement for key in task.state if key.startswith(b"edges/")]


def test_what_is_too_large_for_one_record_goes_in_several_and_comes_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contact_records, "MAX_OCTETS", 400)
    monkeypatch.setattr(edge_records, "MAX_OCTETS", 900)
    monkeypatch.setattr(edge_records, "MAX_EXPOSURES", 1)
    stages, flows = Stages(WHERE), events(TWO_PARTIES)
    for part in (flows[:100], flows[100:]):
        stages.send(part)
        stages.settle()
    assert stages.edges() == edges_of(TWO_PARTIES)
    assert max(len(out.value) for out in stages.told if (b"contacts" in dict(out.headers).values())) <= 400
    assert {dict(out.headers).get("piece") for out in stages.told} >= {b"0", b"1", b"2"}


def test_when_all_counts_have_no_room_the_oldest_days_go_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    stages.settle()
    whole = sum(len(body) for key, body in stages.by_agreement[0].state.items() if key.startswith(b"counted/"))
    monkeypatch.setattr(counted_contacts, "MAX_OCTETS", whole - 1)
    small = Stages(WHERE)
    small.send(events(ONE_PARTY))
    small.settle()
    days = {row.day.isoformat() for row in counted(small).rows}
    assert days == {"2026-10-14", "2026-10-15"}
    assert small.errors() == [message for message in small.errors() if "hours of contacts found no room" in message]
    assert small.errors()
    for edge in small.edges():
        assert {exposure.day.isoformat() for exposure in edge.exposures} <= days


def test_contacts_without_room_are_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MAX_CONTACTS", 10)
    stages = Stages(WHERE)
    stages.send(events(ONE_PARTY))
    stages.settle(restarts=True)
    assert stages.errors() == [f"{len(ONE_PARTY) - 30} contacts found no room; attribution is incomplete"]


GOOD_COUNTS = packed(Counts(visits=Counter({"@mathlab": 1})))
KEY = b"0/2026-10-14/0/494933/0"
GOOD_END = b'{"partition":0,"day":"2026-10-14","opened":0}'


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"0/2026-10-14/0/494933", GOOD_COUNTS, {"kind": b"contacts"}),
        (b"0/2026-13-14/0/494933/0", GOOD_COUNTS, {"kind": b"contacts"}),
        (None, GOOD_COUNTS, {"kind": b"contacts"}),
        (KEY, GOOD_COUNTS[:-1], {"kind": b"contacts"}),
        (KEY, zlib.compress(b"\x00" * (80 << 20), 1), {"kind": b"contacts"}),
        (KEY, b"", {"kind": b"contacts"}),
        (b"mathlab", b"[{}]", {"kind": b"edges", "piece": b"0"}),
        (b"mathlab", b"[]", {"kind": b"edges"}),
        (b"mathlab", b"[]", {"kind": b"edges", "piece": b"-1"}),
        (b"\xff", b"[]", {"kind": b"edges", "piece": b"0"}),
        (b"another", EDGES_OF_MATHLAB, {"kind": b"edges", "piece": b"0"}),
        (b"", EDGES_OF_MATHLAB, {"kind": b"edges", "piece": b"0"}),
        (b"mathlab", EDGES_OF_MATHLAB.replace(b"00Z", b"00"), {"kind": b"edges", "piece": b"0"}),
        (b"mathlab", WITHOUT_EXPOSURES, {"kind": b"edges", "piece": b"0"}),
        (b"mathlab", EDGES_OF_MATHLAB, {"kind": b"edges", "piece": b"0", "telling": b"new", "closing": b"0"}),
        (b"mathlab", EDGES_OF_MATHLAB, {"kind": b"edges", "piece": b"0", "closing": b"1"}),
        (b"0/2026-10-14/0", b"{}", {"kind": b"contacts-over"}),
        (b"0/2026-10-14/1", GOOD_END, {"kind": b"contacts-over"}),
    ],
)
def test_poison_becomes_a_dead_letter_and_the_edges_are_what_they_were(
    key: bytes | None, value: bytes, headers: dict[str, bytes]
) -> None:
    stages = Stages(WHERE)
    if b"confidence" in value:
        value = edge_records.sealed_part(value, keys=a_ring(stages.keys))
    stages.by_agreement[0].put(key=key, value=value, headers=headers, at=BROKER_TIME)
    stages.send(events(ONE_PARTY))
    stages.settle(restarts=True)
    assert [dict(out.headers)["reason"] for out in stages.dead] == [b"not_a_finding"]
    assert stages.edges() == edges_of(ONE_PARTY)


def test_counts_belong_where_they_meet_and_are_refused_elsewhere() -> None:
    stages = Stages(WHERE)
    stages.by_agreement[1].put(key=KEY, value=GOOD_COUNTS, headers={"kind": b"contacts"}, at=BROKER_TIME)
    stages.settle()
    assert len(stages.dead) == 1


def test_suspected_edges_of_all_agreements_meet_under_the_empty_key() -> None:
    (edge,) = edges_of(ONE_PARTY)
    suspected = replace(edge, standing="suspected")
    told = edge_records.records_of([edge, replace(suspected, agreement="another"), suspected])
    assert sorted(told) == [("", 0), ("mathlab", 0)]
    assert told["mathlab", 0] == EDGES_OF_MATHLAB  # type: ignore[index]  # a part is a pair


def test_edges_of_hundreds_of_days_are_put_together_as_they_were() -> None:
    (edge,) = edges_of(ONE_PARTY)
    long = replace(edge, exposures=edge.exposures * 1_500)
    told = edge_records.records_of([long, replace(long, party="statco.example")])
    assert len(told) > 2
    assert max(map(len, told.values())) <= edge_records.MAX_OCTETS + len(told)
    keys = a_ring()
    sealed = {part: edge_records.sealed_part(body, keys=keys) for part, body in told.items()}
    assert max(map(len, sealed.values())) < 1_000_000
    state = {edge_records.EDGE_KEYS + part.state_key: body for part, body in sealed.items()}
    assert KeptEdges(state, keys=keys).all() == [long, replace(long, party="statco.example")]
