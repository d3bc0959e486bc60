"""Whom the devices of one input partition met: kept for as long as the day is open, told to the estimator as counts.

Contacts name devices, so they live and die with the key of their day (docs/decisions/0012, 0018). What is told names
none, and replaces what was told of its place before. They lie here as octets, as in the state topic: reading them is
left to the counting, which takes a while and is done beside the judging, with what is committed. Only a day that ends
with something untold is counted in the portion that ends it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from rules import contacts
from rules.contact_records import NOTHING, Place, parts_of, place_in
from rules.ended_contacts import over_record
from rules.records import CONTACTS, KIND, Output
from rules.windows import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from rules.contact_records import Opening
    from rules.contacts import Met
    from rules.days import Days
    from rules.estimator import Estimator

CONTACT_KEYS: Final = b"contacts/"
TOLD_KEYS: Final = b"told/"

QUIET_S: Final = 20.0
"""Nothing was added for so long: whoever sent it may have stopped in the middle of an hour."""
LEAST_PAUSE_S: Final = 2.0
SECONDS_A_CONTACT: Final = 3e-4
"""Pause for each contact counted last, ten times what counting it takes: a replay, in which hours pass in seconds,
spends no more than a tenth of its time on counting."""

DIGEST_BYTES: Final = 16

NEVER: Final = -1
"""In place of an hour, or of a number of contacts: nothing was counted yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedDay:
    """The counts of one day, of the contacts that were committed when counting began."""

    opened: int
    """As in `Place`."""
    size: int
    """Contacts that were counted."""
    pieces: int
    """Pieces that were counted."""
    piece: bytes
    """The same contacts as one piece."""
    records: Mapping[Place, bytes]
    """Everything that there is to tell of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What counting beside the judging came to."""

    days: Mapping[date, CountedDay]
    """By local date."""
    by: Estimator
    """Who counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshContacts:
    """What one portion adds, tells and ends."""

    pieces: Mapping[date, bytes] = field(default_factory=dict)
    """Its contacts by day."""
    sizes: Mapping[date, int] = field(default_factory=dict)
    """How many there are."""
    offset: int = 0
    """Its first offset."""
    lost: int = 0
    """Contacts that found no room."""
    over: Collection[date] = ()
    """Days that end with it."""
    counted: Counted | None = None
    """What is told with it; None: nothing was counted."""
    news: Mapping[Place, bytes] = field(default_factory=dict)
    """What differs from what was told before."""
    ended: tuple[Opening, ...] = ()
    """Of what was told, that to which nothing will be added."""
    stale: tuple[bytes, ...] = ()
    """State keys of days that are open no more."""


@dataclass(slots=True)
class _Day:
    offsets: list[int] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    told: dict[Place, bytes] = field(default_factory=dict)
    size: int = 0
    told_size: int = NEVER

    def add(self, piece: bytes, *, offset: int, size: int) -> None:
        self.offsets.append(offset)
        self.pieces.append(piece)
        self.size += size

    def copy(self) -> _Day:
        return _Day([*self.offsets], [*self.pieces], self.told, self.size, self.told_size)


class PartitionContacts:
    """The contacts of the open days of one partition.

    Args:
        state: the state topic's newest value of each key of the partition.
        partition: which.
        days: the days that are open.
        estimator: counts.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, partition: int, days: Days, estimator: Estimator) -> None:
        self._partition = partition
        self._open = days
        self._estimator = estimator
        self._days: dict[date, _Day] = {}
        self._in_hand: list[Met] = []
        self._counted: Counted | None = None
        self._at: float | None = None
        self._latest: float | None = None
        self._hour: int | None = NEVER
        self._pause = LEAST_PAUSE_S
        self._stale = self._restore(state)
        self._ended = tuple(sorted({_told_in(key).opening for key in self._stale if key.startswith(TOLD_KEYS)}))

    def meet(self, met: Met) -> None:
        """Take one contact of the portion in hand."""
        self._in_hand.append(met)

    def begin(self) -> None:
        """Forget what a portion that was never committed left behind."""
        self._in_hand = []

    def use(self, estimator: Estimator) -> None:
        """Count by other party lists from now on, and all that is open anew."""
        self._estimator, self._counted, self._hour = estimator, None, NEVER
        for day in self._days.values():
            day.told_size = NEVER

    @property
    def waits(self) -> bool:
        """Whether something was counted that is not told yet."""
        return self._counted is not None

    def work(self, watermark: Callable[[], datetime | None], *, at: float) -> Callable[[], Counted] | None:
        """Return what is to be counted beside the judging, None: nothing, or its time has not come.

        It comes when another hour has passed or nothing is added any more, and where no collector is at work whenever
        something was added.

        Args:
            watermark: returns the time that every collector at work has passed, None: none is at work.
            at: seconds on a clock that is never set.
        """
        days = [day for day, held in self._days.items() if held.size != held.told_size]
        if self._counted is not None or not days or (self._at is not None and at - self._at < self._pause):
            return None
        moment = watermark()
        hour = None if moment is None else int(moment.timestamp()) * 1000 // HOUR_MS
        is_quiet = self._latest is not None and at - self._latest >= QUIET_S
        if hour is not None and hour == self._hour and not is_quiet:
            return None
        self._hour, self._at = hour, at
        self._pause = LEAST_PAUSE_S + SECONDS_A_CONTACT * sum(self._days[day].size for day in days)
        jobs, estimator = {day: self._counting(day, held=self._days[day]) for day in days}, self._estimator
        return lambda: Counted(days={day: job() for day, job in jobs.items()}, by=estimator)

    def worked(self, counted: Counted) -> None:
        """Take what `work` came to; the next portion tells it."""
        for day, each in counted.days.items():
            if self._is_of_now(day, counted=each):
                # Portions are small where events come one by one: one piece takes a quarter of their memory.
                self._days[day].pieces[: each.pieces] = [each.piece]
        if counted.by is self._estimator:
            self._counted = counted

    def portion(self, *, offset: int, over: Collection[date]) -> FreshContacts:
        """Return what the portion in hand adds; nothing changes here before `committed`.

        Args:
            offset: its first offset.
            over: days that end with it.
        """
        room = max(contacts.MAX_CONTACTS - sum(held.size for held in self._days.values()), 0)
        kept = self._in_hand[:room]
        sizes: defaultdict[date, int] = defaultdict(int)
        for met in kept:
            sizes[met.day] += 1
        pieces = contacts.pieces(kept)
        news: dict[Place, bytes] = {}
        for day, counted in (self._counted.days if self._counted else {}).items():
            if day not in over and self._is_of_now(day, counted=counted):
                news |= _differences(self._days[day], counted=counted)
        ended = [*self._ended]
        for day in over:
            last = self._days[day].copy() if day in self._days else _Day()
            if day in pieces:
                last.add(pieces[day], offset=offset, size=sizes[day])
            if last.size != last.told_size and last.pieces:
                news |= _differences(last, counted=self._counting(day, held=last)())
            told = {place for places in (last.told, news) for place in places if place.day == day}
            ended += sorted({place.opening for place in told})
        return FreshContacts(
            pieces=pieces,
            sizes=sizes,
            offset=offset,
            lost=len(self._in_hand) - len(kept),
            over=over,
            counted=self._counted,
            news=news,
            ended=tuple(ended),
            stale=self._stale,
        )

    def outputs(self, fresh: FreshContacts) -> Iterator[Output]:
        """Yield the records to tell; all counts meet in one place."""
        for place, octets in sorted(fresh.news.items()):
            yield Output(topic="findings", key=place.key, value=octets, headers=((KIND, CONTACTS),), partition=0)
        yield from map(over_record, fresh.ended)

    def state(self, fresh: FreshContacts) -> dict[bytes, bytes | None]:
        """Return the state keys that change; None: to be destroyed."""
        state: dict[bytes, bytes | None] = dict.fromkeys(fresh.stale)
        for day, piece in fresh.pieces.items():
            if day not in fresh.over:
                state[_piece_key(day, offset=fresh.offset)] = piece
        for place, octets in fresh.news.items():
            if place.day not in fresh.over:
                state[TOLD_KEYS + place.key] = _digest(octets)
        for day in fresh.over:
            held = self._days.get(day, _Day())
            state |= dict.fromkeys(_piece_key(day, offset=offset) for offset in held.offsets)
            state |= dict.fromkeys(TOLD_KEYS + place.key for place in held.told)
        return state

    def committed(self, fresh: FreshContacts, *, at: float | None) -> None:
        """Take *fresh* for written down, and forget the days that are over.

        Args:
            fresh: what a portion held.
            at: seconds on a clock that is never set; None: nobody told it.
        """
        if fresh.pieces:
            self._latest = at
        for day in fresh.over:
            self._days.pop(day, None)
        for day, piece in fresh.pieces.items():
            if day not in fresh.over:
                held = self._days.setdefault(day, _Day())
                held.add(piece, offset=fresh.offset, size=fresh.sizes[day])
        for place, octets in fresh.news.items():
            if place.day not in fresh.over:
                self._days[place.day].told[place] = _digest(octets)
        for day, counted in (fresh.counted.days if fresh.counted else {}).items():
            if self._is_of_now(day, counted=counted):
                self._days[day].told_size = counted.size
        self._in_hand, self._stale, self._ended = [], (), ()
        if self._counted is fresh.counted:
            self._counted = None

    def _counting(self, day: date, *, held: _Day) -> Callable[[], CountedDay]:
        """Return the counting of one day as it is now, to be done at any time by anybody."""
        pieces, size, opened = tuple(held.pieces), held.size, min(held.offsets)
        estimator, key, partition = self._estimator, self._open.key_of(day), self._partition

        def count() -> CountedDay:
            log = contacts.ContactLog()
            for piece in pieces:
                log.restore(day, piece)
            records = {
                Place(partition, day, opened, hour, number): octets
                for hour, counts in estimator.hours(log, day=day, key=key).items()
                for number, octets in enumerate(parts_of(counts))
            }
            whole = log.piece(day)
            return CountedDay(opened=opened, size=size, pieces=len(pieces), piece=whole, records=records)

        return count

    def _is_of_now(self, day: date, *, counted: CountedDay) -> bool:
        """Return whether the day that was counted is open, and was not opened anew since."""
        return day in self._days and min(self._days[day].offsets) == counted.opened

    def _restore(self, state: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
        """Take what earlier portions wrote down, and return the keys of days that are open no more."""
        stale: list[bytes] = []
        for key, octets in state.items():
            if key.startswith(CONTACT_KEYS):
                on, _, offset = key.removeprefix(CONTACT_KEYS).partition(b"/")
                day = date.fromisoformat(on.decode())
                if day in self._open:
                    held = self._days.setdefault(day, _Day())
                    held.add(octets, offset=int(offset), size=contacts.size_of(octets))
                else:
                    stale.append(key)
        for key, digest in state.items():
            if key.startswith(TOLD_KEYS):
                place = _told_in(key)
                if place.day in self._days:
                    self._days[place.day].told[place] = digest
                else:
                    stale.append(key)
        return tuple(stale)


def _differences(held: _Day, *, counted: CountedDay) -> dict[Place, bytes]:
    """Return the records that differ from what was told last."""
    whole = {**dict.fromkeys(held.told, NOTHING), **counted.records}
    return {place: octets for place, octets in whole.items() if held.told.get(place) != _digest(octets)}


def _told_in(state_key: bytes) -> Place:
    return place_in(state_key.removeprefix(TOLD_KEYS))


def _piece_key(day: date, *, offset: int) -> bytes:
    return b"%s%s/%d" % (CONTACT_KEYS, day.isoformat().encode(), offset)


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=DIGEST_BYTES).digest()
