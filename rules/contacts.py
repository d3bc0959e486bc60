"""Who met whom, by device and day: what attribution looks at. A log that only grows, whatever the order of events.

A contact is the beginning of one named flow of one device, reduced to what counts for "which product brought this
about": when, the product or domain, how much. It is kept for as long as events of its day may come, no longer than
they are (docs/decisions/0018), and leaves this log only as counts (`rules.windows`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from collector.events import FlowEvent

# Contacts that one log holds, 32 octets each: a school of 250 devices has some 35,000 a day. Beyond it a contact is not
# weighed, and counted.
MAX_CONTACTS = 8_000_000

# Registrable domains of a log; names of the network are somebody else's choice, so their number is bounded.
MAX_NAMES = 1_000_000

PRODUCT_MARK: Final = "@"
"""Stands before an agreement id where a site is named; no host name begins with it."""

WITHHELD_SITE: Final = "?"
"""Stands for every site whose name the collector withheld: a rival of each product, and nobody's party."""

_ROW: Final = Struct("<qIIIIII")
_MOST_OCTETS: Final = 2**32 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# Structs that hold no container cost a tenth of a named tuple to make, and the garbage collector passes them over.
class Contact(msgspec.Struct, frozen=True, order=True, gc=False):
    """One flow that a device began. Sorts by time."""

    at_ms: int
    """First packet, milliseconds since 1970 UTC."""
    site: str
    """Agreement id behind `PRODUCT_MARK` where the host is a product's own, else a domain. Untrusted."""
    until_ms: int
    """Last packet."""
    bytes_up: int
    """IP octets from the device; 2^32 - 1 stands for more."""
    bytes_down: int
    """IP octets to the device."""
    school: str
    """School of the device's segment."""
    group: str
    """Group of the device's segment."""


