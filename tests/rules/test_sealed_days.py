"""State of open days lies in its topic sealed with a key of task and day, which goes with the day for good."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from rules.case_keys import TASK_DAY, CaseKey, task_day_id
from rules.checks.example import among_others, event, lessons
from rules.key_ring import KeyRing
from rules.rehearsal import world
from rules.retention import Policy
from rules.sealed_days import MARK, UNREADABLE_KEY, SealedDays, open_value
from rules.state_days import case_day, engine_day
from rules.store import Store
from rules.store.backup import back_up, restore
from rules.store.retention import purge
from tests.parts.case_keys import MemoryKeys
from tests.rules.stages_for_tests import AGREEMENTS, BROKER_TIME, Stages, Task, events
from tests.rules.told_cases import Hands

DAY, NEXT = date(2026, 10, 14), date(2026, 10, 15)
TASK = "schoolgate.engine-state/3"
STORY = among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))
LATER = BROKER_TIME + timedelta(hours=80)
NOW = datetime(2026, 10, 17, 15, 0, tzinfo=UTC)
SEEN = b"seen/2026-10-14/0"


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    own = Store(store_address, clock=Hands())
    yield own
    own.close()


def days_of(keys: MemoryKeys | Store) -> SealedDays:
    return SealedDays(TASK, keys=keys, day_of=engine_day)


def put(days: SealedDays, state: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Return *state* as it is written."""
    named = days.days_in(state)
    days.need(named.values())
    return dict(days.sealed(state, days=named))


def lived() -> Stages:
    """Return both stages after a day that is open."""
    stages = Stages(world({"use_gate": {"status": "paused"}}))
    stages.send(events(STORY))
    stages.settle()
    return stages


def end(stages: Stages) -> None:
    """Let the day be over, by the broker's time."""
    stages.mark("2026-10-17T12:00:00Z", at=LATER)
    stages.settle()


def kinds(tasks: list[Task], *, sealed: bool) -> set[bytes]:
    """Return how the keys begin whose values lie there sealed, or not."""
    lying = [each for task in tasks for each in task.lying.items()]
    return {key.split(b"/")[0] for key, value in lying if value.startswith(MARK) == sealed}


def opened(task: Task, keys: list[CaseKey]) -> list[bytes]:
    """Return which values that were ever written any of *keys* opens: as its own, and as that of any task and day."""
    found = []
    for value in task.written:
        for key in keys if value.startswith(MARK) else ():
            day, sealed = value.removeprefix(MARK)[:10].decode(), value.removeprefix(MARK)[11:]
            number = int.from_bytes(sealed[1:5], "big")
            tasks = (f"{topic}/{at}" for topic in ("engine", "case") for at in range(4))
            names = {key.case_id, *(task_day_id(task, date.fromisoformat(day)) for task in tasks)}
            tries = (CaseKey(case_id=name, number=number, octets=key.octets) for name in names)
            found += [value for each in tries if each.open(sealed, kind="state") is not None]
    return found


def test_what_is_restored_is_what_would_lie_there_unsealed() -> None:
    stages = lived()
    for number, task in enumerate(stages.by_device):
        again = SealedDays(f"engine/{number}", keys=stages.keys, day_of=engine_day)
        assert again.opened(task.lying) == task.state
        assert not again.waits
    assert kinds(stages.by_device, sealed=True) == {b"day", b"seen", b"contacts", b"told", b"finding"}
    assert kinds(stages.by_device, sealed=False) == {b"coverage", b"repeats", b"renewed"}
    assert kinds(stages.by_agreement, sealed=True) == {b"finding", b"counted"}
    assert kinds(stages.by_agreement, sealed=False) == {
        b"case",
        b"coverage",
        b"part",
        b"edges",
        b"differential",
        b"told",
        b"telling",
    }


