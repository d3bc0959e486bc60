"""Stage one of the engine in a consumer group: flow events of one partition in, sums by device and day out.

A task keeps everything as sums, so a portion is judged apart and added to the rest only when its transaction has been
committed; a portion whose transaction failed leaves no trace. The state topic holds the same sums under their own keys,
and a task made from it goes on as if it had never stopped. What it forgets after the retention of the flows topic,
sums of device-days among it, and what it writes down again every day: docs/decisions/0012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rules import kept_sums
from rules.case_keys import case_of
from rules.checks.registry import all_checks
from rules.coverage import Coverage
from rules.days import Days
from rules.edition_engines import EditionEngines, added
from rules.ended_days import over_records
from rules.engine import Engine
from rules.estimator import Estimator
from rules.judged_portion import Held, JudgedPortion
from rules.kept_sums import FINDING_KEYS
from rules.partition_contacts import PartitionContacts
from rules.records import COLLECTOR, COVERAGE, GAP, KIND, SEQUENCE, Output, dead_letter
from rules.renewal import Renewal
from rules.repeats import LastRecords, key_of_slot, last_records, mark, slot_and_name
from rules.screening import RefusedError, event_in, watermark_in
from rules.sealed_records import open_finding, seal_finding
from rules.shares import Share, Telling, read_share, to_the_minute
from rules.watermarks import Standing, advanced, slowest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import date, datetime

    from collector.events import FlowEvent
    from rules.key_ring import KeyRing
    from rules.partition_contacts import Counted
    from rules.records import Reason, Record
    from rules.rulebook import Rulebook
    from rules.watermarks import Watermark

# Sums of one partition, over the three days that they are kept: 12 of them hold 12 million device-promise-days. What
# finds no room is counted, told in the report, and lost.
MAX_FINDINGS = 1_000_000

# Collectors whose last records and watermark are remembered in one partition; those of a state of 1,000 districts.
MAX_COLLECTORS = 50_000

COVERAGE_KEY = b"coverage"
WATERMARK_KEYS = b"watermark/"

_standings = msgspec.json.Decoder(Standing)


class StageOne:
    """One input partition's task, without any I/O.

    Args:
        partition: the input partition.
        topic: name of the input topic, for dead letters.
        rulebook: what events are compared with.
        state: the state topic's newest value of each key of this partition.
        make_key: returns 32 fresh random octets; drawn once for each local day.
        keys: what findings are sealed with, each with the key of its case.
    """

    def __init__(
        self,
        *,
        partition: int,
        topic: str,
        rulebook: Rulebook,
        state: Mapping[bytes, bytes],
        make_key: Callable[[], bytes],
        keys: KeyRing,
    ) -> None:
        self._partition = partition
        self._keys = keys
        self._topic = topic
        self._days = Days(state, make_key=make_key)
        # As they lie in the state topic: a million sums that nobody touches any more need not be decoded.
        self._findings = dict(kept_sums.live(state, days=self._days))
        marks = (_standings.decode(body) for key, body in state.items() if key.startswith(WATERMARK_KEYS))
        self._standings = {found.mark.collector: found for found in marks}
        self._sent = last_records(state)
        self._share = read_share(state[COVERAGE_KEY]) if COVERAGE_KEY in state else None
        self._telling = Telling(untold=self._share is not None)
        self._renewal = Renewal(state)
        self._at: datetime | None = None
        self._clock: datetime | None = None
        self._ran: float | None = None
        estimator = Estimator(rulebook)
        self._contacts = PartitionContacts(state, partition=partition, days=self._days, estimator=estimator)
        self._engine = self._engines(rulebook)
        self._zone = rulebook.network.time_zone
        self._next_offset = 0

    @property
    def watermark(self) -> datetime | None:
        """Time that every collector at work has passed, None: none is at work."""
        return slowest(self._standings.values(), at=self._at)

    @property
    def open_days(self) -> Collection[date]:
        """The local days that are open."""
        return self._days.open

    @property
    def sums(self) -> int:
        """Findings that can still grow."""
        return len(self._findings)

    def use(self, rulebook: Rulebook) -> None:
        """Judge later events by another rulebook."""
        self._engine = self._engines(rulebook)
        self._zone = rulebook.network.time_zone
        self._contacts.use(Estimator(rulebook))

    def passed(self, at: datetime) -> None:
        """Learn the machine's time; only the daily renewal goes by it, for a partition in which nothing comes."""
        self._clock = at

    def ran(self, seconds: float) -> None:
        """Learn the time on a clock that is never set; only how often the share is told goes by it."""
        self._ran = seconds

    def waits(self, at: float) -> bool:
        """Return whether a portion without records would tell something that was held back."""
        return self._telling.waits(at) or self._contacts.waits

    def work(self, at: float) -> Callable[[], Counted] | None:
        """Return the counting of contacts that is due, to be done beside the judging; None: none is."""
        return self._contacts.work(lambda: self.watermark, at=at)

    def worked(self, counted: Counted) -> None:
        """Take what `work` came to; the next portion tells it."""
        self._contacts.worked(counted)

    def take(self, records: Iterable[Record]) -> JudgedPortion:
        """Judge *records*, in their order. Nothing changes here before `committed`."""
        refused: list[tuple[Record, Reason]] = []
        fresh = [record for record in records if record.offset >= self._next_offset]
        held = Held(
            share=self._share or Share(coverage=Coverage().as_state(), since=fresh[0].offset if fresh else 0),
            offset=fresh[0].offset if fresh else 0,
            at=max((record.at for record in fresh), default=self._at),
            standings=dict(self._standings),
        )
        # Whatever a portion that was never committed left behind.
        self._engine.take()
        self._contacts.begin()
        self._engine.last_day = held.share.last_day
        for record in fresh:
            try:
                self._take(record, held=held)
            except RefusedError as no:
                refused.append((record, no.reason))
        next_offset = fresh[-1].offset + 1 if fresh else self._next_offset
        return self._portion(held, refused=refused, next_offset=next_offset)

    def committed(self, portion: JudgedPortion) -> None:
        """Add to memory what *portion* held: its transaction has been committed."""
        held = portion.held
        self._findings.update(held.findings)
        self._days.committed(held.days, over=held.over)
        if held.over:
            self._findings = {
                key: body for key, body in self._findings.items() if kept_sums.day_of(body) not in held.over
            }
        self._standings, self._at = held.standings, held.at
        if held.changed:
            self._share = held.share
        self._telling.committed(told=held.told, changed=held.changed, at=self._ran)
        self._contacts.committed(held.contacts, at=self._ran)
        self._renewal.committed(held.renewed)
        for collector, fresh in held.sent.items():
            self._sent.setdefault(collector, LastRecords()).add(fresh)
        if portion.next_offset is not None:
            self._next_offset = portion.next_offset

    def _engines(self, rulebook: Rulebook) -> EditionEngines:
        return EditionEngines(rulebook, make=self._new_engine)

    def _new_engine(self, rulebook: Rulebook) -> Engine:
        return Engine(
            register=rulebook.register,
            parties=rulebook.parties,
            network=rulebook.network,
            checks=all_checks(
                rulebook.agreements,
                party_of=rulebook.parties.find,
                country_of=rulebook.locations.country if rulebook.locations else None,
                district=rulebook.rules,
            ),
            token_key=self._days.key_of,
            meet=self._contacts.meet,
        )

    def _take(self, record: Record, *, held: Held) -> None:
        """Judge one record.

        Raises:
            RefusedError: it cannot be used.
        """
        if record.unreadable:
            raise RefusedError("unreadable_batch")
        kind, counts = record.headers.get(KIND), held.counts
        if kind == GAP:
            counts.gaps += 1
            return
        if kind is not None:
            self._note_watermark(watermark_in(record), at=record.at, held=held)
            return
        event, began, ended = event_in(record)
        collector = _collector(record, event=event)
        if self._is_repeat(record, event=event, collector=collector, held=held):
            counts.repeats += 1
            return
        started = began.astimezone(self._zone)
        if not self._days.is_new(event.id, day=started.date(), at=record.at, held=held.days):
            counts.duplicates += 1
            return
        known = held.standings.get(collector)
        counts.late += known is not None and ended < known.mark.moment
        self._engine.judge_new(event, started=started)

    def _note_watermark(self, told: Watermark, *, at: datetime, held: Held) -> None:
        before = held.standings.get(told.collector)
        if before is not None or len(held.standings) < MAX_COLLECTORS:
            mark_ = advanced(before.mark if before else None, told)
            held.standings[told.collector] = Standing(mark=mark_, heard=at)

    def _is_repeat(self, record: Record, *, event: FlowEvent, collector: str, held: Held) -> bool:
        number = mark(sequence=record.headers.get(SEQUENCE, b""), event_id=event.id)
        before, fresh = self._sent.get(collector), held.sent[collector]
        if number in fresh or (before is not None and number in before):
            return True
        if before is not None or len(self._sent) < MAX_COLLECTORS:
            fresh[number] = None
        else:
            held.counts.unremembered += 1
        return False

    def _portion(self, held: Held, *, refused: list[tuple[Record, Reason]], next_offset: int) -> JudgedPortion:
        sums, coverage = self._engine.take()
        counts = held.counts
        counts.unremembered += held.days.unremembered
        passed = slowest(held.standings.values(), at=held.at)
        held.over = tuple(self._days.over(held.at, passed=passed, zone=self._zone))
        owned = [(owner, part) for part in sums if part.first_seen > self._keys.until(owner := case_of(part))]
        counts.forgotten += len(sums) - len(owned)
        self._keys.need(owner for owner, _part in owned)
        for owner, part in owned:
            before = self._findings.get(part.id)
            if before is None and len(self._findings) + len(held.findings) >= MAX_FINDINGS:
                counts.lost += 1
                continue
            known = None if before is None else open_finding(before, keys=self._keys)[1]
            # A sum that nobody can read any more begins anew.
            counts.forgotten += before is not None and known is None
            whole = part if known is None else added(known, part)
            held.findings[part.id] = seal_finding(whole, case_id=owner, keys=self._keys)
            held.agreements[part.id] = part.agreement.encode()
            if part.day not in held.over:
                held.kept.append(part.id)
        held.contacts = self._contacts.portion(offset=held.offset, over=held.over)
        self._tell_share(held, coverage=coverage)
        now = max(filter(None, (held.at, self._clock)), default=None)
        held.renewed = self._renewal.due(now, keys=self._lasting_keys)
        return JudgedPortion(
            outputs=(
                *self._outputs(held),
                *self._contacts.outputs(held.contacts),
                *(dead_letter(record, reason, topic=self._topic) for record, reason in refused),
            ),
            state=self._state(held),
            next_offset=next_offset,
            refused=tuple(reason for _record, reason in refused),
            ends_day=bool(held.over),
            coverage=coverage,
            repeats=counts.repeats,
            duplicates=counts.duplicates,
            late=counts.late,
            gaps=counts.gaps,
            lost=counts.lost,
            unremembered=counts.unremembered,
            unweighed=held.contacts.lost,
            forgotten=counts.forgotten,
            watermark=held.share.watermark,
            held=held,
        )

    def _tell_share(self, held: Held, *, coverage: Coverage) -> None:
        """Bring the share up to date, and note whether it is worth writing down, and telling now."""
        before = held.share
        total = before.counted()
        total.add(coverage)
        held.share = Share(
            coverage=total.as_state(),
            since=before.since,
            last_day=self._engine.last_day,
            duplicates=before.duplicates + held.counts.duplicates,
            lost=before.lost + held.counts.lost,
            unweighed=before.unweighed + held.contacts.lost,
            watermark=slowest(held.standings.values(), at=held.at),
            at_work=sum(each.at_work(held.at) for each in held.standings.values()),
            ended=sum(each.mark.end for each in held.standings.values()),
        )
        held.changed = to_the_minute(held.share) != to_the_minute(before)
        held.told = self._telling.is_due(held.share, before=before, changed=held.changed, at=self._ran)

    def _outputs(self, held: Held) -> list[Output]:
        outputs = [
            Output(topic="findings", key=held.agreements[key], value=body) for key, body in held.findings.items()
        ]
        if held.told:
            name, body = str(self._partition).encode(), msgspec.json.encode(held.share)
            # All coverage meets in one place, whoever judged what.
            outputs.append(Output(topic="findings", key=name, value=body, headers=((KIND, COVERAGE),), partition=0))
        outputs += over_records(self._ended(held))
        return outputs

    def _ended(self, held: Held) -> dict[tuple[bytes, date], list[str]]:
        """Return agreement and day -> ids of the findings to which nothing is added any more."""
        ended: dict[tuple[bytes, date], list[str]] = {}
        for key, body in {**self._findings, **held.findings}.items() if held.over else ():
            day = kept_sums.day_of(body)
            if day in held.over:
                found = None if key in held.agreements else open_finding(body, keys=self._keys)[1]
                agreement = held.agreements.get(key) if found is None else found.agreement.encode()
                if agreement is not None:
                    ended.setdefault((agreement, day), []).append(key)
        return ended

    def _state(self, held: Held) -> dict[bytes, bytes | None]:
        # What is renewed stands first: this portion may write a newer value of the same key.
        state: dict[bytes, bytes | None] = {key: self._lasting(key) for key in held.renewed or ()}
        state |= self._renewal.state(held.renewed)
        # The keys of days stand before what is made with them: retention takes the front of a topic first.
        state |= self._days.state(held.days, over=held.over)
        state |= self._contacts.state(held.contacts)
        if held.over:
            # When each was written last tells when somebody was at work, whether it can be read or not.
            state |= kept_sums.dropped(self._findings, days=held.over)
        for key in held.kept:
            state[FINDING_KEYS + key.encode()] = held.findings[key]
        for name, standing in held.standings.items():
            if self._standings.get(name) != standing:
                state[WATERMARK_KEYS + name.encode()] = msgspec.json.encode(standing)
        empty = LastRecords()
        for name, fresh in held.sent.items():
            for slot, octets in self._sent.get(name, empty).pieces_with(tuple(fresh)).items():
                state[key_of_slot(slot, name=name)] = octets
        if held.changed:
            state[COVERAGE_KEY] = msgspec.json.encode(held.share)
        return state

    def _lasting_keys(self) -> list[bytes]:
        """Return the state keys that must outlive the retention; none of them has to do with a device."""
        keys = [] if self._share is None else [COVERAGE_KEY]
        keys += [WATERMARK_KEYS + name.encode() for name in self._standings]
        keys += [key_of_slot(slot, name=name) for name, sent in self._sent.items() for slot in sent.slots()]
        return keys

    def _lasting(self, key: bytes) -> bytes:
        if key == COVERAGE_KEY:
            return msgspec.json.encode(self._share)
        if key.startswith(WATERMARK_KEYS):
            return msgspec.json.encode(self._standings[key.removeprefix(WATERMARK_KEYS).decode()])
        slot, name = slot_and_name(key)
        return self._sent[name].piece(slot)


def _collector(record: Record, *, event: FlowEvent) -> str:
    named = record.headers.get(COLLECTOR)
    return event.sensor if named is None else named.decode(errors="replace")
