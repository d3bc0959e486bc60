"""The network file: which school and group an address or a VLAN belongs to, and when school is. It reads no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field

from collector.documents import DocumentError, Fault, Problem, read, recall_document
from collector.fields import Clock, Day, Listed, Maybe, Record, refusal
from collector.problems import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Role = Literal["staff", "students", "guests", "devices"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# "More specific segments win" (contract, network file), and a VLAN needs a place in that order: it usually carries one
# subnet, /24 in IPv4 and /64 in IPv6. So an address range as small as that or smaller wins over the VLAN of the frame,
# and the wide range of a whole school loses against it.
VLAN_COUNTS_AS_PREFIX = {4: 24, 16: 64}

# Where the file has no calendar: Monday to Friday, the hours of the example file, no holidays.
DEFAULT_DAYS: tuple[Weekday, ...] = WEEKDAYS[:5]
DEFAULT_FROM = time(7, 30)
DEFAULT_TO = time(16, 0)

# Addresses of one school day; when full the memory begins anew, which costs a look-up and loses nothing.
_REMEMBERED_PLACES = 65_536

_V4_IN_V6 = bytes(10) + b"\xff\xff"


def _cidr(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        pass
    else:
        if "%" not in value:
            return value
    try:
        wider = ip_network(value, strict=False)
    except ValueError:
        wider = None
    if wider is None or "%" in value:
        raise refusal(f"{shown(value)} is not an address range", remedy="write a range such as 10.20.8.0/22")
    raise refusal(f"{shown(value)} is an address within a range, not the range", remedy=f"write {wider}")


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(available_timezones())
        near = (
            get_close_matches(value, known, n=3, cutoff=0.5)
            or [name for name in known if value and value.lower() in name.lower()][:3]
        )
        wanted = " or ".join(near) if near else "a name such as America/Chicago"
        raise refusal(f"{shown(value)} is not a time zone", remedy=f"write {wanted}") from None
    return value


Name = Annotated[str, Field(min_length=1, max_length=200)]


class SegmentRow(Record):
    """One part of a school's network: an address range or a VLAN."""

    cidr: Maybe[Annotated[str, AfterValidator(_cidr)]] = Field(default=None, examples=["10.20.8.0/22"])
    """Address range, IPv4 or IPv6."""
    vlan: Maybe[Annotated[int, Field(ge=1, le=4094)]] = Field(default=None, examples=[340])
    """IEEE 802.1Q VLAN id; the innermost one where tags are stacked."""
    group: Name = Field(examples=["k-5"])
    """Who is on this segment."""
    under_13: Maybe[bool] = Field(default=None, examples=[True])
    """The group has children under 13. Absent: no."""
    role: Maybe[Role] = Field(default=None, examples=["staff"])
    """Absent: students."""

    def faults(self) -> Iterator[Fault]:
        """A segment is one of the two."""
        if self.cidr is None and self.vlan is None:
            yield Fault(
                at=(), what="the segment has neither `cidr` nor `vlan`", remedy="add one, such as cidr: 10.20.8.0/22"
            )
        if self.cidr is not None and self.vlan is not None:
            yield Fault(at=("vlan",), what="the segment has both `cidr` and `vlan`", remedy="make two segments of it")
        if self.under_13 and self.role == "staff":
            yield Fault(
                at=("under_13",), what="the segment is `role: staff` and under 13", remedy="keep one of the two"
            )


class SchoolRow(Record):
    """One school."""

    id: Name = Field(examples=["lincoln-es"])
    """Short name, used in events and reports."""
    name: Maybe[Name] = Field(default=None, examples=["Lincoln Elementary"])
    """Full name."""
    segments: Listed[SegmentRow] = Field(min_length=1, examples=[[{"cidr": "10.20.8.0/22", "group": "k-5"}]])
    """The parts of its network."""


class SchoolDayRow(Record):
    """When school is."""

    days: Listed[Weekday] = Field(min_length=1, examples=[["mon", "tue", "wed", "thu", "fri"]])
    """Days of the week with school."""
    from_: Clock = Field(alias="from", examples=['"07:30"'])
    """Begin, local time."""
    to: Clock = Field(examples=['"16:00"'])
    """End, local time."""

    def faults(self) -> Iterator[Fault]:
        """A school day begins before it ends, and each day is named once."""
        if self.from_ >= self.to:
            yield Fault(
                at=("to",), what="the school day does not end after it begins", remedy="write a later time in `to`"
            )
        if len(set(self.days)) < len(self.days):
            yield Fault(at=("days",), what="a day of the week is named twice", remedy="name each day once")


