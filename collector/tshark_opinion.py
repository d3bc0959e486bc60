"""Makes an opinion about one flow of what tshark says of each of its packets. Pure: tshark itself runs elsewhere.

What tshark says rests on hostile octets, and so does the program that reads it to us: every word is checked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import TYPE_CHECKING

from collector.second_opinion import Opinion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.flow_name import FlowName

FIELDS = (
    "ip.src", "ip.dst", "ip.len", "ip.fragment", "ipv6.src", "ipv6.dst", "ipv6.plen", "ipv6.fragment",
    "tcp.srcport", "tcp.dstport", "tcp.stream", "udp.srcport", "udp.dstport", "udp.stream",
    "tls.handshake.type", "tls.handshake.version", "tls.handshake.extension.type",
    "tls.handshake.extensions.supported_version", "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_alpn_str", "http.host", "http2.headers.authority",
    "dns.flags.response", "dns.qry.name", "dns.resp.type", "dns.resp.name", "dns.cname", "dns.a", "dns.aaaa",
)  # fmt: skip
"""Names of the fields that are asked for (Wireshark's display filter reference)."""

LONGEST_CHAIN = 16
"""CNAME records of one answer that are followed."""

_ECH = {"65037", "0xfe0d"}
_VERSIONS = {0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}
_CLIENT_HELLO, _SERVER_HELLO = "1", "2"
_CNAME = "5"
_DNS_PORT = "53"


class SaidError(ValueError):
    """A line is not what the reader of tshark's words writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What tshark says of one packet."""

    number: int
    """1 for the first packet it was given."""
    time_ns: int
    """When the packet was seen, nanoseconds since the epoch."""
    octets: int
    """Octets of the whole frame."""
    layers: tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...]
    """Name and fields of each protocol, from the outside in."""


def said(line: str) -> Said:
    """Return what one line says of one packet.

    Raises:
        SaidError: it is no such line.
    """
    try:
        told = json.loads(line)
        layers = tuple(
            (str(name), {str(key): tuple(map(str, values)) for key, values in fields.items()})
            for name, fields in told["layers"]
        )
        return Said(
            number=int(told["number"]),
            time_ns=int(Decimal(told["time"]) * 1_000_000_000),
            octets=int(told["octets"]),
            layers=layers,
        )
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, RecursionError) as error:
        raise SaidError(f"tshark's words cannot be read ({type(error).__name__})") from None


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What has been gathered so far."""

    placed: int = 0
    packets: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    octets: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    frame_octets: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    times: list[int] = field(default_factory=list)
    streams: set[str] = field(default_factory=set)
    protocols: set[str] = field(default_factory=set)
    sni: str | None = None
    sni_source: str = "none"
    host: str | None = None
    offered: str | None = None
    agreed: str | None = None
    alpn_offered: str | None = None
    alpn_agreed: str | None = None
    ech: bool = False
    answers: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TsharkOpinion:
    """tshark's opinion, and what belongs to it."""

    opinion: Opinion
    """Its facts."""
    placed: int
    """Packets that it says belong to the flow."""
    frame_bytes_up: int
    """Octets of whole frames from the client: what Wireshark's own tables of conversations count."""
    frame_bytes_down: int
    """The same from the server."""


def tshark_opinion(packets: Sequence[Said], *, flow: FlowName, proto: str) -> TsharkOpinion:
    """Return what tshark's words about *packets* say of *flow* over *proto* (`tcp` or `udp`)."""
    heard = _Heard()
    # A fragment has no ports: its frame is placed by the packet that tshark puts together at the last one.
    lengths = {packet.number: (_ip_octets(packet), packet) for packet in packets}
    for packet in packets:
        up = _direction(packet, flow=flow, proto=proto)
        if up is None:
            _hear_answer(heard, packet, flow=flow)
            continue
        for number in _frames_of(packet, known=lengths):
            octets, frame = lengths[number]
            heard.placed += 1
            heard.packets[up] += 1
            heard.octets[up] += octets
            heard.frame_octets[up] += frame.octets
            heard.times.append(frame.time_ns)
        _hear_content(heard, packet, proto=proto)
    return TsharkOpinion(
        opinion=_opinion(heard),
        placed=heard.placed,
        frame_bytes_up=heard.frame_octets[True],
        frame_bytes_down=heard.frame_octets[False],
    )


def _opinion(heard: _Heard) -> Opinion:
    by_name = dict(heard.answers)
    name, source = heard.sni, heard.sni_source
    if name is None and heard.host is not None:
        name, source = heard.host, "http_host"
    if name is None and heard.answers:
        name, source = heard.answers[-1][0], "dns"
    return Opinion(
        server_name=name,
        name_source=source,
        cnames=by_name.get(name, ()) if name else (),
        app=_app(heard.protocols),
        tls_version=heard.agreed or heard.offered,
        tls_version_offered=heard.agreed is None and heard.offered is not None,
        alpn=heard.alpn_agreed or heard.alpn_offered,
        ech=heard.ech,
        flows=len(heard.streams),
        packets_up=heard.packets[True],
        packets_down=heard.packets[False],
        bytes_up=heard.octets[True],
        bytes_down=heard.octets[False],
        started_at=_stamp(min(heard.times)) if heard.times else None,
        ended_at=_stamp(max(heard.times)) if heard.times else None,
    )


