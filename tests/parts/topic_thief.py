"""Who has everything that Kafka and the store still hold of two days that are over, and opens whatever opens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import structs

from collector import topics
from rules import contacts
from rules.closed_findings import is_closed
from rules.contact_records import place_in
from rules.counted import unpacked
from rules.counted_contacts import COUNTED_KEYS
from rules.days import DAY_KEYS, SEEN_KEYS
from rules.duplicates import HASH_BYTES
from rules.estimator import TOKEN_BYTES
from rules.intake import read_record
from rules.kept_sums import FINDING_KEYS
from rules.key_ring import KeyRing
from rules.left_counts import LEFT_KEYS
from rules.partition_contacts import CONTACT_KEYS
from rules.records import CONTACTS, KIND
from rules.sealed_days import MARK, open_value
from rules.sealed_records import open_finding
from tests.parts.school_days.writing import pseudonym
from tests.parts.two_days import DAYS_LOOKED_THROUGH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from collector.events import FlowEvent
    from rules.contact_records import Place
    from rules.contacts import Contact
    from rules.findings import Finding
    from rules.records import Record
    from rules.windows import Row
    from tests.parts.days_through_kafka import DaysThroughKafka
    from tests.parts.memory_topics import MemoryPartition
    from tests.parts.school_days import SchoolDays
    from tests.parts.two_days import Device

T = TypeVar("T")
Of = tuple["Device", str]
"""Device, and agreement or party."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loot:
    """What of single devices can be read, by day; whose it is only the test knows."""

    events: tuple[Mapping[Device, list[FlowEvent]], ...]
    """Flow events."""
    findings: tuple[Mapping[Of, list[dict[str, Any]]], ...]
    """Findings of devices by agreement, of each the largest sum there is."""
    rows: tuple[Mapping[Of, list[Row]], ...]
    """Counted contacts by party, of each hour those that were told last."""
    closed: tuple[Mapping[Of, list[Row]], ...]
    """What is left of counted contacts of days that are over, by whose token a row was dealt."""
    contacts: tuple[Mapping[Device, list[Contact]], ...]
    """What the devices of an open day met."""
    written: tuple[Mapping[Of, list[datetime]], ...]
    """When the state of each finding was written, by its key alone, which stands in the clear."""
    keys: tuple[tuple[str, bytes], ...]
    """Days of which the key of tokens can be read, and those keys."""
    ids: int
    """Ids of events, hashed, that can be read of any day."""


