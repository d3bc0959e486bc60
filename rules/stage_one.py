"""Stage one of the engine in a consumer group: flow events of one partition in, sums by device and day out.

A task keeps everything as sums, so a portion is judged apart and added to the rest only when its transaction has been
committed; a portion whose transaction failed leaves no trace. The state topic holds the same sums under their own keys,
and a task made from it goes on as if it had never stopped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rules.checks.registry import all_checks
from rules.coverage import Coverage
from rules.engine import Engine
from rules.findings import Finding
from rules.intake import MAX_LINE_BYTES, EventError, read_event
from rules.records import COLLECTOR, COVERAGE, GAP, KIND, SEQUENCE, WATERMARK, Output, Portion, dead_letter
from rules.repeats import LastRecords, mark
from rules.watermarks import ControlError, Watermark, advanced, read_watermark, slowest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collector.events import FlowEvent
    from rules.records import Reason, Record
    from rules.rulebook import Rulebook

# Issue of the contract: any age in between is judged, for a collector may drain a backlog of days.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = timedelta(hours=25)

# No flow part carries more; what does would break the sums of everybody else.
MAX_COUNT = 1 << 48

# Sums of one partition: 12 of them hold 12 million device-promise-days. What finds no room is counted, and lost.
MAX_FINDINGS = 1_000_000

# Collectors whose last records and watermark are remembered in one partition; those of a state of 1,000 districts.
MAX_COLLECTORS = 50_000

TOKEN_KEY = b"token"
COVERAGE_KEY = b"coverage"
FINDING_KEYS = b"finding/"
WATERMARK_KEYS = b"watermark/"
REPEAT_KEYS = b"repeats/"

_findings = msgspec.json.Decoder(Finding)
_marks = msgspec.json.Decoder(Watermark)


class _Refused(Exception):  # noqa: N818 -- it never leaves this module
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPortion(Portion):
    """A portion of flow events, with what changes in the task once it is committed."""

    coverage: Coverage
    """What was seen in this portion alone."""
    repeats: int
    """Records dropped because the collector had sent them before."""
    late: int
    """Events that ended before their collector's watermark; judged all the same."""
    gaps: int
    """Times that a collector told that it had to drop events."""
    watermark: datetime | None
    """Time that every collector at work has passed after this portion."""
    held: _Held
    """What the task knows after this portion, as far as it is new."""


@dataclass(slots=True, kw_only=True)
class _Held:
    findings: dict[str, Finding] = field(default_factory=dict)
    total: Coverage = field(default_factory=Coverage)
    last_day: date | None = None
    marks: dict[str, Watermark] = field(default_factory=dict)
    sent: dict[str, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))


