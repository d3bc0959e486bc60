"""How often stage one tells its share: once a second, at once when something ends, and never less than there is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from collector.encoding import encode
from rules.checks.example import event
from rules.judged_portion import JudgedPortion
from rules.records import Record
from rules.rehearsal import world
from rules.rulebook import Rulebook
from rules.shares import TELL_EVERY_S
from rules.stage_one import COVERAGE_KEY, StageOne
from tests.parts.case_keys import a_ring

WORLD = world({"use_gate": {"status": "paused"}})
RULEBOOK = Rulebook(
    agreements=WORLD.agreements, register=WORLD.register, parties=WORLD.parties, network=WORLD.network, locations=None
)
NOON = datetime(2026, 10, 14, 18, 0, tzinfo=UTC)
SOON_S = 0.25


class Live:
    """A task under a clock, with what its state topic holds."""

    def __init__(self, state: dict[bytes, bytes] | None = None) -> None:
        self.state = dict(state or {})
        self.clock = 1_000.0
        self.offset = 0
        self.stage = StageOne(
            partition=3, topic="flows", rulebook=RULEBOOK, state=self.state, make_key=lambda: bytes(32), keys=a_ring()
        )

    def take(self, *records: Record, after: float = SOON_S) -> JudgedPortion:
        """Judge and commit a moment later."""
        self.clock += after
        self.stage.ran(self.clock)
        portion = self.stage.take(records)
        self.state |= {key: body for key, body in portion.state.items() if body is not None}
        self.stage.committed(portion)
        return portion

    def flow(self) -> Record:
        """Return one more event."""
        self.offset += 1
        told = event({}, number=self.offset)
        key = (told.device or "").encode()
        return Record(key=key, value=encode(told), headers={}, partition=3, offset=self.offset, at=NOON)

    def mark(self, *, end: bool, collector: str = "east") -> Record:
        """Return a control record."""
        self.offset += 1
        body = json.dumps({"collector": collector, "through": "2026-10-14T18:00:00Z", "end": end}).encode()
        return Record(key=None, value=body, headers={"kind": b"watermark"}, partition=3, offset=self.offset, at=NOON)


def shares(*portions: JudgedPortion) -> list[dict[str, Any]]:
    """Return the shares that were told."""
    told = [out.value for portion in portions for out in portion.outputs if out.headers == (("kind", b"coverage"),)]
    return [msgspec.json.decode(each) for each in told]


def test_a_partition_judged_in_small_portions_tells_its_share_once_a_second() -> None:
    live = Live()
    portions = [live.take(live.flow()) for _ in range(20)]
    assert [share["coverage"]["flows"] for share in shares(*portions)] == [1, 5, 9, 13, 17]


def test_the_state_holds_every_event_of_every_portion() -> None:
    live = Live()
    for number in range(1, 8):
        live.take(live.flow())
        assert msgspec.json.decode(live.state[COVERAGE_KEY])["coverage"]["flows"] == number


def test_what_was_held_back_is_told_by_a_portion_without_records_and_then_nothing_waits() -> None:
    live = Live()
    live.take(live.flow())
    live.take(live.flow())
    assert not live.stage.waits(live.clock)
    assert live.stage.waits(live.clock + TELL_EVERY_S)
    (share,) = shares(live.take(after=TELL_EVERY_S))
    assert share["coverage"]["flows"] == 2
    assert not live.stage.waits(live.clock + TELL_EVERY_S)
    assert not live.take(after=TELL_EVERY_S).outputs


def test_the_end_of_a_capture_is_told_at_once_with_all_that_went_before() -> None:
    live = Live()
    live.take(live.flow())
    assert not shares(live.take(live.flow()))
    (begun,) = shares(live.take(live.mark(end=False)))
    assert not shares(live.take(live.flow()))
    (share,) = shares(live.take(live.mark(end=True)))
    assert (begun["at_work"], share["at_work"], share["ended"]) == (1, 0, 1)
    assert share["coverage"]["flows"] == 3


def test_a_portion_that_was_never_committed_has_told_nothing() -> None:
    live = Live()
    live.stage.ran(live.clock)
    assert shares(live.stage.take([live.flow()]))
    live.offset = 0
    assert shares(live.take(live.flow()))


def test_a_task_that_was_restored_tells_what_the_one_before_may_have_held_back() -> None:
    before = Live()
    before.take(before.flow())
    assert not shares(before.take(before.flow()))
    (share,) = shares(Live(before.state).take())
    assert share["coverage"]["flows"] == 2
    assert not shares(Live().take())
