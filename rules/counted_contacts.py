"""The counts of contacts of all partitions, where they meet, and the edges that are estimated from them.

Estimating takes seconds and is done beside the judging, from what was told so far, once nothing more came for a moment.
What comes out is a function of the counts alone, so it does not matter when, or how often, it is done.

Counts of days that are over are closed by the way (`rules.estimating`): in one transaction the edges of before are
told, those of after behind them, and what is left takes the place of the counts.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rules.contact_records import place_in
from rules.counted import unpacked
from rules.edge_records import NO_EDGES, part_in, sealed_part
from rules.ended_contacts import EndedContacts
from rules.estimating import Estimating
from rules.left_counts import LeftCounts
from rules.records import CLOSING, CONTACTS_OVER, EDGES, KIND, PIECE, PIECES, TELLING, Output
from rules.sealed_rows import DIFFERENTIAL, open_rows, seal_rows
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date

    from rules.contact_records import Place
    from rules.edge_records import Part
    from rules.estimating import Closing, Estimated
    from rules.estimator import Estimator
    from rules.key_ring import KeyRing
    from rules.records import Record

COUNTED_KEYS: Final = b"counted/"
TOLD_KEYS: Final = b"told/"
UNWEIGHED_KEY: Final = b"unweighed"
DIFFERENTIAL_KEY: Final = b"differential"
TELLING_KEY: Final = b"telling"
"""Number of the newest telling of edges."""

MAX_OCTETS: Final = 128 << 20
"""Octets of all counts, packed: 250 devices fill two fifths of it in a school year. Beyond it the oldest days go."""

QUIET_S: Final = 2.0
"""Nothing came for so long: the partitions have told what they had."""
LONGEST_S: Final = 30.0
"""So long after the first of it, what came is estimated even where more keeps coming."""
SECONDS_A_ROW: Final = 3e-4
"""Pause for each contact weighed last, ten times what weighing it takes."""

DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshEdges:
    """What one portion tells."""

    estimated: Estimated | None = None
    """What it is from; None: nothing was estimated."""
    number: int = 0
    """Number of the telling."""
    news: Mapping[Part, bytes] = field(default_factory=dict)
    """What differs from what was told before."""
    left: Mapping[Part, bytes] = field(default_factory=dict)
    """What differs from that by nothing but that days were closed; told behind it."""
    ended: Mapping[bytes, bytes | None] = field(default_factory=dict)
    """State keys that change because days were closed."""

    @property
    def told(self) -> dict[Part, bytes]:
        """What stands of all that is told."""
        return {**self.news, **self.left}

    def outputs(self, *, keys: KeyRing) -> list[Output]:
        """Return the records to tell, sealed."""
        return [
            Output(
                topic="findings",
                key=part.key.encode(),
                value=sealed_part(body, keys=keys),
                headers=(
                    (KIND, EDGES), (PIECE, b"%d" % part.number), (PIECES, b"%d" % pieces[part.key]),
                    (TELLING, b"%d" % self.number), (CLOSING, b"%d" % closing),
                ),
            )
            for closing, told in enumerate((self.news, self.left))
            for pieces in (Counter(part.key for part in told),)
            for part, body in sorted(told.items())
        ]  # fmt: skip

    def state(self, *, keys: KeyRing) -> dict[bytes, bytes | None]:
        """Return the state keys that change, sealed; None: to be forgotten."""
        state: dict[bytes, bytes | None] = {
            TOLD_KEYS + part.state_key: None if body == NO_EDGES else _digest(body) for part, body in self.told.items()
        }
        if self.told:
            state[TELLING_KEY] = b"%d" % self.number
        state |= self.ended
        if self.estimated is not None:
            rows = msgspec.json.decode(self.estimated.differential)
            sealed = seal_rows(rows, name=DIFFERENTIAL, seal=partial(keys.seal, kind="row"))
            state[DIFFERENTIAL_KEY] = msgspec.json.encode(sealed)
        return state


class CountedContacts:
    """Every count that was told.

    Args:
        state: the state topic's newest value of each key of the partition.
        estimator: estimates.
        keys: what is told is sealed with.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, estimator: Estimator, keys: KeyRing) -> None:
        self._estimator = estimator
        self._keys = keys
        self._counts = {
            place_in(key.removeprefix(COUNTED_KEYS)): body
            for key, body in state.items()
            if key.startswith(COUNTED_KEYS)
        }
        self._octets = sum(map(len, self._counts.values()))
        self._left = LeftCounts(state)
        self._ended = EndedContacts(state)
        self._telling = int(state.get(TELLING_KEY, b"0"))
        self._told = {
            part_in(key.removeprefix(TOLD_KEYS)): digest for key, digest in state.items() if key.startswith(TOLD_KEYS)
        }
        # Whoever had the partition may have died before it estimated.
        self._changed = self._holds_any
        self._estimated: Estimated | None = None
        sealed = msgspec.json.decode(state.get(DIFFERENTIAL_KEY, b"[]"))
        self._differential = msgspec.json.encode(open_rows(sealed, opener=partial(keys.open, kind="row")))
        self._now: float | None = None
        self._since: float | None = None
        self._latest: float | None = None
        self._begun: float | None = None
        self._pause = 0.0
        self.lost = int(state.get(UNWEIGHED_KEY, b"0"))
        """Counts that found no room, or were let go to make some."""

    @property
    def waits(self) -> bool:
        """Whether something was estimated that is not told yet."""
        return self._estimated is not None

    @property
    def differential(self) -> list[dict[str, Any]]:
        """Which audiences of each product meet its third parties, as estimated last (`rules.differential`)."""
        newest = self._differential if self._estimated is None else self._estimated.differential
        rows: list[dict[str, Any]] = msgspec.json.decode(newest)
        return rows

    def forget(self) -> None:
        """Estimate anew: something of it was forgotten, and what is being estimated still has it."""
        self.use(copy(self._estimator))

    def ran(self, seconds: float) -> None:
        """Learn the time on a clock that is never set."""
        self._now = seconds

    def use(self, estimator: Estimator) -> None:
        """Estimate by other lists, lab evidence and groups from now on."""
        self._estimator, self._estimated, self._changed = estimator, None, self._holds_any

    def passed(self, on: date, *, since: Mapping[date, date]) -> dict[bytes, bytes | None]:
        """Learn the date (UTC); return the state keys that change.

        Args:
            on: the date.
            since: local day -> since when anything of it is held.
        """
        changed = self._ended.passed(on, open_days=self.open_days, since=since)
        self._changed = self._changed or bool(self._over())
        return changed

    def note(self, record: Record) -> dict[bytes, bytes | None]:
        """Take in a record: counts, which replace earlier ones of their place, or an end of them.

        Return the state keys that change.

        Raises:
            ValueError: it is neither.
            msgspec.DecodeError: likewise.
        """
        if record.headers.get(KIND) == CONTACTS_OVER:
            changed = self._ended.note(record)
            if changed:
                self._news()
            return changed
        place, body = place_in(record.key), record.value or b""
        counts, before = unpacked(body), self._counts.get(place)
        if before == body or (before is None and counts == Counts()) or self._ended.is_repeat(place.opening):
            return {}
        changed = {**self._drop([place]), **self._ended.opens(place.day)}
        if counts != Counts():
            self._counts[place] = body
            self._octets += len(body)
            changed[COUNTED_KEYS + place.key] = body
            changed |= self._make_room(place)
        self._news()
        return changed

    def _news(self) -> None:
        self._changed, self._latest = True, self._now
        self._since = self._now if self._since is None else self._since

    @property
    def _holds_any(self) -> bool:
        return bool(self._counts or self._left)

    def _over(self) -> set[date]:
        return self._ended.ready({place.opening for place in self._counts})

    @property
    def days(self) -> set[date]:
        """The local days of which anything is held."""
        return self.open_days | self._left.days | self._ended.days

    @property
    def open_days(self) -> set[date]:
        """The local days of which counts are held that tell of devices."""
        return {place.day for place in self._counts}

    def let_go(self, days: Collection[date]) -> dict[bytes, bytes | None]:
        """Drop the counts of these days; return the state keys that change."""
        gone = [place for place in self._counts if place.day in days]
        changed = {**self._drop(gone), **self._left.let_go(days)}
        self._changed = self._changed or bool(changed)
        return {**changed, **self._ended.let_go(days)}

    def work(self, at: float) -> Callable[[], Estimated] | None:
        """Return the estimating that is due, to be done beside the judging; None: none is.

        Args:
            at: seconds on a clock that is never set.
        """
        if not self._changed or self.waits or (self._begun is not None and at - self._begun < self._pause):
            return None
        is_quiet = self._latest is None or at - self._latest >= QUIET_S
        if not is_quiet and (self._since is None or at - self._since < LONGEST_S):
            return None
        self._changed, self._since, self._begun = False, None, at
        return Estimating(
            held=dict(self._counts),
            left=self._left.all(),
            by=self._estimator,
            until=self._keys.until,
            closing={day: self._left.number(day) for day in self._over()},
        ).run

    def worked(self, estimated: Estimated) -> None:
        """Take what `work` came to; the next portion tells it."""
        self._pause = SECONDS_A_ROW * estimated.rows
        if estimated.by is self._estimator:
            self._estimated = estimated

    def portion(self) -> FreshEdges:
        """Return what is to be told now; nothing changes here before `committed`."""
        if self._estimated is None:
            return FreshEdges()
        if self._estimated.closing is not None and not self._is_of_now(self._estimated.closing):
            # More came of these days: they are closed with it, when it has been estimated.
            self._estimated = replace(self._estimated, closing=None)
        told, closing = self._estimated.records, self._estimated.closing
        whole = {**dict.fromkeys(self._told, NO_EDGES), **told}
        news = {part: body for part, body in whole.items() if self._told.get(part) != _digest(body)}
        fresh = FreshEdges(estimated=self._estimated, number=self._telling + 1, news=news)
        if closing is None:
            return fresh
        whole = {**dict.fromkeys(told, NO_EDGES), **closing.records}
        left = {part: body for part, body in whole.items() if told.get(part) != body}
        ended: dict[bytes, bytes | None] = {COUNTED_KEYS + place.key: None for place in closing.counts}
        ended |= {part.state_key: octets for part, octets in closing.left.items()}
        return replace(fresh, left=left, ended={**ended, **self._ended.close(closing.openings)})

    def _is_of_now(self, closing: Closing) -> bool:
        """Return whether nothing was added to what was closed, and nothing of it dropped."""
        return closing.counts == {place: held for place, held in self._counts.items() if place.day in closing.days}

    def committed(self, fresh: FreshEdges) -> dict[bytes, bytes | None]:
        """Take *fresh* for written down; return the state keys that are to change with the next portion."""
        changed: dict[bytes, bytes | None] = {}
        for part, body in fresh.told.items():
            self._telling = fresh.number
            if body == NO_EDGES:
                self._told.pop(part, None)
            else:
                self._told[part] = _digest(body)
        if fresh.estimated is not None:
            self._differential = fresh.estimated.differential
            if (closing := fresh.estimated.closing) is not None:
                self._drop([*closing.counts])
                self._left.keep(closing.left)
                changed = self._ended.closed(closing.openings)
        if self._estimated is fresh.estimated:
            self._estimated = None
        return changed

    def _make_room(self, place: Place) -> dict[bytes, bytes | None]:
        """Let the oldest days go until the rest fits, *place* itself where nothing is older."""
        changed: dict[bytes, bytes | None] = {}
        if not self._is_full:
            return changed
        held = {each.day for each in self._counts} | self._left.days
        for day in sorted(each for each in held if each < place.day):
            if self._is_full:
                left = self._left.let_go([day])
                self.lost += len(left)
                changed |= {**left, **self._lose([each for each in self._counts if each.day == day])}
        if self._is_full:
            changed |= self._lose([place])
        return changed

    @property
    def _is_full(self) -> bool:
        return self._octets + self._left.octets > MAX_OCTETS

    def _lose(self, places: list[Place]) -> dict[bytes, bytes | None]:
        self.lost += len(places)
        return {**self._drop(places), UNWEIGHED_KEY: b"%d" % self.lost}

    def _drop(self, places: list[Place]) -> dict[bytes, bytes | None]:
        for place in places:
            self._octets -= len(self._counts.pop(place, b""))
        return {COUNTED_KEYS + place.key: None for place in places}


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=DIGEST_BYTES).digest()