class CalendarRow(Record):
    """School days and holidays."""

    school_day: Maybe[SchoolDayRow] = Field(
        default=None, examples=[{"days": ["mon", "tue"], "from": '"07:30"', "to": '"16:00"'}]
    )
    """Absent: Monday to Friday, 07:30 to 16:00."""
    holidays: Listed[Day] = Field(default=(), examples=[["2026-11-26"]])
    """Days without school."""


class NetworkFile(Record):
    """The network file, version 1 (contract, section 4)."""

    schema_: Literal["schoolgate/network/1"] = Field(alias="schema", examples=["schoolgate/network/1"])
    """Kind and version of this file."""
    district: Name = Field(examples=["Riverbend Unified School District"])
    """Name of the district."""
    district_id: Maybe[Name] = Field(default=None, examples=["riverbend"])
    """Only needed where several districts share one broker."""
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(examples=["America/Chicago"])
    """Name in the IANA time zone database. All dates are local to it."""
    schools: Listed[SchoolRow] = Field(min_length=1, examples=[[{"id": "lincoln-es", "segments": ["..."]}]])
    """The schools of the district."""
    calendar: Maybe[CalendarRow] = Field(default=None, examples=[{"holidays": ["2026-11-26"]}])
    """Absent: Monday to Friday, 07:30 to 16:00, no holidays."""

    def faults(self) -> Iterator[Fault]:
        """No school, range or VLAN twice; one group of one school has one age and one role."""
        schools: dict[str, int] = {}
        places: dict[str | int, str] = {}
        groups: dict[tuple[str, str], GroupFacts] = {}
        for number, school in enumerate(self.schools):
            if schools.setdefault(school.id, number) != number:
                what = f"the school id {shown(school.id)} is used twice"
                yield Fault(at=("schools", number, "id"), what=what, remedy="give each school its own id")
            for place, row in enumerate(school.segments):
                at = ("schools", number, "segments", place)
                yield from _place_twice(row, at=at, owner=f"{school.id} / {row.group}", places=places)
                facts = _group_facts(row)
                known = groups.setdefault((school.id, row.group), facts)
                if known != facts:
                    field = "under_13" if known.under_13 != facts.under_13 else "role"
                    what = (
                        f"the group {shown(row.group)} of {shown(school.id)} has another `{field}` on an earlier line"
                    )
                    yield Fault(
                        at=at, what=what, remedy=f"write the same `{field}` on all its segments, or name two groups"
                    )


def _place_twice(
    row: SegmentRow, *, at: tuple[str | int, ...], owner: str, places: dict[str | int, str]
) -> Iterator[Fault]:
    key = str(ip_network(row.cidr)) if row.cidr is not None else row.vlan
    if key is None:
        return
    if key in places:
        name = f"VLAN {key}" if isinstance(key, int) else f"the range {key}"
        what = f"{name} is already the segment of {places[key]}"
        yield Fault(at=(*at, "vlan" if isinstance(key, int) else "cidr"), what=what, remedy="keep one of the two")
    else:
        places[key] = owner


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """What the network file says about one group of one school."""

    under_13: bool
    """The group has children under 13."""
    role: Role
    """Who they are; students unless the file says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Where a school-side address belongs."""

    school: str
    """Id of the school."""
    group: str
    """Name of the group."""
    under_13: bool
    """The group has children under 13."""
    role: Role
    """Who they are; students unless the file says otherwise."""


