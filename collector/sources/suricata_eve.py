"""Reads the EVE log of Suricata, line by line: `flow`, `tls`, `quic`, `dns` and `http` events, JSON Lines.

Source: Suricata 7 and 8, user guide, "Eve JSON Format"; flow.c (`todstbytecnt` adds the length of whole packets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from collector.dissect.dns import Message, resolution
from collector.dissect.dns import Record as ResourceRecord
from collector.sensor_records import KINDS, Answer, RecordError, Saying, SensorFlow
from collector.sources.log_values import address, count, is_address, is_refused, moment_ns, name_in, port, what_is_wrong

if TYPE_CHECKING:
    from collector.events import App, End, TlsVersion
    from collector.sensor_records import Kind, Record

ETHERNET_OCTETS = 14
"""What Suricata counts before the IP header of each packet on Ethernet; a checksum behind it is not captured."""
VLAN_OCTETS = 4
"""The same for each 802.1Q tag."""
MAX_RECORDS = 64
"""Records taken from one DNS answer, as many as the collector's own eyes take."""

_IPV4_HEADER = 20
_IPV6_HEADER = 40
_UDP_HEADER = 8
# With the timestamps that every system sends (RFC 7323): a payload is said too small rather than too large.
_TCP_HEADER = 32
_DNS_PORT = 53
_FIN, _SYN = 0x01, 0x02
_ECH = 65_037  # RFC 9849 section 4
_ALPN = 16  # RFC 7301 section 3.1
_PROTOS: dict[str, Literal["tcp", "udp"]] = {"TCP": "tcp", "UDP": "udp"}
_VERSIONS: dict[str, TlsVersion] = {
    "TLSv1": "1.0", "TLS 1.0": "1.0", "TLS 1.1": "1.1", "TLS 1.2": "1.2", "TLS 1.3": "1.3",
}  # fmt: skip
_APPS: dict[str, App] = {"tls": "tls", "quic": "quic", "http": "http", "http1": "http", "http2": "http", "dns": "dns"}
_RECORD_TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}
_BODIES = frozenset({"POST", "PUT", "PATCH"})
_ENDS: dict[str, End] = {"shutdown": "eof", "forced": "evicted", "tcp_reuse": "fin"}

_T = TypeVar("_T")


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    event_type: str


class _Ether(msgspec.Struct, frozen=True, kw_only=True):
    src_mac: str = ""
    dest_mac: str = ""
    src_macs: list[str] = []


class _Common(msgspec.Struct, frozen=True, kw_only=True):
    timestamp: str
    flow_id: int | None = None
    src_ip: str = ""
    src_port: int = 0
    dest_ip: str = ""
    dest_port: int = 0
    proto: str = ""
    app_proto: str = ""
    vlan: list[int] = []
    ether: _Ether = _Ether()


class _FlowCounts(msgspec.Struct, frozen=True, kw_only=True):
    pkts_toserver: int
    pkts_toclient: int
    bytes_toserver: int
    bytes_toclient: int
    start: str
    end: str
    reason: str = ""


class _Tcp(msgspec.Struct, frozen=True, kw_only=True):
    tcp_flags_ts: str = "00"
    tcp_flags_tc: str = "00"
    rst: bool = False


class _FlowEvent(_Common, frozen=True, kw_only=True):
    flow: _FlowCounts
    tcp: _Tcp = _Tcp()


class _Tls(msgspec.Struct, frozen=True, kw_only=True):
    sni: str = ""
    version: str = ""
    client_alpns: list[str] = []
    server_alpns: list[str] = []


class _TlsEvent(_Common, frozen=True, kw_only=True):
    tls: _Tls


class _Extension(msgspec.Struct, frozen=True, kw_only=True):
    type: int = -1
    values: list[str] = []


class _Quic(msgspec.Struct, frozen=True, kw_only=True):
    version: str = ""
    sni: str = ""
    extensions: list[_Extension] = []


class _QuicEvent(_Common, frozen=True, kw_only=True):
    quic: _Quic


class _Http(msgspec.Struct, frozen=True, kw_only=True):
    hostname: str = ""
    url: str = ""
    http_method: str = ""


class _HttpEvent(_Common, frozen=True, kw_only=True):
    http: _Http


class _Rr(msgspec.Struct, frozen=True, kw_only=True):
    rrname: str = ""
    rrtype: str = ""
    ttl: int = 0
    rdata: Any = None