def test_once_a_day_is_over_nothing_that_was_ever_written_of_it_is_opened_by_any_key_that_is_left() -> None:
    stages = lived()
    held = [key for number in range(3) for key in stages.keys.keys_of_task(f"engine/{number}")]
    written = [value for task in stages.by_device for value in task.written if value.startswith(MARK)]
    assert sum(len(opened(task, held)) for task in stages.by_device) == len(written) > 50
    end(stages)
    left = stages.keys.live_keys()
    assert [task for task in stages.by_device if opened(task, left)] == []
    # Not even when each entry was written last stays in the compacted topic.
    assert kinds(stages.by_device, sealed=True) == set()
    assert kinds(stages.by_device, sealed=False) == {b"coverage", b"repeats", b"renewed", b"watermark"}
    findings = [task for task in stages.by_agreement if any(key.startswith(b"finding/") for key in task.lying)]
    assert findings
    for number, task in enumerate(stages.by_agreement):
        assert stages.keys.keys_of_task(f"case/{number}") == []
        assert all(not value.startswith(MARK) for key, value in task.lying.items() if key.startswith(b"finding/"))
    before = [case["id"] for case in stages.cases()]
    stages.restart()
    assert [case["id"] for case in stages.cases()] == before != []


def test_a_judge_that_died_before_it_destroyed_a_key_leaves_that_to_the_next() -> None:
    stages = lived()
    task = stages.by_device[0]
    stages.mark("2026-10-17T12:00:00Z", at=LATER)
    while task.position < len(task.records):
        task.write(task.portion(40))
    keys = stages.keys.keys_of_task("engine/0")
    assert len(opened(task, keys)) == len([value for value in task.written if value.startswith(MARK)]) > 0
    stages.restart()
    assert stages.keys.keys_of_task("engine/0") == []
    assert opened(task, stages.keys.live_keys()) == []


def test_state_of_a_release_before_is_read_and_sealed_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.sealed_days.MOST_REWRITTEN", 2)
    keys = MemoryKeys()
    old = {b"day/2026-10-14": b"{}", SEEN: b"\1" * 16, b"coverage": b"{}", b"seen/2026-10-11/0": b"\2" * 8}
    days = days_of(keys)
    assert days.opened(old) == old
    lying: dict[bytes, bytes | None] = {**old}
    changes: dict[bytes, bytes | None] = {SEEN: b"\1" * 24}
    while days.waits:
        lying |= put(days, dict(days.due(changes, open_days={DAY})))
        changes = {}
    # What is of no open day stays as it is, until the broker lets it go: it is never written anew.
    assert {key for key, value in lying.items() if value and value.startswith(MARK)} == {b"day/2026-10-14", SEEN}
    assert days_of(keys).opened({key: value for key, value in lying.items() if value}) == {**old, SEEN: b"\1" * 24}
    assert [key.case_id for key in keys.keys_of_task(TASK)] == [task_day_id(TASK, DAY)]


def test_what_nobody_can_open_counts_as_what_compaction_took_and_is_taken_away() -> None:
    keys = MemoryKeys()
    sealed = put(days_of(keys), {SEEN: b"ids", b"seen/2026-10-15/0": b"more", b"coverage": b"{}"})
    lying = {key: value for key, value in sealed.items() if value is not None}
    keys.destroy([key for key in keys.keys_of_task(TASK) if key.case_id == task_day_id(TASK, DAY)])
    days = days_of(keys)
    assert days.opened(lying) == {b"seen/2026-10-15/0": b"more", b"coverage": b"{}", UNREADABLE_KEY: b"2026-10-14"}
    assert days.due({}, open_days={NEXT}) == {SEEN: None}
    assert not days.waits
    # A value that stands in the place of another task's is no more than that.
    other = SealedDays("schoolgate.engine-state/4", keys=keys, day_of=engine_day)
    other.need([NEXT])
    assert other.opened({b"seen/2026-10-15/0": lying[b"seen/2026-10-15/0"]}).keys() == {UNREADABLE_KEY}