class StageOne:
    """One input partition's task, without any I/O.

    Args:
        partition: the input partition.
        topic: name of the input topic, for dead letters.
        rulebook: what events are compared with.
        state: the state topic's newest value of each key of this partition.
        fresh_key: 32 random octets; used when the state holds no token key yet.
    """

    def __init__(
        self, *, partition: int, topic: str, rulebook: Rulebook, state: Mapping[bytes, bytes], fresh_key: bytes
    ) -> None:
        self._partition = partition
        self._topic = topic
        # The key lies with the sums: whoever takes the partition over must give the same findings the same ids.
        self._token_key = state.get(TOKEN_KEY, fresh_key)
        self._findings = {
            found.id: found
            for found in (_findings.decode(body) for key, body in state.items() if key.startswith(FINDING_KEYS))
        }
        self._marks = {
            found.collector: found
            for found in (_marks.decode(body) for key, body in state.items() if key.startswith(WATERMARK_KEYS))
        }
        self._sent = _last_records(state)
        kept: dict[str, Any] = msgspec.json.decode(state[COVERAGE_KEY]) if COVERAGE_KEY in state else {}
        self._total = Coverage.from_state(kept["coverage"]) if kept else Coverage()
        self._last_day = date.fromisoformat(kept["last_day"]) if kept.get("last_day") else None
        self._engine = self._new_engine(rulebook)
        self._next_offset = 0
        self.refused_findings = 0
        """Sums that found no room."""

    @property
    def watermark(self) -> datetime | None:
        """Time that every collector at work has passed, None: none is at work."""
        return slowest(self._marks.values())

    def use(self, rulebook: Rulebook) -> None:
        """Judge later events by another rulebook."""
        self._engine = self._new_engine(rulebook)

    def take(self, records: Iterable[Record]) -> JudgedPortion:
        """Judge *records*, in their order. Nothing changes here before `committed`."""
        held = _Held(marks=dict(self._marks))
        refused: list[tuple[Record, Reason]] = []
        repeats = late = gaps = 0
        next_offset = self._next_offset
        # Whatever a portion that was never committed left behind.
        self._engine.take()
        self._engine.last_day = self._last_day
        for record in records:
            if record.offset < self._next_offset:
                continue
            next_offset = record.offset + 1
            if record.headers.get(KIND) == GAP:
                gaps += 1
                continue
            try:
                if KIND in record.headers:
                    self._note_watermark(record, held=held)
                    continue
                event = _event(record)
            except _Refused as no:
                refused.append((record, no.reason))
                continue
            if self._is_repeat(record, event=event, held=held):
                repeats += 1
                continue
            late += _is_late(event, held.marks.get(_collector(record, event=event)))
            self._engine.judge_new(event)
        told = {"repeats": repeats, "late": late, "gaps": gaps}
        return self._portion(held, refused=refused, next_offset=next_offset, told=told)

    def committed(self, portion: JudgedPortion) -> None:
        """Add to memory what *portion* held: its transaction has been committed."""
        held = portion.held
        self._findings.update(held.findings)
        self._marks = held.marks
        self._total, self._last_day = held.total, held.last_day
        for collector, fresh in held.sent.items():
            self._sent.setdefault(collector, LastRecords()).add(fresh)
        if portion.next_offset is not None:
            self._next_offset = portion.next_offset

    def _new_engine(self, rulebook: Rulebook) -> Engine:
        return Engine(
            register=rulebook.register,
            parties=rulebook.parties,
            network=rulebook.network,
            checks=all_checks(
                rulebook.agreements,
                party_of=rulebook.parties.find,
                country_of=rulebook.locations.country if rulebook.locations else None,
            ),
            token_key=self._token_key,
        )

    def _note_watermark(self, record: Record, *, held: _Held) -> None:
        if record.headers[KIND] != WATERMARK or record.value is None or len(record.value) > MAX_LINE_BYTES:
            raise _Refused("wrong_control")
        try:
            told = read_watermark(record.value)
        except ControlError:
            raise _Refused("wrong_control") from None
        if told.collector in held.marks or len(held.marks) < MAX_COLLECTORS:
            held.marks[told.collector] = advanced(held.marks.get(told.collector), told)

    def _is_repeat(self, record: Record, *, event: FlowEvent, held: _Held) -> bool:
        collector = _collector(record, event=event)
        number = mark(sequence=record.headers.get(SEQUENCE, b""), event_id=event.id)
        before, fresh = self._sent.get(collector), held.sent[collector]
        if number in fresh or (before is not None and number in before):
            return True
        if before is not None or len(self._sent) < MAX_COLLECTORS:
            fresh[number] = None
        return False

    def _portion(
        self, held: _Held, *, refused: list[tuple[Record, Reason]], next_offset: int, told: dict[str, int]
    ) -> JudgedPortion:
        sums, coverage = self._engine.take()
        held.last_day = self._engine.last_day
        held.total.add(self._total)
        held.total.add(coverage)
        for part in sums:
            before = self._findings.get(part.id)
            if before is None and len(self._findings) + len(held.findings) >= MAX_FINDINGS:
                self.refused_findings += 1
                continue
            held.findings[part.id] = part if before is None else added(before, part)
        state = self._state(held)
        outputs = [
            Output(topic="findings", key=found.agreement.encode(), value=state[FINDING_KEYS + found.id.encode()])
            for found in held.findings.values()
        ]
        if COVERAGE_KEY in state:
            name = str(self._partition).encode()
            # All coverage meets in one place, whoever judged what.
            outputs.append(
                Output(topic="findings", key=name, value=state[COVERAGE_KEY], headers=((KIND, COVERAGE),), partition=0)
            )
        outputs += [dead_letter(record, reason, topic=self._topic) for record, reason in refused]
        return JudgedPortion(
            outputs=tuple(outputs),
            state=state,
            next_offset=next_offset,
            refused=tuple(reason for _record, reason in refused),
            coverage=coverage,
            **told,
            watermark=slowest(held.marks.values()),
            held=held,
        )

    def _state(self, held: _Held) -> dict[bytes, bytes]:
        state: dict[bytes, bytes] = {}
        for found in held.findings.values():
            state[FINDING_KEYS + found.id.encode()] = msgspec.json.encode(found)
        for name, told in held.marks.items():
            if self._marks.get(name) != told:
                state[WATERMARK_KEYS + name.encode()] = msgspec.json.encode(told)
        empty = LastRecords()
        for name, fresh in held.sent.items():
            for slot, octets in self._sent.get(name, empty).pieces_with(tuple(fresh)).items():
                state[b"%s%d/%s" % (REPEAT_KEYS, slot, name.encode())] = octets
        if held.sent:
            day = held.last_day.isoformat() if held.last_day else None
            state[COVERAGE_KEY] = msgspec.json.encode({"coverage": held.total.as_state(), "last_day": day})
            # With every portion, so that it never grows older than the sums and is not deleted before them.
            state[TOKEN_KEY] = self._token_key
        return state