class Met(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A contact and whose it was."""

    day: date
    """Local date."""
    device: str
    """Pseudonym of the device."""
    contact: Contact
    """The contact."""


class Piece(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A portion of the log of one day, as state keeps it."""

    names: list[str]
    """Sites, schools, groups and devices that the rows name by their place here."""
    devices: list[int]
    """Place of the device of each row."""
    rows: bytes
    """The rows."""


def contact_of(event: FlowEvent, *, started: datetime, site: str) -> Contact:
    """Return *event*, whose device and segment are known, as a contact with *site*."""
    ended = datetime.fromisoformat(event.ended_at)
    return Contact(
        at_ms=_milliseconds(started),
        site=site,
        until_ms=_milliseconds(ended),
        bytes_up=min(event.bytes_up, _MOST_OCTETS),
        bytes_down=min(event.bytes_down, _MOST_OCTETS),
        school=event.school or "",
        group=event.group or "",
    )


class ContactLog:
    """The contacts of the days that are open."""

    def __init__(self) -> None:
        self._days: dict[date, dict[str, bytearray]] = {}
        self._names: list[str] = []
        self._places: dict[str, int] = {}
        self._count = 0
        self.lost = 0
        """Contacts that found no room."""
        self.fresh: list[Met] | None = None
        """Contacts since whoever writes them down took them; None: nobody does."""
        self.latest_ms = 0
        """When the latest contact began, milliseconds since 1970 UTC."""

    def __len__(self) -> int:
        return self._count

    def note(self, met: Met) -> None:
        """Add one contact."""
        places = self._places_of(met.contact)
        if self._count >= MAX_CONTACTS or places is None:
            self.lost += 1
            return
        devices = self._days.setdefault(met.day, {})
        rows = devices.get(met.device)
        if rows is None:
            rows = devices[met.device] = bytearray()
        rows += _packed(met.contact, places=places)
        self._count += 1
        self.latest_ms = max(self.latest_ms, met.contact.at_ms)
        if self.fresh is not None:
            self.fresh.append(met)

    def days(self) -> list[date]:
        """Return the days with contacts, ascending."""
        return sorted(self._days)

    def devices(self, day: date) -> Iterator[tuple[str, list[Contact]]]:
        """Yield each device of a day with its contacts in order of time: the same whatever came first."""
        held = self._days.get(day, {})
        for device in sorted(held):
            yield device, sorted(_unpacked(held[device], names=self._names))

    def forget(self, day: date) -> None:
        """Drop a day, and the names that only it knew."""
        for rows in self._days.pop(day, {}).values():
            self._count -= len(rows) // _ROW.size
        kept = {each: self.piece(each) for each in self._days}
        fresh, latest = self.fresh, self.latest_ms
        self.fresh, self._days, self._names, self._places, self._count = None, {}, [], {}, 0
        for each, octets in kept.items():
            self.restore(each, octets)
        self.fresh, self.latest_ms = fresh, latest

    def piece(self, day: date) -> bytes:
        """Return all contacts of *day*, as `restore` takes them."""
        held = self._days.get(day, {})
        names, rows = [*self._names, *held], list(held.values())
        devices = [
            place for place, of in enumerate(rows, start=len(self._names)) for _ in range(len(of) // _ROW.size)
        ]  # fmt: skip
        return msgspec.msgpack.encode(Piece(names=names, devices=devices, rows=b"".join(rows)))

    def restore(self, day: date, octets: bytes) -> None:
        """Add what `pieces` wrote down.

        Raises:
            msgspec.DecodeError: that is no piece.
        """
        piece = _pieces.decode(octets)
        for place, contact in zip(piece.devices, _unpacked(piece.rows, names=piece.names), strict=True):
            self.note(Met(day=day, device=piece.names[place], contact=contact))

    def _places_of(self, contact: Contact) -> tuple[int, int, int] | None:
        try:
            return self._places[contact.site], self._places[contact.school], self._places[contact.group]
        except KeyError:
            names = {contact.site, contact.school, contact.group} - self._places.keys()
            if len(self._names) + len(names) > MAX_NAMES:
                return None
            for name in sorted(names):
                self._places[name] = len(self._names)
                self._names.append(name)
            return self._places[contact.site], self._places[contact.school], self._places[contact.group]


def size_of(octets: bytes) -> int:
    """Return how many contacts a piece holds.

    Raises:
        msgspec.DecodeError: that is no piece.
    """
    return len(_pieces.decode(octets).devices)


def pieces(met: Iterable[Met]) -> dict[date, bytes]:
    """Return contacts by day, ready for `ContactLog.restore`."""
    by_day: defaultdict[date, list[Met]] = defaultdict(list)
    for each in met:
        by_day[each.day].append(each)
    return {day: _piece(each) for day, each in by_day.items()}


def _piece(met: list[Met]) -> bytes:
    places: dict[str, int] = {}
    place, devices, rows = places.setdefault, [], []
    for each in met:
        contact = each.contact
        devices.append(place(each.device, len(places)))
        of = place(contact.site, len(places)), place(contact.school, len(places)), place(contact.group, len(places))
        rows.append(_packed(contact, places=of))
    return msgspec.msgpack.encode(Piece(names=list(places), devices=devices, rows=b"".join(rows)))


_pieces = msgspec.msgpack.Decoder(Piece)


def _packed(contact: Contact, *, places: tuple[int, int, int]) -> bytes:
    lasted = max(0, min(contact.until_ms - contact.at_ms, _MOST_OCTETS))
    return _ROW.pack(contact.at_ms, lasted, contact.bytes_up, contact.bytes_down, *places)


def _unpacked(rows: bytes | bytearray, *, names: list[str]) -> Iterator[Contact]:
    for at_ms, lasted, bytes_up, bytes_down, site, school, group in _ROW.iter_unpack(rows):
        yield Contact(
            at_ms=at_ms,
            site=names[site],
            until_ms=at_ms + lasted,
            bytes_up=bytes_up,
            bytes_down=bytes_down,
            school=names[school],
            group=names[group],
        )


def _milliseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
