"""Counts of contacts as octets, for state and for the wire: names once, everything else by place, packed."""

from __future__ import annotations

import zlib
from collections import Counter
from datetime import date  # noqa: TC003 -- msgspec resolves the annotations
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from rules.habits import Habit
from rules.pooled_rows import pooled
from rules.windows import Counts, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.device_walk import Cause

MAX_OCTETS: Final = 64 << 20
"""Octets of one hour's counts, unpacked: some 400,000 contacts. What claims to be more is refused."""


# What does not hold this is refused where it is read, and cannot trip up the estimator.
_Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
_Moment = Annotated[int, msgspec.Meta(ge=0, lt=250_000_000_000_000)]
_Lasted = Annotated[int, msgspec.Meta(ge=0, lt=1 << 34)]


class _Row(msgspec.Struct, frozen=True, array_like=True):
    party: _Number
    active: _Number
    day: date
    device: _Number
    school: _Number
    group: _Number
    at_ms: _Moment
    lasted_ms: _Lasted
    flows: _Number
    bytes_up: _Number
    bytes_down: _Number


class _Counted(msgspec.Struct, frozen=True, array_like=True):
    names: list[str]
    actives: list[list[_Number]]
    visits: list[tuple[_Number, _Number, _Number, _Number]]
    bag: list[tuple[_Number, _Number, _Number]]
    answered: list[tuple[_Number, _Number, _Number]]
    met: list[tuple[_Number, _Number, _Number, _Number]]
    others: list[tuple[_Number, _Number, _Number]]
    rows: list[_Row]
    used: list[tuple[_Number, _Number, _Number, _Number]]
    busy: list[tuple[_Number, _Number, _Number]]
    # Counts of releases before have none, and say more of each row, which is passed over.
    habits: list[tuple[_Number, _Number, _Number, _Number, _Number, _Number]] = []


_decoder = msgspec.msgpack.Decoder(_Counted)


def packed(counts: Counts) -> bytes:
    """Return *counts* of an open day as octets: the same counts give the same octets, in whatever order they came."""
    return _packed(counts, rows=pooled(counts.rows))


def packed_closed(counts: Counts) -> bytes:
    """Return *counts* of which the rows are closed (`rules.closed_contacts`) as octets."""
    return _packed(counts, rows=sorted(counts.rows))


def _packed(counts: Counts, *, rows: Iterable[Row]) -> bytes:
    names = _Places()
    actives: dict[tuple[int, ...], int] = {}

    def active(causes: tuple[Cause, ...]) -> int:
        key = tuple(names.of(site) * 2 + fresh for site, fresh in causes)
        return actives.setdefault(key, len(actives))

    counted = _Counted(
        # A visit of the hour before may be led away from in this one.
        visits=[
            (names.of(site), counts.visits[site], counts.quiet[site], counts.led[site])
            for site in sorted({*counts.visits, *counts.led})
        ],
        bag=list(_pairs(counts.bag, names=names)),
        answered=list(_pairs(counts.answered, names=names)),
        met=[(names.of(d), n, counts.alone[d], counts.unprompted[d]) for d, n in sorted(counts.met.items())],
        others=[
            (names.of(party), active(causes), n)
            for party, met in sorted(counts.others.items())
            for causes, n in sorted(met.items())
        ],
        rows=[_row(row, names=names, active=active(row.active)) for row in rows],
        used=[
            (names.of(product), names.of(school), names.of(group), n)
            for (product, school, group), n in sorted(counts.used.items())
        ],
        busy=list(_pairs(counts.busy, names=names)),
        habits=[
            (names.of(party), names.of(product), *habit) for (party, product), habit in sorted(counts.habits.items())
        ],
        names=names.names,
        actives=[list(key) for key in actives],
    )
    return zlib.compress(msgspec.msgpack.encode(counted), level=6)


def unpacked(octets: bytes) -> Counts:
    """Return the counts in *octets*.

    Raises:
        ValueError: there are none, or they are too large.
    """
    try:
        inflater = zlib.decompressobj()
        plain = inflater.decompress(octets, MAX_OCTETS)
        if inflater.unconsumed_tail or not inflater.eof:
            raise ValueError("the counts are too large, or cut off")
        return _counts(_decoder.decode(plain))
    except (zlib.error, msgspec.DecodeError, IndexError, RecursionError) as error:
        raise ValueError(str(error)) from None


class _Places:
    def __init__(self) -> None:
        self.names: list[str] = []
        self._places: dict[str, int] = {}

    def of(self, name: str) -> int:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = len(self.names)
            self.names.append(name)
        return place


def _pairs(sums: Mapping[str, Mapping[str, int]], *, names: _Places) -> Iterable[tuple[int, int, int]]:
    for party, sites in sorted(sums.items()):
        for site, n in sorted(sites.items()):
            yield names.of(party), names.of(site), n


def _row(row: Row, *, names: _Places, active: int) -> _Row:
    return _Row(
        party=names.of(row.party),
        active=active,
        day=row.day,
        device=row.device,
        school=names.of(row.school),
        group=names.of(row.group),
        at_ms=row.at_ms,
        lasted_ms=row.until_ms - row.at_ms,
        flows=row.flows,
        bytes_up=row.bytes_up,
        bytes_down=row.bytes_down,
    )


def _counts(counted: _Counted) -> Counts:
    names = counted.names
    actives = [tuple((names[code // 2], bool(code % 2)) for code in codes) for codes in counted.actives]
    counts = Counts()
    for site, visits, quiet, led in counted.visits:
        counts.visits[names[site]] += visits
        counts.led[names[site]] += led
        counts.quiet[names[site]] += quiet
    for sums, rows in (
        (counts.bag, counted.bag),
        (counts.answered, counted.answered),
        (counts.busy, counted.busy),
    ):
        for party, site, n in rows:
            sums[names[party]][names[site]] += n
    for product, school, group, n in counted.used:
        counts.used[names[product], names[school], names[group]] += n
    for domain, met, alone, unprompted in counted.met:
        counts.met[names[domain]] += met
        counts.alone[names[domain]] += alone
        counts.unprompted[names[domain]] += unprompted
    for party, active, n in counted.others:
        counts.others.setdefault(names[party], Counter())[actives[active]] += n
    counts.habits = {(names[party], names[product]): Habit(*sums) for party, product, *sums in counted.habits}
    counts.rows = [
        Row(
            party=names[row.party],
            active=actives[row.active],
            day=row.day,
            device=row.device,
            school=names[row.school],
            group=names[row.group],
            at_ms=row.at_ms,
            until_ms=row.at_ms + row.lasted_ms,
            flows=row.flows,
            bytes_up=row.bytes_up,
            bytes_down=row.bytes_down,
        )
        for row in counted.rows
    ]
    return counts