class TopicThief:
    """Reads what days through Kafka leave.

    Args:
        lived: the days.
        truth: what the days are made of.
        seed: of its pseudonyms.
    """

    def __init__(self, lived: DaysThroughKafka, *, truth: SchoolDays, seed: int) -> None:
        self._lived = lived
        self._ring = KeyRing(lived.store)
        self._keys = {key.case_id: key for key in lived.store.live_keys()}
        self.classes = [tuple((seed, number) for number in group.devices) for group in truth.world.classes]
        made = {
            pseudonym(device[1], seed=seed, day=day): device
            for group in self.classes
            for device in group
            for day in range(DAYS_LOOKED_THROUGH)
        }
        # A day that is lived again has other pseudonyms: those of the first, read backwards.
        self._named = {**made, **{name[::-1]: device for name, device in made.items()}}
        self.days = lived.dates
        self._owners: dict[str, dict[Any, Device]] = {}
        sums = (open_finding(body, keys=self._ring)[1] for body in lived.sums.values())
        self._told = {each.id: (each.day, self.owner(each)) for each in sums if each is not None}

    def known(self) -> Loot:
        """Return what there was of the days while they passed: what an attacker may have learnt of the first."""
        return self._loot(lambda partition: partition.records)

    def left(self) -> Loot:
        """Return what is left, superseded values too."""
        return self._loot(lambda partition: partition.left(self._lived.now))

    def compacted(self) -> Loot:
        """Return what is left when superseded values are gone, as the topics of state promise."""
        return self._loot(lambda partition: partition.compacted(self._lived.now))

    def clear(self) -> dict[str, str]:
        """Return what is left as text, by topic: what lies in the clear, and what opens, but for versions of cases.

        Those say to the last digit what their contract wants.
        """
        texts: dict[str, list[str]] = {name: [] for name in self._lived.topics}
        for name, partitions in self._lived.topics.items():
            for lying in (each for partition in partitions for each in partition.left(self._lived.now)):
                record = self._opened(name, lying)
                texts[name] += [(record.key or b"").decode(), (record.value or b"").decode(errors="replace")]
                if _under(record, LEFT_KEYS):
                    texts[name].append(repr(unpacked(record.value or b"")))
        return {name: " ".join(told) for name, told in texts.items()}

    def _loot(self, look: Callable[[MemoryPartition], Iterable[Record]]) -> Loot:
        held = {name: [each for partition in of for each in look(partition)] for name, of in self._lived.topics.items()}
        state = [each for topic in (topics.ENGINE_STATE, topics.CASE_STATE) for each in held[topic]]
        keys = [each for each in state if _under(each, DAY_KEYS)]
        seen = [each for each in state if _under(each, SEEN_KEYS)]
        findings = [each for each in held[topics.FINDINGS] if KIND not in each.headers and each.value]
        findings += [each for each in state if _under(each, FINDING_KEYS)]
        counts = [(each, each.key) for each in held[topics.FINDINGS] if each.headers.get(KIND) == CONTACTS]
        counts += [(each, each.key[len(COUNTED_KEYS) :]) for each in state if each.key and _under(each, COUNTED_KEYS)]
        return Loot(
            events=self._by_day(self._events(held[topics.FLOWS])),
            findings=self._by_day(self._findings(findings)),
            rows=self._by_day(self._rows(counts)),
            closed=self._by_day(self._closed(each for each in state if _under(each, LEFT_KEYS))),
            contacts=self._by_day(self._contacts([each for each in state if _under(each, CONTACT_KEYS)])),
            written=self._by_day(
                self._written(each for each in state if each.key and each.key.startswith(FINDING_KEYS))
            ),
            keys=tuple((str(each.key), each.value or b"") for each in keys),
            ids=sum(len(each.value or b"") // HASH_BYTES for each in seen),
        )

    def _opened(self, topic: str, record: Record) -> Record:
        """Return a record of state with what is sealed in it, where any key opens that; else as it lies there."""
        value = open_value(record.value or b"", task=f"{topic}/{record.partition}", keys=self._keys)
        return record if value is None else structs.replace(record, value=value)

    def _by_day(self, found: Iterable[tuple[date, Any, Any]]) -> tuple[Mapping[Any, list[Any]], ...]:
        held: dict[date, defaultdict[Any, list[Any]]] = {day: defaultdict(list) for day in self.days}
        for day, of, what in found:
            held[day][of].append(what)
        return tuple(held[day] for day in self.days)

    def _events(self, records: Iterable[Record]) -> Iterator[tuple[date, Device, FlowEvent]]:
        for record in records:
            if KIND not in record.headers:
                event = read_record(record.value or b"")
                yield self._day_of(event.started_at), self._named[str(event.device)], event

    def _findings(self, records: Iterable[Record]) -> Iterator[tuple[date, Of, dict[str, Any]]]:
        largest: dict[str, Finding] = {}
        for record in records:
            _case, finding = open_finding(record.value or b"", keys=self._ring)
            if finding is not None and not is_closed(finding):
                before = largest.get(finding.id)
                if before is None or before.flows <= finding.flows:
                    largest[finding.id] = finding
        for finding in largest.values():
            yield finding.day, self.owner(finding), asdict(finding)

    def _rows(self, told: Iterable[tuple[Record, bytes | None]]) -> Iterator[tuple[date, Of, Row]]:
        newest: dict[Place, bytes] = {}
        for record, key in told:
            newest[place_in(key)] = record.value or b""
        for octets in newest.values():
            for row in unpacked(octets).rows:
                yield row.day, (self._owner_of_row(row), row.party), row

    def _closed(self, records: Iterable[Record]) -> Iterator[tuple[date, Of, Row]]:
        newest = {record.key: record.value or b"" for record in records}
        for row in (row for octets in newest.values() for row in unpacked(octets).rows):
            yield row.day, (self._owner_of_row(row), row.party), row

    def _contacts(self, records: Iterable[Record]) -> Iterator[tuple[date, Device, Contact]]:
        log = contacts.ContactLog()
        for record in records:
            on = (record.key or b"").removeprefix(CONTACT_KEYS).partition(b"/")[0]
            log.restore(date.fromisoformat(on.decode()), record.value or b"")
        for day in log.days():
            for device, met in log.devices(day):
                for each in met:
                    yield day, self._named[device], each

    def _written(self, records: Iterable[Record]) -> Iterator[tuple[date, Of, datetime]]:
        for record in records:
            if record.key is None or not record.key.startswith(FINDING_KEYS):
                continue
            found = self._told.get(record.key.removeprefix(FINDING_KEYS).decode())
            # What is closed has another name, and is of no device.
            if found is not None:
                yield found[0], found[1], record.at

    def owner(self, finding: Finding) -> Of:
        """Return whose token stands in a finding."""
        text = f"{finding.day}\x1f{{}}\x1f{finding.agreement}"
        if text not in self._owners:
            made = self._tokens(
                lambda name, key: blake2b(text.format(name).encode(), key=key, digest_size=16).hexdigest()
            )
            self._owners[text] = dict(made)
        return self._owners[text][finding.device], finding.agreement

    def _owner_of_row(self, row: Row) -> Device:
        if row.party not in self._owners:
            self._owners[row.party] = dict(self._tokens(partial(_token_of_row, party=row.party)))
        return self._owners[row.party][row.device]

    def _tokens(self, token: Callable[[str, bytes], T]) -> Iterator[tuple[T, Device]]:
        """Yield the tokens that may be, under whichever key was drawn, and whose they are."""
        for key, partition in self._lived.drawn.items():
            for name in self._lived.names[partition]:
                yield token(name, key), self._named[name]

    def _day_of(self, stamp: str) -> date:
        return datetime.fromisoformat(stamp).astimezone(self._lived.book.network.time_zone).date()


def _token(name: str, key: bytes, *, text: str) -> str:
    return blake2b(text.format(name).encode(), key=key, digest_size=16).hexdigest()


def _token_of_row(name: str, key: bytes, *, party: str) -> int:
    return int.from_bytes(blake2b(f"{name}\x1f{party}".encode(), key=key, digest_size=TOKEN_BYTES).digest(), "big")


def _under(record: Record, prefix: bytes) -> bool:
    """Return whether a record of state lies under a key that begins so, and can be read."""
    return (
        record.key is not None
        and record.key.startswith(prefix)
        and record.value is not None
        and not record.value.startswith(MARK)
    )
