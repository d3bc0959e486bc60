"""An event that is still being filled, and the two forms in which it is given out: an object, or a line of JSON.

Who only writes events down needs no objects of them, and making one costs as much as all else in an event. Compiled;
the C types stand in draft.pxd.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from collector import scribe, slices

if TYPE_CHECKING:
    from collector.events import App, End, FlowEvent, NameSource, TlsVersion

MAX_SECONDS = 1_024
"""Seconds whose date is remembered; flows begin and end in turn, minutes apart."""
PAPER_OCTETS = 65_536
"""Room for lines at the beginning; it grows with what is written between two calls of `take`."""
MAX_PAPER_OCTETS = 2_097_152
"""A paper that grew beyond is not kept."""
_NS = 1_000_000_000
_US = 1_000
_DAY_S = 86_400
_DATE_CHARACTERS = 11  # 2026-10-06T
_IPV4_OCTETS = 4
MAX_ADDRESS_OCTETS = 39
"""Longest IPv6 address as text."""


class Draft:
    """What is known of one event; one draft serves all events in turn, so every field is set anew for each.

    The fields are those of the contract (collector/events.py says what they mean); addresses are octets and times
    nanoseconds since the epoch.

    Args:
        sensor: name of this collector.
    """

    id_begin: int
    """First 64 bits of the event's id; `id_end`: the last 16."""
    id_end: int
    district: str | None
    school: str | None
    group: str | None
    device: str | None
    client: bytes | None
    """Address of the client; None: the event carries none."""
    client_port: int
    server: bytes | None
    server_port: int
    withheld: bool
    proto: str
    started_ns: int
    ended_ns: int
    bytes_up: int
    bytes_down: int
    packets_up: int
    packets_down: int
    server_name: str | None
    name_source: NameSource
    cnames: tuple[str, ...]
    app: App
    tls_version: TlsVersion | None
    tls_version_offered: bool
    alpn: str | None
    ech: bool
    plaintext_bytes_up: int
    plaintext_data: bool | None
    end: End
    part: int

    def __init__(self, sensor: str) -> None:
        self.sensor = sensor
        self._paper = bytearray(PAPER_OCTETS)
        self._at = 0
        # What was written last of sensor, district, school and group.
        self._place = b""
        self._district: str | None = None
        self._school: str | None = None
        self._group: str | None = None
        # The day that was written last, and its date; so is the next one, mostly.
        self._day = -1
        self._date = ""
        # Two classes of the same layout; who only writes lines does not load them.
        self._blank: Any = None
        self._event: Any = None

    def event(self) -> FlowEvent:
        """Return the event."""
        if self._blank is None:
            from collector.events import Blank  # noqa: PLC0415 -- as above
            from collector.events import FlowEvent as Event  # noqa: PLC0415 -- as above

            self._blank, self._event = Blank, Event
        blank = self._blank()
        blank.v = 1  # EVENT_VERSION
        blank.withheld = self.withheld
        blank.id = f"{self.id_begin:016x}{self.id_end:04x}"
        blank.sensor = self.sensor
        blank.district = self.district
        blank.school = self.school
        blank.group = self.group
        blank.device = self.device
        blank.src_ip = None if self.client is None else address_text(self.client)
        blank.src_port = None if self.client is None else self.client_port
        blank.dst_ip = None if self.server is None else address_text(self.server)
        blank.dst_port = self.server_port
        blank.proto = self.proto
        blank.started_at = stamp(self.started_ns)
        blank.ended_at = stamp(self.ended_ns)
        blank.bytes_up = self.bytes_up
        blank.bytes_down = self.bytes_down
        blank.packets_up = self.packets_up
        blank.packets_down = self.packets_down
        blank.server_name = self.server_name
        blank.name_source = self.name_source
        blank.cnames = self.cnames
        blank.app = self.app
        blank.tls_version = self.tls_version
        blank.tls_version_offered = self.tls_version_offered
        blank.alpn = self.alpn
        blank.ech = self.ech
        blank.plaintext_bytes_up = self.plaintext_bytes_up
        blank.plaintext_data = self.plaintext_data
        blank.end = self.end
        blank.part = self.part
        blank.__class__ = self._event
        event: FlowEvent = blank
        return event

    def write(self) -> None:
        """Write the event as a line of JSON, exactly as `collector.encoding` writes the object."""
        paper = self._paper
        at = self._write_ends(paper, self._at)
        at = scribe.put_words(paper, at, b',"bytes_up":')
        at = scribe.put_number(paper, at, self.bytes_up)
        at = scribe.put_words(paper, at, b',"bytes_down":')
        at = scribe.put_number(paper, at, self.bytes_down)
        at = scribe.put_words(paper, at, b',"packets_up":')
        at = scribe.put_number(paper, at, self.packets_up)
        at = scribe.put_words(paper, at, b',"packets_down":')
        at = scribe.put_number(paper, at, self.packets_down)
        at = scribe.put_words(paper, at, b',"server_name":')
        at = scribe.put_quoted(paper, at, self.server_name)
        at = scribe.put_words(paper, at, b',"name_source":"')
        at = scribe.put(paper, at, self.name_source)
        at = scribe.put_words(paper, at, b'","cnames":[')
        at = _put_list(paper, at, self.cnames)
        at = scribe.put_words(paper, at, b'],"app":"')
        at = scribe.put(paper, at, self.app)
        at = scribe.put_words(paper, at, b'","tls_version":')
        at = scribe.put_quoted(paper, at, self.tls_version)
        at = scribe.put_words(paper, at, b',"tls_version_offered":')
        at = _put_truth(paper, at, self.tls_version_offered)
        at = scribe.put_words(paper, at, b',"alpn":')
        at = scribe.put_quoted(paper, at, self.alpn)
        at = scribe.put_words(paper, at, b',"ech":')
        at = _put_truth(paper, at, self.ech)
        at = scribe.put_words(paper, at, b',"plaintext_bytes_up":')
        at = scribe.put_number(paper, at, self.plaintext_bytes_up)
        at = scribe.put_words(paper, at, b',"plaintext_data":')
        if self.plaintext_data is None:
            at = scribe.put_words(paper, at, b"null")
        else:
            at = _put_truth(paper, at, self.plaintext_data)
        at = scribe.put_words(paper, at, b',"end":"')
        at = scribe.put(paper, at, self.end)
        at = scribe.put_words(paper, at, b'","part":')
        at = scribe.put_number(paper, at, self.part)
        self._at = scribe.put_words(paper, at, b"}\n")

    def take(self) -> bytes:
        """Return the lines that were written since the last call."""
        lines = slices.piece(self._paper, 0, self._at)
        self._at = 0
        if len(self._paper) > MAX_PAPER_OCTETS:  # thousands of flows ended at once: that is no reason to keep it
            self._paper = bytearray(PAPER_OCTETS)
        return lines

    def _write_ends(self, paper: bytearray, at: int) -> int:
        """Write who spoke to whom, and when; return the place behind it."""
        at = scribe.put_words(paper, at, b'{"v":1,"id":"')
        at = scribe.put_hex(paper, at, self.id_begin, 16)
        at = scribe.put_hex(paper, at, self.id_end, 4)
        at = self._put_place(paper, at)
        at = scribe.put_words(paper, at, b',"device":')
        at = scribe.put_quoted(paper, at, self.device)
        if self.client is not None:
            at = scribe.put_words(paper, at, b',"src_ip":')
            at = _put_address(paper, at, self.client)
            at = scribe.put_words(paper, at, b',"src_port":')
            at = scribe.put_number(paper, at, self.client_port)
        at = scribe.put_words(paper, at, b',"dst_ip":')
        at = _put_address(paper, at, self.server)
        at = scribe.put_words(paper, at, b',"dst_port":')
        at = scribe.put_number(paper, at, self.server_port)
        at = scribe.put_words(paper, at, b',"withheld":')
        at = _put_truth(paper, at, self.withheld)
        at = scribe.put_words(paper, at, b',"proto":"')
        at = scribe.put(paper, at, self.proto)
        at = scribe.put_words(paper, at, b'","started_at":"')
        at = self._put_stamp(paper, at, self.started_ns)
        at = scribe.put_words(paper, at, b'","ended_at":"')
        at = self._put_stamp(paper, at, self.ended_ns)
        return scribe.put_words(paper, at, b'"')

    def _put_place(self, paper: bytearray, at: int) -> int:
        """Write by whom it was seen and where; so it was with the last event, mostly."""
        if (
            self.district is self._district
            and self.school is self._school
            and self.group is self._group
            and self._place
        ):
            return scribe.put_octets(paper, at, self._place)
        begin = at
        at = scribe.put_words(paper, at, b'","sensor":')
        at = scribe.put_quoted(paper, at, self.sensor)
        at = scribe.put_words(paper, at, b',"district":')
        at = scribe.put_quoted(paper, at, self.district)
        at = scribe.put_words(paper, at, b',"school":')
        at = scribe.put_quoted(paper, at, self.school)
        at = scribe.put_words(paper, at, b',"group":')
        at = scribe.put_quoted(paper, at, self.group)
        self._place = bytes(paper[begin:at])
        self._district = self.district
        self._school = self.school
        self._group = self.group
        return at

    def _put_stamp(self, paper: bytearray, at: int, at_ns: int) -> int:
        second = at_ns // _NS
        day = second // _DAY_S
        if day != self._day:
            self._day = day
            self._date = _date(day * _DAY_S)[:_DATE_CHARACTERS]
        second -= day * _DAY_S
        at = scribe.put(paper, at, self._date)
        at = scribe.put_digits(paper, at, second // 3600, 2)
        at = scribe.put_words(paper, at, b":")
        at = scribe.put_digits(paper, at, second // 60 % 60, 2)
        at = scribe.put_words(paper, at, b":")
        at = scribe.put_digits(paper, at, second % 60, 2)
        at = scribe.put_words(paper, at, b".")
        at = scribe.put_digits(paper, at, at_ns % _NS // _US, 6)
        return scribe.put_words(paper, at, b"Z")


def stamp(at_ns: int) -> str:
    """Return a time (nanoseconds since the epoch) as ISO 8601 UTC with microseconds."""
    micros = at_ns % _NS // _US
    return f"{_date(at_ns // _NS)}.{micros:06d}Z"


@lru_cache(maxsize=MAX_SECONDS)
def _date(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _put_truth(paper: bytearray, at: int, truth: bool) -> int:
    return scribe.put_words(paper, at, b"true") if truth else scribe.put_words(paper, at, b"false")


def _put_list(paper: bytearray, at: int, texts: tuple[str, ...]) -> int:
    first = True
    for text in texts:
        if not first:
            at = scribe.put_words(paper, at, b",")
        first = False
        at = scribe.put_quoted(paper, at, text)
    return at


def _put_address(paper: bytearray, at: int, octets: bytes | None) -> int:
    if octets is None:
        return scribe.put_words(paper, at, b"null")
    at = scribe.put_words(paper, at, b'"')
    if len(octets) == _IPV4_OCTETS:
        at = scribe.put_number(paper, at, octets[0])
        for place in range(1, 4):
            at = scribe.put_words(paper, at, b".")
            at = scribe.put_number(paper, at, octets[place])
    else:
        at = _put_ipv6(paper, at, octets)
    return scribe.put_words(paper, at, b'"')


def address_text(octets: bytes) -> str:
    """Return an address of 4 or 16 octets as text."""
    if len(octets) == _IPV4_OCTETS:
        return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"
    paper = bytearray(MAX_ADDRESS_OCTETS)
    return paper[: _put_ipv6(paper, 0, octets)].decode()


def _put_ipv6(paper: bytearray, at: int, octets: bytes) -> int:
    """Write 16 octets as text: the longest run of zero groups, the first of equals, becomes `::` (RFC 5952)."""
    longest = 1
    begin = 8
    run = 0
    for group in range(8):
        run = run + 1 if octets[2 * group] == 0 and octets[2 * group + 1] == 0 else 0
        if run > longest:
            longest = run
            begin = group + 1 - run
    end = begin + longest
    for group in range(8):
        if group == begin:
            at = scribe.put_words(paper, at, b"::")
        elif group < begin or group >= end:
            if group not in (0, end):
                at = scribe.put_words(paper, at, b":")
            value = (octets[2 * group] << 8) | octets[2 * group + 1]
            at = scribe.put_hex(
                paper, at, value, 4 if value > 0xFFF else 3 if value > 0xFF else 2 if value > 0xF else 1
            )
    return at