def _direction(packet: Said, *, flow: FlowName, proto: str) -> bool | None:
    """Return whether the client sent *packet*; None: it is not of this flow."""
    ends: tuple[str, str] | None = None
    for name, fields in packet.layers:
        if name in {"ip", "ipv6"}:
            ends = (_first(fields, f"{name}.src"), _first(fields, f"{name}.dst"))
        elif name == proto and ends is not None:
            ports = (_first(fields, f"{proto}.srcport"), _first(fields, f"{proto}.dstport"))
            for up, wanted in ((True, flow), (False, flow.turned)):
                if ports == (str(wanted.client_port), str(wanted.server_port)) and _same(ends, wanted):
                    return up
    return None


def _same(ends: tuple[str, str], flow: FlowName) -> bool:
    try:
        return (ip_address(ends[0]), ip_address(ends[1])) == (flow.client, flow.server)
    except ValueError:
        return False


def _frames_of(packet: Said, *, known: Mapping[int, object]) -> list[int]:
    """Return the numbers of the frames that *packet* came in: one, or as many as it has fragments."""
    numbers = {
        int(number)
        for name, fields in packet.layers
        if name in {"ip", "ipv6"}
        for number in fields.get(f"{name}.fragment", ())
        if number.isdecimal() and int(number) in known
    }
    return sorted(numbers | {packet.number})


def _ip_octets(packet: Said) -> int:
    """Return the octets of the innermost IP packet, by its length field."""
    octets = 0
    for name, fields in packet.layers:
        length = _first(fields, "ip.len" if name == "ip" else "ipv6.plen")
        if name in {"ip", "ipv6"} and length.isdecimal():
            octets = int(length) + (40 if name == "ipv6" else 0)
    return octets


def _hear_content(heard: _Heard, packet: Said, *, proto: str) -> None:
    for name, fields in packet.layers:
        heard.protocols.add(name.lower())
        heard.streams.update(fields.get(f"{proto}.stream", ()))
        kinds = fields.get("tls.handshake.type", ())
        if _CLIENT_HELLO in kinds:
            _hear_client(heard, fields, source="quic_sni" if name.lower() == "quic" else "tls_sni")
        elif _SERVER_HELLO in kinds:
            heard.agreed = heard.agreed or _version(fields)
            heard.alpn_agreed = heard.alpn_agreed or _raw(fields, "tls.handshake.extensions_alpn_str")
        host = _word(fields, "http.host") or _word(fields, "http2.headers.authority")
        if host and heard.host is None:
            heard.host = host if host.startswith("[") else host.partition(":")[0].removesuffix(".")


def _hear_client(heard: _Heard, fields: Mapping[str, tuple[str, ...]], *, source: str) -> None:
    name = _word(fields, "tls.handshake.extensions_server_name")
    if name and heard.sni is None:
        heard.sni, heard.sni_source = name.removesuffix("."), source
    heard.offered = heard.offered or _version(fields)
    heard.alpn_offered = heard.alpn_offered or _raw(fields, "tls.handshake.extensions_alpn_str")
    heard.ech = heard.ech or bool(_ECH & set(fields.get("tls.handshake.extension.type", ())))


def _hear_answer(heard: _Heard, packet: Said, *, flow: FlowName) -> None:
    """Note name and chain of a DNS answer that leads to the server."""
    from_resolver = any(_DNS_PORT in fields.get("udp.srcport", ()) for _, fields in packet.layers)
    for name, fields in packet.layers:
        if name != "dns" or not from_resolver or _first(fields, "dns.flags.response") not in {"1", "True"}:
            continue
        asked = _word(fields, "dns.qry.name")
        addresses = fields.get("dns.a", ()) + fields.get("dns.aaaa", ())
        if asked and str(flow.server) in addresses:
            heard.answers.append((asked.removesuffix("."), _chain(fields, asked=asked)))


def _chain(fields: Mapping[str, tuple[str, ...]], *, asked: str) -> tuple[str, ...]:
    """Return the names that lead from *asked* to an address."""
    owners = [
        owner.lower()
        for owner, kind in zip(fields.get("dns.resp.name", ()), fields.get("dns.resp.type", ()), strict=False)
        if kind == _CNAME
    ]
    targets = [target.lower() for target in fields.get("dns.cname", ())]
    leads = dict(zip(owners, targets, strict=False))
    chain: list[str] = []
    at = asked
    while at in leads and len(chain) < LONGEST_CHAIN:
        at = leads.pop(at)
        chain.append(at)
    return tuple(chain)


def _version(fields: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the highest version that a hello names: its extension counts before its header (RFC 8446, 4.2.1)."""
    for key in ("tls.handshake.extensions.supported_version", "tls.handshake.version"):
        known = [_VERSIONS[number] for number in map(_number, fields.get(key, ())) if number in _VERSIONS]
        if known:
            return max(known)
    return None


def _app(protocols: set[str]) -> str:
    for app, names in (("quic", {"quic", "gquic"}), ("tls", {"tls", "ssl"}), ("http", {"http", "http2"})):
        if protocols & names:
            return app
    return "dns" if "dns" in protocols else "other"


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return -1


def _first(fields: Mapping[str, tuple[str, ...]], key: str) -> str:
    return next(iter(fields.get(key, ())), "")


def _raw(fields: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    return _first(fields, key) or None


def _word(fields: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    return _first(fields, key).lower() or None


def _stamp(time_ns: int) -> str:
    second, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(second, tz=UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
