"""What is left of counted contacts of a day that is over: how many, of how many devices, and nothing one is known by.

Attribution asks of contacts what stood open, how many devices of a class had them, in how many minutes and hours, and
sums. It does not ask which device had which, and when. So of each party, day and class the numbers stay as they are,
and the rest is dealt anew:

- *Who*: as many devices as there were beside each product, and with the same sites open; contacts are dealt to them
  evenly, and who they are follows from nothing that anybody did.
- *When*: a quarter of an hour in which k devices of the class met the party stays. Other minutes keep that they were
  different ones, of as many hours, and no place in the day (`is_timeless`).
- *How much*: sums of contacts with the same sites open; of those that fewer than k devices had, sums of all beside the
  same products, in steps.

What stood open stays as it was, in the class: it is what a case rests on, and a class must not be told of others.

Source: dealing out values within groups so that sums stay is data swapping, Dalenius and Reiss (1982).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.contacts import PRODUCT_MARK
from rules.small_numbers import OFFICER_K, STEP_S, floor_step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

    from rules.attribution import Patterns
    from rules.device_walk import Cause
    from rules.windows import Row

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
STEP_MS: Final = STEP_S * 1000
TIMELESS: Final = timedelta(days=10_957)
"""Minutes without a place in the day lie thirty years before it: they count as different ones and are no times."""

FAR_MS: Final = 48 * HOUR_MS
"""Farther before its day there is no time."""

_SUMS: Final = ("flows", "bytes_up", "bytes_down")

Active = tuple["Cause", ...]
Products = frozenset[str]


class _Class(NamedTuple):
    """Who is told apart."""

    party: str
    day: date
    school: str
    group: str


def is_timeless(row: Row) -> bool:
    """Return whether the minute of a row is no time, only another one than those of other rows."""
    return row.at_ms < _start_ms(row.day) - FAR_MS


def noon_ms(day: date) -> int:
    """Return where what is told to the day alone stands: noon UTC, milliseconds since 1970."""
    return _start_ms(day) + 12 * HOUR_MS


def closed(rows: Iterable[Row], *, credited: Patterns | None = None, beside: Iterable[Row] = ()) -> list[Row]:
    """Return what is left of *rows*, sorted.

    Args:
        rows: all of whole days that were not closed before.
        credited: what is credited to whom while they are closed: of the devices of these contacts taken together the
            number stays for certain; None: nobody knows.
        beside: what is left of the same days since they were closed before, and opened anew.
    """
    classes: defaultdict[_Class, list[Row]] = defaultdict(list)
    taken: defaultdict[_Class, set[int]] = defaultdict(set)
    for row in sorted(rows):
        classes[_class_of(row)].append(row)
    for row in beside:
        taken[_class_of(row)].add(_minute(row))
    made = (_left(classes[place], credited=credited or {}, taken=taken[place]) for place in sorted(classes))
    return sorted(row for left in made for row in left)


def _class_of(row: Row) -> _Class:
    return _Class(row.party, row.day, row.school, row.group)


def _left(held: Sequence[Row], *, credited: Patterns, taken: Collection[int]) -> list[Row]:
    """Return the contacts of one class with other devices and times, sums put together."""
    alike: defaultdict[Active, list[Row]] = defaultdict(list)
    for row in held:
        alike[row.active].append(row)
    party = held[0].party
    counted = {
        active: sorted(product for product in _products(active) if active in credited.get((party, product), ()))
        for active in alike
    }
    order = sorted(alike, key=lambda active: (not counted[active], -len(alike[active]), active))
    minutes, labels = _minutes(held, taken=taken), _labels(alike, order=order, counted=counted)
    left: list[Row] = []
    few: defaultdict[Products, list[Row]] = defaultdict(list)
    for active in order:
        rows, devices = alike[active], labels[active]
        times = sorted(minutes[_minute(row)] for row in rows)
        made = [
            row._replace(device=devices[place % len(devices)], at_ms=at, until_ms=at, flows=0, bytes_up=0, bytes_down=0)
            for place, (row, at) in enumerate(zip(rows, times, strict=True))
        ]
        if len(devices) < OFFICER_K:
            few[_products(active)] += rows
        else:
            first = next((place for place, row in enumerate(made) if not is_timeless(row)), 0)
            made[first] = _with_sums(made[first], rows=rows)
        left += made
    return _with_steps(left, few=few)


def _with_steps(left: list[Row], *, few: Mapping[Products, Sequence[Row]]) -> list[Row]:
    """Return *left* with sums of *few* in steps, those beside the same products on the first contact without any."""
    for rows in few.values():
        active = rows[0].active
        place = next(number for number, row in enumerate(left) if row.active == active)
        flows, up, down = (sum(getattr(row, name) for row in rows) for name in _SUMS)
        many = len({row.device for row in rows}) >= OFFICER_K
        told = (flows, up, down) if many else map(floor_step, (flows, up, down))
        left[place] = left[place]._replace(**dict(zip(_SUMS, told, strict=True)))
    return left


def _with_sums(row: Row, *, rows: Sequence[Row]) -> Row:
    """Return *row* with the sums of *rows*, and until when they lasted."""
    lasted = row.at_ms
    if not is_timeless(row):
        lasted = max(lasted, max(each.until_ms for each in rows) // STEP_MS * STEP_MS)
    return row._replace(
        until_ms=lasted,
        flows=sum(each.flows for each in rows),
        bytes_up=sum(each.bytes_up for each in rows),
        bytes_down=sum(each.bytes_down for each in rows),
    )


def _products(active: Active) -> Products:
    return frozenset(site for site, _fresh in active if site.startswith(PRODUCT_MARK))


def _labels(
    alike: Mapping[Active, Sequence[Row]], *, order: Sequence[Active], counted: Mapping[Active, Sequence[str]]
) -> dict[Active, list[int]]:
    """Return for each pattern as many devices as had it, so that each product has as many in all as it had.

    Of the devices only the number counts, and how many of them are new to a product: they are taken by lot.

    Args:
        alike: what stood open -> contacts of one class.
        order: the patterns, what is credited to anybody first.
        counted: pattern -> the products that it is credited to; empty: none.
    """
    everybody = sorted({row.device for rows in alike.values() for row in rows})
    given: defaultdict[str, set[int]] = defaultdict(set)
    true: defaultdict[str, set[int]] = defaultdict(set)
    labels: dict[Active, list[int]] = {}
    for active in order:
        had = {row.device for row in alike[active]}
        # What is credited to nobody adds up for itself.
        sums = counted[active] or [f"beside {product}" for product in sorted(_products(active))]
        wanted = {name: len(true[name] | had) - len(given[name]) for name in sums}
        lots, chosen = _by_lot(everybody, active=active), labels.setdefault(active, [])
        for left in range(len(had), 0, -1):
            best = min(lots, key=lambda each: sum(_misses(each in given[name], wanted[name], left) for name in sums))
            lots.remove(best)
            chosen.append(best)
            for name in sums:
                wanted[name] -= best not in given[name]
        for name in sums:
            given[name] |= {*chosen}
            true[name] |= had
    return labels


def _misses(is_known: bool, wanted: int, left: int) -> bool:
    """Return whether one more device of those *left* would make too many new ones, or too few of those *wanted*."""
    return wanted >= left if is_known else wanted <= 0


def _by_lot(everybody: Sequence[int], *, active: Active) -> list[int]:
    told = repr(active).encode()
    return sorted(everybody, key=lambda each: blake2b(b"%d %b" % (each, told), digest_size=8).digest())


def _minutes(held: Sequence[Row], *, taken: Collection[int]) -> dict[int, int]:
    """Return for each minute of a class another one: different ones stay different, and so do hours.

    Args:
        held: the contacts of the class.
        taken: minutes of contacts of the class that were closed before: other ones stay other ones.
    """
    day = held[0].day
    devices: defaultdict[int, set[int]] = defaultdict(set)
    for row in held:
        devices[row.at_ms // STEP_MS].add(row.device)
    hours: defaultdict[int, list[int]] = defaultdict(list)
    for minute in sorted({_minute(row) for row in held}):
        hours[minute // HOUR_MS].append(minute)
    moved: dict[int, int] = {}
    begin = _start_ms(day) - int(TIMELESS.total_seconds()) * 1000
    without = max(
        (each // HOUR_MS * HOUR_MS + HOUR_MS for each in taken if each < _start_ms(day) - FAR_MS), default=begin
    )
    for hour, minutes in sorted(hours.items()):
        kept = [minute for minute in minutes if len(devices[minute // STEP_MS]) >= OFFICER_K]
        free = [hour * HOUR_MS + each * MINUTE_MS for each in range(60)]
        for minute in kept:
            # In order within its quarter, whichever minutes they were.
            moved[minute] = next(each for each in free if each // STEP_MS == minute // STEP_MS)
            free.remove(moved[minute])
        rest = [minute for minute in minutes if minute not in moved]
        if kept:
            # They stay in their hour, for hours are counted, and in none of the quarters that were kept.
            moved |= dict(zip(rest, sorted(free, key=lambda each: _is_kept(each, kept=kept)), strict=False))
        else:
            moved |= {minute: without + number * MINUTE_MS for number, minute in enumerate(rest)}
            without += HOUR_MS
    return moved


def _is_kept(minute: int, *, kept: Sequence[int]) -> tuple[bool, int]:
    return minute // STEP_MS in {each // STEP_MS for each in kept}, minute


def _minute(row: Row) -> int:
    return row.at_ms // MINUTE_MS * MINUTE_MS


def _start_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
