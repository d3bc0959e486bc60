"""The counts of contacts of all partitions, where they meet, and the edges that are estimated from them.

Estimating takes seconds and is done beside the judging, from what was told so far, once nothing more came for a moment.
What comes out is a function of the counts alone, so it does not matter when, or how often, it is done.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rules.attributed import edges_since
from rules.contact_records import place_in
from rules.counted import unpacked
from rules.edge_records import NO_EDGES, part_in, records_of, sealed_part
from rules.records import EDGES, KIND, PIECE, Output
from rules.sealed_rows import DIFFERENTIAL, open_rows, seal_rows
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date

    from rules.contact_records import Place
    from rules.edge_records import Part
    from rules.estimator import Estimator
    from rules.key_ring import KeyRing
    from rules.records import Record

COUNTED_KEYS: Final = b"counted/"
TOLD_KEYS: Final = b"told/"
UNWEIGHED_KEY: Final = b"unweighed"
DIFFERENTIAL_KEY: Final = b"differential"

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
class Estimated:
    """What estimating beside the judging came to."""

    records: Mapping[Part, bytes]
    """Everything that there is to tell."""
    differential: bytes
    """Which audiences of each product meet its third parties, as JSON rows of a report."""
    rows: int
    """Contacts that were weighed."""
    by: Estimator
    """Who estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshEdges:
    """What one portion tells."""

    estimated: Estimated | None = None
    """What it is from; None: nothing was estimated."""
    news: Mapping[Part, bytes] = field(default_factory=dict)
    """What differs from what was told before."""

    def outputs(self, *, keys: KeyRing) -> list[Output]:
        """Return the records to tell, sealed."""
        return [
            Output(
                topic="findings",
                key=part.key.encode(),
                value=sealed_part(body, keys=keys),
                headers=((KIND, EDGES), (PIECE, b"%d" % part.number)),
            )
            for part, body in sorted(self.news.items())
        ]

    def state(self, *, keys: KeyRing) -> dict[bytes, bytes | None]:
        """Return the state keys that change, sealed; None: to be forgotten."""
        state: dict[bytes, bytes | None] = {
            TOLD_KEYS + part.state_key: None if body == NO_EDGES else _digest(body) for part, body in self.news.items()
        }
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
        self._told = {
            part_in(key.removeprefix(TOLD_KEYS)): digest for key, digest in state.items() if key.startswith(TOLD_KEYS)
        }
        # Whoever had the partition may have died before it estimated.
        self._changed = bool(self._counts)
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
        self._estimator, self._estimated, self._changed = estimator, None, bool(self._counts)

    def note(self, record: Record) -> dict[bytes, bytes | None]:
        """Take in a record, which replaces an earlier one of its place; return the state keys that change.

        Raises:
            ValueError: it holds no counts.
        """
        place, body = place_in(record.key), record.value or b""
        counts, before = unpacked(body), self._counts.get(place)
        if before == body or (before is None and counts == Counts()):
            return {}
        changed = self._drop([place])
        if counts != Counts():
            self._counts[place] = body
            self._octets += len(body)
            changed[COUNTED_KEYS + place.key] = body
            changed |= self._make_room(place)
        self._changed, self._latest = True, self._now
        self._since = self._now if self._since is None else self._since
        return changed

    @property
    def days(self) -> set[date]:
        """The local days of which counts are held."""
        return {place.day for place in self._counts}

    def let_go(self, days: Collection[date]) -> dict[bytes, bytes | None]:
        """Drop the counts of these days; return the state keys that change."""
        gone = [place for place in self._counts if place.day in days]
        self._changed = self._changed or bool(gone)
        return self._drop(gone)

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
        held, estimator, until = dict(self._counts), self._estimator, self._keys.until

        def estimate() -> Estimated:
            whole = Counts()
            for place in sorted(held):
                whole.add(unpacked(held[place]))
            edges = edges_since(estimator.edges(whole), until=until)
            differential = msgspec.json.encode(estimator.differential(edges, counts=whole))
            return Estimated(records=records_of(edges), differential=differential, rows=len(whole.rows), by=estimator)

        return estimate

    def worked(self, estimated: Estimated) -> None:
        """Take what `work` came to; the next portion tells it."""
        self._pause = SECONDS_A_ROW * estimated.rows
        if estimated.by is self._estimator:
            self._estimated = estimated

    def portion(self) -> FreshEdges:
        """Return what is to be told now; nothing changes here before `committed`."""
        if self._estimated is None:
            return FreshEdges()
        whole = {**dict.fromkeys(self._told, NO_EDGES), **self._estimated.records}
        news = {part: body for part, body in whole.items() if self._told.get(part) != _digest(body)}
        return FreshEdges(estimated=self._estimated, news=news)

    def committed(self, fresh: FreshEdges) -> None:
        """Take *fresh* for written down."""
        for part, body in fresh.news.items():
            if body == NO_EDGES:
                self._told.pop(part, None)
            else:
                self._told[part] = _digest(body)
        if fresh.estimated is not None:
            self._differential = fresh.estimated.differential
        if self._estimated is fresh.estimated:
            self._estimated = None

    def _make_room(self, place: Place) -> dict[bytes, bytes | None]:
        """Let the oldest days go until the rest fits, *place* itself where nothing is older."""
        changed: dict[bytes, bytes | None] = {}
        older = sorted({each.day for each in self._counts if each.day < place.day}) if self._octets > MAX_OCTETS else []
        for day in older:
            if self._octets > MAX_OCTETS:
                changed |= self._lose([each for each in self._counts if each.day == day])
        if self._octets > MAX_OCTETS:
            changed |= self._lose([place])
        return changed

    def _lose(self, places: list[Place]) -> dict[bytes, bytes | None]:
        self.lost += len(places)
        return {**self._drop(places), UNWEIGHED_KEY: b"%d" % self.lost}

    def _drop(self, places: list[Place]) -> dict[bytes, bytes | None]:
        for place in places:
            self._octets -= len(self._counts.pop(place, b""))
        return {COUNTED_KEYS + place.key: None for place in places}


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=DIGEST_BYTES).digest()
