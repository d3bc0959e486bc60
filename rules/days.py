"""What one partition keeps of each local day while its events may come: the key of its tokens, and the ids it has seen.

Key, ids and sums of a day live and die together. A day that is lived, whose first record the broker took before it had
ended, is over two hours after its end, once every collector at work has come as far (docs/decisions/0040); one that is
read from captures or out of a backlog 72 hours after its first record (docs/decisions/0012), and so is any other at the
latest. The key is written once, and before anything made with it: what retention takes away first is the key, and what
is left without one is ignored. An event that comes later opens its day anew, under a fresh key.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from rules.duplicates import DayIds, id_number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import tzinfo

# As long as topic `schoolgate.flows` keeps an event, by the broker's time.
KEPT = timedelta(hours=72)

# How long after its end a lived day may still be told of. A tap tells of a flow ten minutes after its last packet at
# the latest, and of a long one in parts of five minutes; what is left is for clocks that differ.
GRACE = timedelta(hours=2)

# Ids remembered in one partition, some 70 octets each: 12 partitions hold 24 million events of three days. Beyond it
# an event that two collectors, or two captures, bring counts twice; that is counted.
MAX_IDS = 2_000_000

DAY_KEYS = b"day/"
SEEN_KEYS = b"seen/"


class KeptDay(msgspec.Struct, frozen=True, kw_only=True):
    """One open day, as the state topic keeps it."""

    key: bytes
    """32 random octets: the key of the tokens that stand for devices in the findings of the day."""
    since: datetime
    """When the broker took the first record of the day."""


_decoder = msgspec.json.Decoder(KeptDay)


@dataclass(slots=True, kw_only=True)
class _Day:
    key: bytes
    since: datetime
    ids: DayIds = field(default_factory=DayIds)


@dataclass(slots=True, kw_only=True)
class FreshDays:
    """What one portion adds to the days."""

    opened: dict[date, datetime] = field(default_factory=dict)
    """Days seen for the first time, and when the broker took their first record."""
    ids: dict[date, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))
    """Ids seen for the first time."""
    count: int = 0
    """How many ids."""
    unremembered: int = 0
    """Ids that found no room."""


class Days:
    """The days that are open in one partition.

    Args:
        state: the state topic's newest value of each key of the partition.
        make_key: returns 32 fresh random octets.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, make_key: Callable[[], bytes]) -> None:
        self._make_key = make_key
        self._drawn: dict[date, bytes] = {}
        self._days: dict[date, _Day] = {}
        pieces: dict[date, dict[int, bytes]] = defaultdict(dict)
        for key, body in state.items():
            if key.startswith(DAY_KEYS):
                kept = _decoder.decode(body)
                self._days[_date(key.removeprefix(DAY_KEYS))] = _Day(key=kept.key, since=kept.since)
            elif key.startswith(SEEN_KEYS):
                day, _, number = key.removeprefix(SEEN_KEYS).partition(b"/")
                pieces[_date(day)][int(number)] = body
        for on, open_day in self._days.items():
            open_day.ids = DayIds(pieces.get(on))
        self._count = sum(len(each.ids) for each in self._days.values())

    def __contains__(self, day: date) -> bool:
        return day in self._days

    @property
    def open(self) -> Collection[date]:
        """The days that are open."""
        return self._days.keys()

    def key_of(self, day: date) -> bytes:
        """Return the key of *day*, drawn at first use; the same until its portion is committed."""
        known = self._days.get(day)
        if known is not None:
            return known.key
        if day not in self._drawn:
            self._drawn[day] = self._make_key()
        return self._drawn[day]

    def is_new(self, event_id: str, *, day: date, at: datetime, held: FreshDays) -> bool:
        """Return whether this id was not seen on this day; note it and its day in *held*.

        Args:
            event_id: id of the event.
            day: local date on which its flow began.
            at: when the broker took it.
            held: the portion in hand.
        """
        known = self._days.get(day)
        if known is None:
            held.opened.setdefault(day, at)
        number, fresh = id_number(event_id), held.ids[day]
        if number in fresh or (known is not None and number in known.ids):
            return False
        if self._count + held.count < MAX_IDS:
            fresh[number] = None
            held.count += 1
        else:
            held.unremembered += 1
        return True

    def over(self, at: datetime | None, *, passed: datetime | None, zone: tzinfo) -> list[date]:
        """Return the days whose time is over.

        Args:
            at: the broker's time; None: no record told it yet.
            passed: time that every collector at work has passed; None: none is at work, and one may come back with a
                backlog.
            zone: time zone of the district.
        """
        if at is None:
            return []
        return sorted(
            day
            for day, each in self._days.items()
            if each.since + KEPT <= at
            or (passed is not None and _is_behind(day, since=each.since, come=min(at, passed), zone=zone))
        )

    def state(self, held: FreshDays, *, over: Iterable[date]) -> dict[bytes, bytes | None]:
        """Return the state keys that change with *held*, the keys of days first; None: to be destroyed."""
        state: dict[bytes, bytes | None] = {DAY_KEYS + _text(day): None for day in over}
        # A day that is opened anew starts without ids, before and after a restart.
        state |= {_piece_key(day, number=n): None for day in over for n in range(self._days[day].ids.pieces)}
        for day, since in held.opened.items():
            state[DAY_KEYS + _text(day)] = msgspec.json.encode(KeptDay(key=self.key_of(day), since=since))
        ended, empty = set(over), DayIds()
        for day, fresh in held.ids.items():
            if day in ended:
                continue
            known = self._days[day].ids if day in self._days else empty
            for number, octets in known.pieces_with(tuple(fresh)).items():
                state[_piece_key(day, number=number)] = octets
        return state

    def committed(self, held: FreshDays, *, over: Iterable[date]) -> None:
        """Take *held* for written down, and forget the days that are over."""
        for day, since in held.opened.items():
            self._days[day] = _Day(key=self.key_of(day), since=since)
            self._drawn.pop(day, None)
        for day, fresh in held.ids.items():
            self._days[day].ids.add(fresh)
        for day in over:
            del self._days[day]
        self._count = sum(len(each.ids) for each in self._days.values())


def _is_behind(day: date, *, since: datetime, come: datetime, zone: tzinfo) -> bool:
    """Return whether *day* was lived, and time has come past it."""
    end = _end(day, zone=zone)
    return since < end and end + GRACE <= come


@lru_cache(maxsize=64)
def _end(day: date, *, zone: tzinfo) -> datetime:
    """Return the moment at which *day* ends in *zone*, UTC: days of 23 and of 25 hours end at midnight, too."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def _piece_key(day: date, *, number: int) -> bytes:
    return b"%s%s/%d" % (SEEN_KEYS, _text(day), number)


def _date(text: bytes) -> date:
    return date.fromisoformat(text.decode())


def _text(day: date) -> bytes:
    return day.isoformat().encode()
