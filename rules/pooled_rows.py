"""Takes from counted contacts what only one device could have left: pure, and nothing that is concluded changes by it.

Attribution credits a contact by what stood open and by nothing else. So whatever it adds up, octets, flows, first and
last moment, is the same when all contacts of one group and day that met the same are pooled, and who brought which part
of it is gone. Of each device there is left in which quarters of an hour it had a contact, of each contact its minute;
within a quarter of an hour nobody can tell which minute was whose.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from rules.small_numbers import STEP_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.windows import Row

MINUTE_MS: Final = 60_000
"""Contacts are told apart by the minute and no closer (`rules.attribution.MOMENT_MS`)."""
STEP_MS: Final = STEP_S * 1000


def pooled(rows: Iterable[Row]) -> list[Row]:
    """Return *rows*, sorted, with octets, flows and exact moments pooled; to pool twice changes nothing.

    The first row of what is pooled together carries the sums; the others count as contacts.
    """
    cells: defaultdict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row.party, row.active, row.day, row.school, row.group].append(row)
    return sorted(each for held in cells.values() for each in _pooled(held))


def _pooled(held: list[Row]) -> Iterable[Row]:
    minutes = sorted(row.at_ms // MINUTE_MS * MINUTE_MS for row in held)
    # In the order of quarters the minutes fall into their own again, and into no device's.
    devices = [device for _step, device in sorted((row.at_ms // STEP_MS, row.device) for row in held)]
    first, last = min(row.at_ms for row in held), max(row.until_ms for row in held)
    yield held[0]._replace(
        device=devices[0],
        at_ms=first,
        until_ms=last,
        flows=sum(row.flows for row in held),
        bytes_up=sum(row.bytes_up for row in held),
        bytes_down=sum(row.bytes_down for row in held),
    )
    for minute, device in zip(minutes[1:], devices[1:], strict=True):
        # The first minute has begun before the first contact, and none may seem to come before that.
        at = max(minute, first)
        yield held[0]._replace(device=device, at_ms=at, until_ms=at, flows=0, bytes_up=0, bytes_down=0)