class _Dns(msgspec.Struct, frozen=True, kw_only=True):
    type: str = ""
    rrname: str = ""
    rcode: str = ""
    queries: list[_Rr] = []
    answers: list[_Rr] = []
    grouped: dict[str, Any] = {}


class _DnsEvent(_Common, frozen=True, kw_only=True):
    dns: _Dns


_head = msgspec.json.Decoder(_Head)
_flow = msgspec.json.Decoder(_FlowEvent)
_tls = msgspec.json.Decoder(_TlsEvent)
_quic = msgspec.json.Decoder(_QuicEvent)
_http = msgspec.json.Decoder(_HttpEvent)
_dns = msgspec.json.Decoder(_DnsEvent)


class EveLog:
    """The records of one EVE log.

    Args:
        link_octets: what each packet has before its IP header, VLAN tags apart; Suricata counts it.
    """

    def __init__(self, *, link_octets: int = ETHERNET_OCTETS) -> None:
        self.packets_of_others = 0
        """Packets of flows that are neither TCP nor UDP."""
        self._link_octets = link_octets

    def read(self, line: bytes, *, at: int) -> tuple[Record, ...]:
        """Return what one line says; an event that says nothing here is empty.

        Args:
            line: without its end.
            at: where in the log it begins, in octets.

        Raises:
            RecordError: the line is no event of EVE.
        """
        kind = _decoded(_head, line).event_type
        if kind == "flow":
            return self._flow_of(_decoded(_flow, line), at=at)
        if kind == "tls":
            return (_hello(_decoded(_tls, line)),)
        if kind == "quic":
            return (_quic_hello(_decoded(_quic, line)),)
        if kind == "http":
            return (_request(_decoded(_http, line)),)
        if kind == "dns":
            return _look_up(_decoded(_dns, line))
        return ()

    def _flow_of(self, event: _FlowEvent, *, at: int) -> tuple[SensorFlow, ...]:
        told = event.flow
        packets_up = count(told.pkts_toserver, name="flow.pkts_toserver")
        packets_down = count(told.pkts_toclient, name="flow.pkts_toclient")
        proto = _PROTOS.get(event.proto)
        if proto is None:
            self.packets_of_others += packets_up + packets_down
            return ()
        client = address(event.src_ip)
        started_ns = moment_ns(told.start, name="flow.start")
        tags = len(event.vlan)
        before = self._link_octets + VLAN_OCTETS * tags
        least = _IPV4_HEADER if len(client) == 4 else _IPV6_HEADER
        octets_up = _ip_octets(told.bytes_toserver, packets=packets_up, before=before, least=least)
        octets_down = _ip_octets(told.bytes_toclient, packets=packets_down, before=before, least=least)
        headers = least + (_TCP_HEADER if proto == "tcp" else _UDP_HEADER)
        app = _APPS.get(event.app_proto, "other")
        flow = SensorFlow(
            key=_key(event),
            client=client,
            server=address(event.dest_ip),
            client_port=port(event.src_port, name="src_port"),
            server_port=port(event.dest_port, name="dest_port"),
            proto=proto,
            started_ns=started_ns,
            ended_ns=max(started_ns, moment_ns(told.end, name="flow.end")),
            bytes_up=octets_up,
            bytes_down=octets_down,
            packets_up=packets_up,
            packets_down=packets_down,
            payload_up=max(0, octets_up - headers * packets_up),
            payload_down=max(0, octets_down - headers * packets_down),
            end=_end(event),
            certain=proto == "tcp" and bool(_flags(event.tcp.tcp_flags_ts) & _SYN),
            vlan=count(event.vlan[-1], name="vlan", most=4_095) if tags else None,
            mac=_mac(event.ether.src_macs[0]) if len(event.ether.src_macs) == 1 else None,
            app=app,
            awaits=tuple(kind for kind in KINDS if kind == app),
            ordinal=at,
        )
        return (flow,)


