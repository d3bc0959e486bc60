"""Reads what routers and exporters tell of flows: NetFlow version 9 and IPFIX, a datagram or a message at a time.

What comes in may be forged: every length is checked, every table is bounded, and what is refused is counted. Octets and
packets are taken as the exporter counted them; where it counts a sample only, that is said and nothing is made up.

Source: RFC 3954 (NetFlow version 9); RFC 7011, RFC 7012 (IPFIX); RFC 5103 (both directions in one record).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from collector.sensor_records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TEMPLATES = 4_096
"""Templates remembered of all exporters; one more makes the one that was used least recently be forgotten."""
MAX_FIELDS = 256
"""Fields of one template."""
MAX_DOMAINS = 1_024
"""Exporters, each with its observation domains, of which the sequence is followed."""
MAX_GAP = 1_000_000
"""A sequence number that is further ahead is that of an exporter that began anew, and shows no gap."""
MAX_DATAGRAM = 65_535
CLOCK_SLACK_NS = 3_600 * 1_000_000_000
"""A live exporter whose clock is further off is not believed: its times would decide which keys are destroyed."""

_MS = 1_000_000
_S = 1_000_000_000
_V9, _IPFIX = 9, 10
_V9_HEADER = struct.Struct(">HHIIII")
_IPFIX_HEADER = struct.Struct(">HHIII")
_SET_HEADER = struct.Struct(">HH")
_OPTIONS_SETS = (1, 3)
_TEMPLATE_SETS = {True: (0, 1), False: (2, 3)}  # version 9 and IPFIX: templates, and templates of options
_FIRST_DATA = 256
_VARIABLE = 65_535
_ENTERPRISE = 0x8000
_REVERSE = 29_305  # the enterprise number under which every element counts the other direction (RFC 5103 section 6.1)
_WRAP = 1 << 32

# Information elements (RFC 7012, IANA "IPFIX Information Elements"); those below 128 mean the same in version 9.
OCTETS, PACKETS, PROTOCOL, TCP_FLAGS = 1, 2, 4, 6
SOURCE_PORT, SOURCE_4, TARGET_PORT, TARGET_4 = 7, 8, 11, 12
LAST_UPTIME, FIRST_UPTIME, OUT_OCTETS, OUT_PACKETS = 21, 22, 23, 24
SOURCE_6, TARGET_6, SAMPLING, SAMPLER_INTERVAL = 27, 28, 34, 50
SOURCE_VLAN, DIRECTION, OCTETS_TOTAL, PACKETS_TOTAL = 58, 61, 85, 86
END_REASON = 136
FIRST_S, LAST_S, FIRST_MS, LAST_MS, FIRST_US, LAST_US, FIRST_NS, LAST_NS = range(150, 158)
FIRST_DELTA_US, LAST_DELTA_US, INIT_MS = 158, 159, 160
BIFLOW_DIRECTION, SAMPLED_PACKETS, UNSAMPLED_PACKETS = 239, 305, 306
_WANTED = frozenset(
    {
        OCTETS, PACKETS, PROTOCOL, TCP_FLAGS, SOURCE_PORT, SOURCE_4, TARGET_PORT, TARGET_4, LAST_UPTIME, FIRST_UPTIME,
        OUT_OCTETS, OUT_PACKETS, SOURCE_6, TARGET_6, SAMPLING, SAMPLER_INTERVAL, SOURCE_VLAN, DIRECTION, OCTETS_TOTAL,
        PACKETS_TOTAL, END_REASON, FIRST_S, LAST_S, FIRST_MS, LAST_MS, FIRST_US, LAST_US, FIRST_NS, LAST_NS,
        FIRST_DELTA_US, LAST_DELTA_US, INIT_MS, BIFLOW_DIRECTION, UNSAMPLED_PACKETS,
    }
)  # fmt: skip
# Elements of the other direction are kept under their number with this bit, which no element number has.
REVERSED = 1 << 16
_WANTED_REVERSED = frozenset({OCTETS, PACKETS, OCTETS_TOTAL, PACKETS_TOTAL, TCP_FLAGS})


class _Header(NamedTuple):
    version: int
    size: int  # octets of the header itself
    end: int  # octets of the datagram
    exported_ns: int
    uptime_ms: int | None  # version 9 alone
    sequence: int
    source: int  # source id, observation domain


class _Field(NamedTuple):
    key: int  # element, perhaps with REVERSED; -1: skipped
    size: int  # octets; _VARIABLE: written before the value


class _Template(NamedTuple):
    fields: tuple[_Field, ...]
    least: int  # octets of the shortest record
    options: bool


@dataclass(slots=True, kw_only=True)
class NetflowCounters:
    """What was refused, missing or met a bound. Totals since start."""

    datagrams: int = 0
    """Datagrams that were NetFlow version 9 or IPFIX."""
    malformed: int = 0
    """Datagrams that broke the format, or were of another version."""
    off_clock: int = 0
    """Datagrams from an exporter whose clock is more than an hour off."""
    strangers: int = 0
    """Datagrams from an address that is no exporter of ours."""
    sets_without_template: int = 0
    """Data that came before its template, or after it was forgotten."""
    templates_forgotten: int = 0
    """Templates that made room for others."""
    missing: int = 0
    """Datagrams (version 9) and records (IPFIX) that the sequence numbers show to be lost."""
    sampled: int = 0
    """Records of an exporter that counts a sample of its packets; what they count is too small."""
    uncounted: int = 0
    """Records without addresses or without a count of octets at the IP layer."""


@dataclass(slots=True, kw_only=True)
class FlowRow:
    """What one data record says, as it was written."""

    values: dict[int, bytes]
    """Wanted elements by number."""
    exported_ns: int
    """When the datagram was sent, by its exporter."""
    boot_ns: int | None
    """When the exporter began to run, as late as it can have been by what it says; None: it does not say."""
    ordinal: int
    """Where the record stands in what its exporter sent."""


class _Domain:
    """One observation domain of one exporter."""

    __slots__ = ("boot_ns", "counts", "sampling", "sequence")

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.counts: tuple[int, ...] = ()
        self.sampling = False
        self.boot_ns: int | None = None  # as IPFIX tells it in a record of options


class NetflowDecoder:
    """Reads the datagrams of any number of exporters."""

    def __init__(self) -> None:
        self.counters = NetflowCounters()
        self._templates: OrderedDict[tuple[str, int, int], _Template] = OrderedDict()
        self._domains: OrderedDict[tuple[str, int], _Domain] = OrderedDict()

    def read(self, octets: bytes, *, exporter: str, now_ns: int | None = None) -> list[FlowRow]:
        """Return the flow records in one datagram.

        Args:
            octets: the datagram.
            exporter: who sent it: templates of one exporter are not those of another.
            now_ns: the time of this machine; None: the datagram comes from a file.

        Raises:
            RecordError: it breaks the format, or is of another version. What stood before the break is lost with it.
        """
        try:
            return self._read(octets, exporter=exporter, now_ns=now_ns)
        except (struct.error, IndexError):
            self.counters.malformed += 1
            raise RecordError("the datagram ends too early") from None
        except RecordError:
            self.counters.malformed += 1
            raise

    def _read(self, octets: bytes, *, exporter: str, now_ns: int | None) -> list[FlowRow]:
        header = _header(octets)
        if now_ns is not None and abs(header.exported_ns - now_ns) > CLOCK_SLACK_NS:
            self.counters.off_clock += 1
            return []
        self.counters.datagrams += 1
        domain = self._domain(exporter, header.source)
        old = header.version == _V9
        rows: list[FlowRow] = []
        told = 0  # records, of flows and of options; with a set whose template is missing nobody knows how many
        known = True
        for number, body in _sets(octets, header.size, header.end):
            if number >= _FIRST_DATA:
                key = (exporter, header.source, number)
                template = self._templates.get(key)
                if template is None:
                    self.counters.sets_without_template += 1
                    known = False
                    continue
                self._templates.move_to_end(key)
                for values in _records(body, template):
                    domain.sampling = domain.sampling or _samples(values)
                    if INIT_MS in values:
                        domain.boot_ns = number_of(values[INIT_MS]) * _MS
                    if not template.options:
                        rows.append(_row(values, header, told, boot_ns=domain.boot_ns))
                    told += 1
            elif number in _TEMPLATE_SETS[old]:
                for defined, fresh in _templates(body, version=header.version, options=number in _OPTIONS_SETS):
                    self._remember((exporter, header.source, defined), fresh)
        self.counters.sampled += len(rows) if domain.sampling else 0
        # Version 9 numbers its datagrams, IPFIX its data records (RFC 7011 section 3.1).
        self._follow(domain, header.sequence, (1,) if old else (told, len(rows)), certain=old or known)
        return rows

    def _domain(self, exporter: str, source: int) -> _Domain:
        key = (exporter, source)
        domain = self._domains.get(key)
        if domain is None:
            if len(self._domains) >= MAX_DOMAINS:
                self._domains.popitem(last=False)
            domain = self._domains[key] = _Domain()
        self._domains.move_to_end(key)
        return domain

    def _follow(self, domain: _Domain, sequence: int, counts: tuple[int, ...], *, certain: bool) -> None:
        """Note a sequence number, and count what is missing before it.

        Some exporters number a message by the records before it, others by those up to its end; some count records of
        options and others do not. What fits any of these shows no gap.
        """
        if domain.sequence is not None:
            step = (sequence - domain.sequence) % _WRAP
            missing = min((step - count) % _WRAP for count in (*domain.counts, *counts))
            # A large step is none: an old datagram that came late, or an exporter that began anew.
            if missing <= MAX_GAP and step <= MAX_GAP:
                self.counters.missing += missing
        domain.sequence, domain.counts = (sequence, counts) if certain else (None, ())

    def _remember(self, key: tuple[str, int, int], template: _Template | None) -> None:
        known = self._templates.pop(key, None)
        if template is None:
            return
        if known is None and len(self._templates) >= MAX_TEMPLATES:
            self._templates.popitem(last=False)
            self.counters.templates_forgotten += 1
        self._templates[key] = template


def number_of(octets: bytes) -> int:
    """Return the unsigned number in *octets*; an exporter may write any number in fewer octets than it has."""
    return int.from_bytes(octets, "big")


def is_netflow(octets: bytes) -> bool:
    """Say whether *octets* begin like NetFlow version 9 or IPFIX in a file: a header, and a set that can be one."""
    if len(octets) < _V9_HEADER.size + _SET_HEADER.size:
        return False
    version = int.from_bytes(octets[:2], "big")
    if version not in (_V9, _IPFIX):
        return False
    at = _V9_HEADER.size if version == _V9 else _IPFIX_HEADER.size
    number, size = _SET_HEADER.unpack_from(octets, at)
    return size >= _SET_HEADER.size and (number >= _FIRST_DATA or number in _TEMPLATE_SETS[version == _V9])


def message_size(octets: bytes) -> int | None:
    """Return how many octets the message at the start of *octets* has; None: more are needed to tell.

    IPFIX says it. Version 9 does not: its sets are walked until the next header; no set has the number 9.

    Raises:
        RecordError: no message begins here.

    Source: RFC 5655 section 7.1 (files of IPFIX messages).
    """
    if len(octets) < 4:
        return None
    version = _version_of(octets)
    if version == _IPFIX:
        size = int.from_bytes(octets[2:4], "big")
        if size < _IPFIX_HEADER.size:
            raise RecordError("the message is not as long as it says")
        return size if len(octets) >= size else None
    at = _V9_HEADER.size
    while len(octets) >= at + 2:
        number = int.from_bytes(octets[at : at + 2], "big")
        if number == _V9:
            return at
        if len(octets) < at + 4:
            return None
        size = int.from_bytes(octets[at + 2 : at + 4], "big")
        if size < _SET_HEADER.size or 1 < number < _FIRST_DATA:
            raise RecordError("a set is none")
        at += size
        if at > MAX_DATAGRAM:
            raise RecordError("the message is longer than any datagram")
    return None


def _header(octets: bytes) -> _Header:
    if _version_of(octets) == _V9:
        _, _, uptime_ms, seconds, sequence, source = _V9_HEADER.unpack_from(octets)
        return _Header(_V9, _V9_HEADER.size, len(octets), seconds * _S, uptime_ms, sequence, source)
    _, end, seconds, sequence, source = _IPFIX_HEADER.unpack_from(octets)
    if not _IPFIX_HEADER.size <= end <= len(octets):
        raise RecordError("the message is not as long as it says")
    return _Header(_IPFIX, _IPFIX_HEADER.size, end, seconds * _S, None, sequence, source)


def _row(values: dict[int, bytes], header: _Header, index: int, *, boot_ns: int | None) -> FlowRow:
    return FlowRow(
        values=values,
        exported_ns=header.exported_ns,
        # The header's time is cut to whole seconds. Taken for the last moment that it can mean, a flow does not begin
        # before the look-up that led to it.
        boot_ns=boot_ns if header.uptime_ms is None else header.exported_ns + (999 - header.uptime_ms) * _MS,
        ordinal=_ordinal(header.source, header.sequence, index),
    )


def _version_of(octets: bytes) -> int:
    version = int.from_bytes(octets[:2], "big")
    if version not in (_V9, _IPFIX) or len(octets) < 2:
        raise RecordError("neither NetFlow version 9 nor IPFIX; let the exporter send one of these")
    return version


def _sets(octets: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while end - at >= _SET_HEADER.size:
        number, size = _SET_HEADER.unpack_from(octets, at)
        if size < _SET_HEADER.size or at + size > end:
            raise RecordError("a set is longer than its datagram")
        yield number, octets[at + _SET_HEADER.size : at + size]
        at += size


def _templates(body: bytes, *, version: int, options: bool) -> Iterator[tuple[int, _Template | None]]:
    """Yield the templates of one set; None: it is withdrawn (RFC 7011 section 8.1)."""
    at = 0
    while len(body) - at >= 4:
        number, count = _SET_HEADER.unpack_from(body, at)
        at += 4
        if number < _FIRST_DATA:
            return  # padding
        if options and count:
            if version == _V9:
                # The two numbers are octets of scope fields and of option fields (RFC 3954 section 6.1).
                count = (count + int.from_bytes(body[at : at + 2], "big")) // 4
            at += 2
        if count > MAX_FIELDS:
            raise RecordError("a template has too many fields")
        if not count:
            yield number, None
            continue
        fields: list[_Field] = []
        for _ in range(count):
            element, size = _SET_HEADER.unpack_from(body, at)
            at += 4
            enterprise = 0
            if version == _IPFIX and element & _ENTERPRISE:
                enterprise = int.from_bytes(body[at : at + 4], "big")
                at += 4
                element &= ~_ENTERPRISE
            fields.append(_Field(_key(element, enterprise), size))
        least = sum(1 if field.size == _VARIABLE and version == _IPFIX else field.size for field in fields)
        if least == 0:
            raise RecordError("a template of records without octets")
        yield number, _Template(tuple(fields), least, options)


def _key(element: int, enterprise: int) -> int:
    if enterprise == 0 and element in _WANTED:
        return element
    if enterprise == _REVERSE and element in _WANTED_REVERSED:
        return element | REVERSED
    return -1


def _records(body: bytes, template: _Template) -> Iterator[dict[int, bytes]]:
    """Yield the records of one set; less than the shortest record at its end is padding."""
    at = 0
    while len(body) - at >= template.least:
        values: dict[int, bytes] = {}
        for key, size in template.fields:
            if size == _VARIABLE:
                size = body[at]  # noqa: PLW2901 -- the size is in the record
                at += 1
                if size == 255:
                    size = int.from_bytes(body[at : at + 2], "big")  # noqa: PLW2901
                    at += 2
            if at + size > len(body):
                raise RecordError("a record is longer than its set")
            if key >= 0:
                values[key] = body[at : at + size]
            at += size
        yield values


def _samples(values: dict[int, bytes]) -> bool:
    """Say whether a record, of flows or of options, shows that its exporter counts a sample only."""
    return any(number_of(values.get(key, b"")) > 1 for key in (SAMPLING, SAMPLER_INTERVAL)) or (
        number_of(values.get(UNSAMPLED_PACKETS, b"")) > 0
    )


def _ordinal(source: int, sequence: int, index: int) -> int:
    """Return a number of what stands where in what an exporter sent, the same whenever listening began."""
    digest = blake2b(struct.pack(">III", source, sequence, index), digest_size=8).digest()
    return int.from_bytes(digest, "big")
