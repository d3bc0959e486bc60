"""Reads the records of NetFlow and IPFIX: which direction of which flow, when, and how much.

Source: RFC 3954 section 8; RFC 7012 and the IANA registry of IPFIX information elements; RFC 5103.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from collector.netflow_pairing import Half
from collector.sensor_records import RecordError
from collector.sources import netflow as ie

if TYPE_CHECKING:
    from collector.events import End
    from collector.sources.netflow import FlowRow, NetflowCounters

MAX_COUNT = 1 << 48
"""No flow carries more; what says so would break the sums of everybody else."""
IDLE_S = 10
"""No exporter waits for less before it holds a silent flow for finished: a fresher record is a part of a long flow."""

_S = 1_000_000_000
_MS = 1_000_000
_WRAP = 1 << 32
_NTP_EPOCH_S = 2_208_988_800  # seconds from 1900 to 1970
_LAST_NS = 253_370_764_800 * _S  # the end of 9998
# A time in whole seconds is cut, too.
_CUT_NS = 999 * _MS
_PROTOS: dict[int, Literal["tcp", "udp"]] = {6: "tcp", 17: "udp"}
_REASONS: dict[int, End] = {1: "idle", 2: "active", 3: "fin", 4: "evicted", 5: "evicted"}
_FIN, _RST = 0x01, 0x04
_INITIATOR = 1
_LEAVING = 1


def half_of(row: FlowRow, *, counters: NetflowCounters) -> Half | None:
    """Return what a record says; None: it is of no TCP or UDP flow, or counts nothing at the IP layer.

    Raises:
        RecordError: its times or counts are none.
    """
    values = row.values
    proto = _PROTOS.get(_number(row, ie.PROTOCOL))
    if proto is None:
        return None
    source = values.get(ie.SOURCE_4) or values.get(ie.SOURCE_6) or b""
    target = values.get(ie.TARGET_4) or values.get(ie.TARGET_6) or b""
    octets, packets = _counts(row)
    if len(source) != len(target) or len(source) not in (4, 16) or octets is None:
        counters.uncounted += 1
        return None
    back, packets_back = _counts_back(row)
    started_ns, ended_ns = row_times(row)
    vlan = _number(row, ie.SOURCE_VLAN)
    return Half(
        source=source,
        target=target,
        source_port=_number(row, ie.SOURCE_PORT) & 0xFFFF,
        target_port=_number(row, ie.TARGET_PORT) & 0xFFFF,
        proto=proto,
        started_ns=started_ns,
        ended_ns=ended_ns,
        octets=octets,
        packets=packets,
        octets_back=back or 0,
        packets_back=packets_back,
        both=back is not None,
        certain=_number(row, ie.BIFLOW_DIRECTION) == _INITIATOR,
        vlan=vlan if 0 < vlan < 4_095 else None,
        end=_end(row, ended_ns, proto),
        ordinal=row.ordinal,
        leaving=_number(row, ie.DIRECTION) == _LEAVING,
    )


def _number(row: FlowRow, key: int) -> int:
    """Return an unsigned number, however many octets it was written in; 0: it is not there."""
    octets = row.values.get(key, b"")
    if len(octets) > 8:
        raise RecordError("a number is none")
    return ie.number_of(octets)


def _checked(row: FlowRow, key: int) -> int:
    value = _number(row, key)
    if value > MAX_COUNT:
        raise RecordError("a count is larger than any flow")
    return value


def _counts(row: FlowRow) -> tuple[int | None, int]:
    """Return octets and packets from the source; None: octets at the IP layer are not told."""
    for octets, packets in ((ie.OCTETS, ie.PACKETS), (ie.OCTETS_TOTAL, ie.PACKETS_TOTAL)):
        if octets in row.values:
            return _checked(row, octets), _checked(row, packets)
    # Only what left the exporter is counted.
    if ie.OUT_OCTETS in row.values:
        return _checked(row, ie.OUT_OCTETS), _checked(row, ie.OUT_PACKETS)
    return None, 0


def _counts_back(row: FlowRow) -> tuple[int | None, int]:
    """Return octets and packets to the source; None: the record tells one direction."""
    for octets, packets in ((ie.OCTETS, ie.PACKETS), (ie.OCTETS_TOTAL, ie.PACKETS_TOTAL)):
        if octets | ie.REVERSED in row.values:
            return _checked(row, octets | ie.REVERSED), _checked(row, packets | ie.REVERSED)
    # Beside a count of what came in, some exporters count the other direction here.
    if ie.OUT_OCTETS in row.values and ie.OCTETS in row.values:
        return _checked(row, ie.OUT_OCTETS), _checked(row, ie.OUT_PACKETS)
    return None, 0


def _end(row: FlowRow, ended_ns: int, proto: str) -> End:
    told = _REASONS.get(_number(row, ie.END_REASON))
    flags = _number(row, ie.TCP_FLAGS) if proto == "tcp" else 0
    if told == "active":
        return told
    if flags & _RST:
        return "rst"
    if flags & _FIN:
        return "fin"
    if told is not None:
        return told if told != "fin" or proto == "tcp" else "idle"
    return "active" if row.exported_ns - ended_ns < IDLE_S * _S else "idle"


def row_times(row: FlowRow) -> tuple[int, int]:
    """Return when the first and the last packet of a record passed, nanoseconds since the epoch.

    Raises:
        RecordError: they lie before 1970, after 9998, or after the datagram was sent.

    Source: RFC 3954 section 8 (FIRST_SWITCHED); RFC 7011 section 6.1; RFC 7012 section 3.1.
    """
    values = row.values
    first = last = None
    if ie.FIRST_MS in values and ie.LAST_MS in values:
        first, last = (ie.number_of(values[key]) * _MS for key in (ie.FIRST_MS, ie.LAST_MS))
    elif ie.FIRST_UPTIME in values and ie.LAST_UPTIME in values:
        first, last = (_uptime_ns(row, ie.number_of(values[key])) for key in (ie.FIRST_UPTIME, ie.LAST_UPTIME))
    elif ie.FIRST_US in values and ie.LAST_US in values:
        first, last = (_ntp_ns(values[key]) for key in (ie.FIRST_US, ie.LAST_US))
    elif ie.FIRST_NS in values and ie.LAST_NS in values:
        first, last = (_ntp_ns(values[key]) for key in (ie.FIRST_NS, ie.LAST_NS))
    elif ie.FIRST_DELTA_US in values and ie.LAST_DELTA_US in values:
        first, last = (
            row.exported_ns - ie.number_of(values[key]) * 1_000 for key in (ie.FIRST_DELTA_US, ie.LAST_DELTA_US)
        )
    elif ie.FIRST_S in values and ie.LAST_S in values:
        first, last = (ie.number_of(values[key]) * _S + _CUT_NS for key in (ie.FIRST_S, ie.LAST_S))
    if first is None or last is None:
        first = last = row.exported_ns
    # The header counts whole seconds, and exporters stamp it a moment before they fill the datagram.
    if not 0 <= first <= last <= min(row.exported_ns + ie.CLOCK_SLACK_NS, _LAST_NS):
        raise RecordError("the times of a record are none")
    return first, last


def _uptime_ns(row: FlowRow, at_ms: int) -> int:
    """Return the time at which the exporter had been up for so long; its clock of 32 bits goes round in 49 days."""
    if row.boot_ns is None:
        return row.exported_ns
    at_ns = row.boot_ns + at_ms * _MS
    # No packet passed after the datagram was sent: one that seems to belongs to the round before.
    return at_ns if at_ns <= row.exported_ns + ie.CLOCK_SLACK_NS else at_ns - _WRAP * _MS


def _ntp_ns(octets: bytes) -> int:
    """Return a time in NTP's format (RFC 5905 section 6): seconds since 1900, and a binary fraction."""
    if len(octets) != 8:
        raise RecordError("a time is none")
    seconds = ie.number_of(octets[:4]) - _NTP_EPOCH_S
    return seconds * _S + (ie.number_of(octets[4:]) * _S >> 32)