class Network:
    """A district's network, as its file describes it."""

    def __init__(self, file: NetworkFile) -> None:
        self.district = file.district
        self.district_id = file.district_id
        self.time_zone = ZoneInfo(file.time_zone)
        self.calendar_stated = file.calendar is not None
        """False: the school day below is the default and the holidays are unknown."""
        self.groups: dict[tuple[str, str], GroupFacts] = {}
        self.off_schools: frozenset[str] = frozenset()
        """Schools that are not watched: nothing about them leaves memory."""
        self._by_vlan: dict[int, Segment] = {}
        ranges: dict[tuple[int, int], dict[int, Segment]] = {}
        for school in file.schools:
            for row in school.segments:
                facts = _group_facts(row)
                self.groups[school.id, row.group] = facts
                segment = Segment(school=school.id, group=row.group, under_13=facts.under_13, role=facts.role)
                if row.vlan is not None:
                    self._by_vlan[row.vlan] = segment
                if row.cidr is not None:
                    network: IPv4Network | IPv6Network = ip_network(row.cidr)
                    octets = network.max_prefixlen // 8
                    bits = network.max_prefixlen - network.prefixlen
                    at = int(network.network_address) >> bits
                    ranges.setdefault((octets, network.prefixlen), {})[at] = segment
        # By address length: (prefix length, bits to drop, segments by prefix), longest prefix first.
        self._ranges: dict[int, list[tuple[int, int, dict[int, Segment]]]] = {4: [], 16: []}
        for (octets, prefix), table in sorted(ranges.items(), reverse=True):
            self._ranges[octets].append((prefix, octets * 8 - prefix, table))
        self._places: dict[tuple[bytes, int | None], Segment | None] = {}
        school_day = None if file.calendar is None else file.calendar.school_day
        self._days = frozenset(DEFAULT_DAYS if school_day is None else school_day.days)
        self._from = DEFAULT_FROM if school_day is None else school_day.from_
        self._to = DEFAULT_TO if school_day is None else school_day.to
        self._holidays = frozenset(() if file.calendar is None else file.calendar.holidays)

    def locate(self, address: bytes, vlan: int | None = None) -> Segment | None:
        """Return the segment of a school-side address (4 or 16 octets) seen in *vlan*, or None: in no segment.

        The most specific range wins; a VLAN counts as a range of the size given by `VLAN_COUNTS_AS_PREFIX`.
        """
        key = (address, vlan)
        try:
            return self._places[key]
        except KeyError:
            pass
        if len(self._places) >= _REMEMBERED_PLACES:
            self._places.clear()
        found = self._places[key] = self._look_up(address, vlan)
        return found

    def _look_up(self, address: bytes, vlan: int | None) -> Segment | None:
        if len(address) == 16 and address.startswith(_V4_IN_V6):  # RFC 4291 section 2.5.5.2
            address = address[12:]
        tagged = None if vlan is None else self._by_vlan.get(vlan)
        number = int.from_bytes(address, "big")
        for prefix, bits, table in self._ranges.get(len(address), ()):
            if tagged is not None and prefix < VLAN_COUNTS_AS_PREFIX[len(address)]:
                break
            segment = table.get(number >> bits)
            if segment is not None:
                return segment
        return tagged

    def local_day(self, when: datetime) -> date:
        """Return the district's date at *when*.

        Raises:
            ValueError: *when* has no time zone, so it is no moment.
        """
        if when.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return when.astimezone(self.time_zone).date()

    def school_day_bounds(self, day: date) -> tuple[datetime, datetime] | None:
        """Return begin and end of school on *day* (with time zone), or None on a weekend or a holiday."""
        if day in self._holidays or WEEKDAYS[day.weekday()] not in self._days:
            return None
        return (
            datetime.combine(day, self._from, tzinfo=self.time_zone),
            datetime.combine(day, self._to, tzinfo=self.time_zone),
        )


def _group_facts(row: SegmentRow) -> GroupFacts:
    return GroupFacts(under_13=bool(row.under_13), role=row.role or "students")


def load_network(path: str | Path, *, off_schools: Collection[str] = ()) -> Network:
    """Return the network that the file at *path* describes.

    Args:
        path: the file.
        off_schools: schools that are not watched at all.

    Raises:
        DocumentError: the file cannot be read or is wrong, with every problem; or a school that is not to be watched is
            not in it, and would be watched under its true name.
    """
    network = parse_network(read(path), path=str(path))
    known = sorted({school for school, _group in network.groups})
    unknown = sorted(set(off_schools) - set(known))
    if unknown:
        what = f"`privacy.off_schools` of the configuration names {shown(unknown[0])}, and no school here has this id"
        remedy = f"the ids are {', '.join(known)}"
        raise DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
    network.off_schools = frozenset(off_schools)
    return network


def parse_network(text: str, *, path: str) -> Network:
    """Return the network that *text* describes; *path* only names it in messages.

    Raises:
        DocumentError: with every problem of the file.
    """
    return Network(recall_document(text, path=path, model=NetworkFile).value)