def added(one: Finding, other: Finding) -> Finding:
    """Return the sum of two portions of one finding."""
    return replace(
        one,
        flows=one.flows + other.flows,
        bytes_up=one.bytes_up + other.bytes_up,
        bytes_down=one.bytes_down + other.bytes_down,
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
    )


def _last_records(state: Mapping[bytes, bytes]) -> dict[str, LastRecords]:
    pieces: dict[str, list[bytes]] = defaultdict(list)
    for key, octets in state.items():
        if key.startswith(REPEAT_KEYS):
            _slot, _, name = key.removeprefix(REPEAT_KEYS).partition(b"/")
            pieces[name.decode()].append(octets)
    return {name: LastRecords.from_pieces(each) for name, each in pieces.items()}


def _collector(record: Record, *, event: FlowEvent) -> str:
    named = record.headers.get(COLLECTOR)
    return event.sensor if named is None else named.decode(errors="replace")


def _is_late(event: FlowEvent, told: Watermark | None) -> bool:
    return told is not None and datetime.fromisoformat(event.ended_at) < told.moment


def _event(record: Record) -> FlowEvent:
    """Return the event in *record*, or raise why it is none."""
    if record.value is None:
        raise _Refused("no_value")
    if len(record.value) > MAX_LINE_BYTES:
        raise _Refused("too_large")
    try:
        event = read_event(record.value)
    except EventError:
        raise _Refused(_why(record.value)) from None
    counts = (event.bytes_up, event.bytes_down, event.packets_up, event.packets_down, event.plaintext_bytes_up)
    if min(counts) < 0 or max(counts) > MAX_COUNT or event.part < 0:
        raise _Refused("not_an_event")
    if event.device is None or record.key != event.device.encode():
        raise _Refused("wrong_key")
    started = datetime.fromisoformat(event.started_at)
    if started < EARLIEST:
        raise _Refused("too_old")
    if max(started, datetime.fromisoformat(event.ended_at)) > record.at + LATEST:
        raise _Refused("in_the_future")
    return event


def _why(octets: bytes) -> Reason:
    """Return what is wrong with octets that are no FlowEvent of version 1."""
    decode: Callable[[bytes], Any] = msgspec.json.decode
    try:
        document = decode(octets)
    except (msgspec.DecodeError, RecursionError):
        return "not_json"
    if isinstance(document, dict) and document.get("v", 1) != 1:
        return "wrong_version"
    return "not_an_event"