def test_no_case_is_withdrawn_when_a_restored_store_has_none_of_the_keys_and_what_comes_counts_anew() -> None:
    stages = lived()
    paused = [case for case in stages.cases() if case["rule"] == "use-paused"]
    stages.keys.destroy([key for key in stages.keys.live_keys() if key.case_id.startswith(TASK_DAY)])
    for _ in range(2):
        stages.restart()
        assert [task.core.open_days for task in stages.by_agreement] == [set()] * AGREEMENTS
        stages.settle()
        assert [case for case in stages.cases() if case["rule"] == "use-paused"] == paused != []
    more = event({"device": "another", "server_name": "app.mathlab.example"}, number=10_000)
    stages.send([more])
    stages.settle()
    assert sum(len(task.core.open_days) for task in stages.by_agreement) > 0
    assert [case for case in stages.cases() if case["rule"] == "use-paused"] == paused


def test_a_finding_of_a_day_that_is_over_is_of_no_day_and_any_other_is() -> None:
    assert case_day(b"finding/1", b'{"v":2,"case":"c","day":"2026-10-14","sealed":""}') == DAY
    assert case_day(b"finding/1", b'{"v":2,"case":"c","day":"2026-10-14","sealed":"","closed":true}') is None
    assert engine_day(b"told/3/2026-10-14/7/1/0", b"") == case_day(b"counted/3/2026-10-14/7/1/0", b"") == DAY
    assert [case_day(key, b"") for key in (b"told/0/mathtool", b"case/1", b"days", b"over/2026-10-14/1")] == [None] * 4


def test_two_judges_seal_with_one_key_and_the_elder_does_not_take_that_of_a_day_opened_anew(store: Store) -> None:
    elder, heir = days_of(store), days_of(store)
    (value,) = put(elder, {SEEN: b"ids"}).values()
    heir.need([DAY])
    assert put(heir, {SEEN: b"ids"})[SEEN] != value
    assert value is not None
    assert heir.opened({SEEN: value}) == {SEEN: b"ids"}
    spent = elder.spent(())
    heir.destroy(heir.spent(()))
    (again,) = put(heir, {SEEN: b"more"}).values()
    elder.destroy(spent)
    assert again is not None
    assert days_of(store).opened({SEEN: again}) == {SEEN: b"more"}
    assert SEEN not in days_of(store).opened({SEEN: value})
    # A ring of keys of cases, which is never told of a day's end, holds none of it.
    assert KeyRing(store).open(task_day_id(TASK, DAY), again, kind="state") is None


def test_no_backup_and_no_file_of_keys_holds_the_key_of_an_open_day(
    store: Store, new_store: Callable[[], str], tmp_path: Path
) -> None:
    days = days_of(store)
    (value,) = put(days, {SEEN: b"ids"}).values()
    assert value is not None
    back_up(store, tmp_path / "backup.gz", keys=tmp_path / "keys.gz")
    for name in ("backup.gz", "keys.gz"):
        assert TASK.encode() not in gzip.decompress((tmp_path / name).read_bytes())
    other = Store(new_store())
    restore(other, tmp_path / "backup.gz", keys=tmp_path / "keys.gz")
    assert other.keys_of_task(TASK) == []
    again = days_of(other)
    assert SEEN not in again.opened({SEEN: value})
    again.need([DAY])
    (key,) = other.keys_of_task(TASK)
    assert open_value(value, task=TASK, keys={key.case_id: key}) is None
    other.close()


def test_no_file_of_the_database_holds_a_key_that_was_destroyed(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}", clock=Hands())
    days = days_of(store)
    days.need([DAY, NEXT])
    spent = days.spent({NEXT})
    days.destroy(spent)
    purge(store, policy=Policy(finding_days=90), now=NOW)
    octets = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    left = store.keys_of_task(TASK)
    assert [key.octets in octets for key in (*spent, *left)] == [False, True]
    # One row for each day of each task would be all that a certificate of a year shows.
    assert store.spent_keys() == []
    store.close()