def _decoded(decoder: msgspec.json.Decoder[_T], line: bytes) -> _T:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        raise RecordError(f"no event of EVE: {what_is_wrong(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RecordError("the line is not JSON") from None


def _key(event: _Common) -> str:
    if event.flow_id is None:
        raise RecordError("`flow_id` is missing")
    return f"eve {event.flow_id}"


def _ip_octets(octets: int, *, packets: int, before: int, least: int) -> int:
    """Return the octets at the IP layer; never fewer than the headers of the packets have."""
    return max(count(octets, name="flow.bytes") - before * packets, least * packets)


def _mac(written: str) -> bytes:
    try:
        octets = bytes.fromhex(written.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 6:
        raise RecordError("a MAC address is none")
    return octets


def _flags(written: str) -> int:
    try:
        return int(written, 16)
    except ValueError:
        raise RecordError("TCP flags are none") from None


def _end(event: _FlowEvent) -> End:
    if _flags(event.tcp.tcp_flags_ts) & _flags(event.tcp.tcp_flags_tc) & _FIN:
        return "fin"
    if event.tcp.rst:
        return "rst"
    return _ENDS.get(event.flow.reason, "idle")


def _saying(
    event: _Common,
    kind: Kind,
    *,
    name: str = "",
    version: TlsVersion | None = None,
    alpn: str | None = None,
    ech: bool = False,
    data: bool = False,
) -> Saying:
    return Saying(
        key=_key(event),
        at_ns=moment_ns(event.timestamp, name="timestamp"),
        kind=kind,
        server_name=name_in(name),
        name_refused=is_refused(name),
        tls_version=version,
        alpn=alpn,
        ech=ech,
        data=data,
    )


def _hello(event: _TlsEvent) -> Saying:
    told = event.tls
    return _saying(
        event,
        "tls",
        name=told.sni,
        version=_VERSIONS.get(told.version),
        alpn=next(iter(told.server_alpns or told.client_alpns), None),
    )


def _quic_hello(event: _QuicEvent) -> Saying:
    told = event.quic
    offered = [value for each in told.extensions if each.type == _ALPN for value in each.values]
    return _saying(
        event,
        "quic",
        name=told.sni,
        # Nothing older than TLS 1.3 runs inside (RFC 9001 section 4.2), save what Google had before (`Q046`).
        version=None if told.version.startswith("Q") else "1.3",
        alpn=offered[0] if offered else None,
        ech=any(each.type == _ECH for each in told.extensions),
    )


def _request(event: _HttpEvent) -> Saying:
    told = event.http
    return _saying(event, "http", name=told.hostname, data=told.http_method in _BODIES or "?" in told.url)


def _look_up(event: _DnsEvent) -> tuple[Record, ...]:
    told = event.dns
    # "answer" up to version 7 and "response" from version 8 on, which lists the questions as well.
    if told.type not in {"answer", "response"} or told.rcode != "NOERROR":
        return ()
    # What a resolver says on its port; which end is logged as the source has changed from version to version.
    if port(event.dest_port, name="dest_port") == _DNS_PORT:
        client, mac = address(event.src_ip), event.ether.src_mac
    elif port(event.src_port, name="src_port") == _DNS_PORT:
        client, mac = address(event.dest_ip), event.ether.dest_mac
    else:
        return ()
    asked = name_in(told.rrname or next((each.rrname for each in told.queries), ""))
    if asked is None:
        return ()
    records = tuple(_resource_records(told, asked=asked))
    found = resolution(Message(0, 0x8000, asked, 0, records))
    if found is None:
        return ()
    chain = tuple(name for target in found.chain if (name := name_in(target)) is not None)
    answer = Answer(
        at_ns=moment_ns(event.timestamp, name="timestamp"),
        client=client,
        name=asked,
        chain=chain,
        addresses=found.addresses,
        ttl_s=found.ttl_s,
        mac=_mac(mac) if mac else None,
    )
    return (answer,)


def _resource_records(told: _Dns, *, asked: str) -> list[ResourceRecord]:
    """Return the records of an answer that say where a name leads."""
    rows = [(each.rrname, each.rrtype, each.ttl, each.rdata) for each in told.answers]
    if not rows:
        # `formats: [grouped]`: the values by type, without owners and times to live.
        rows = [
            (told.rrname or asked, kind, 0, value)
            for kind, values in told.grouped.items()
            if kind in {"A", "AAAA"} and isinstance(values, list)
            for value in values
        ]
    records = []
    for owner, kind, ttl_s, value in rows[:MAX_RECORDS]:
        number = _RECORD_TYPES.get(kind)
        if number is None or not isinstance(value, str):
            continue
        name = owner.lower().removesuffix(".")
        seconds = count(ttl_s, name="dns.ttl", most=(1 << 32) - 1)
        if kind == "CNAME":
            records.append(ResourceRecord(name, number, seconds, (), value.lower().removesuffix(".")))
        elif is_address(value):
            records.append(ResourceRecord(name, number, seconds, (address(value),), None))
    return records
