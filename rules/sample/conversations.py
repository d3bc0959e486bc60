"""Whole conversations as a tap sees them: TLS, clear-text HTTP, QUIC, DNS. Who talks when is the day's affair."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.sample import hellos, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.sample.chance import Chance

# Of encrypted data the tap keeps the TLS record header and a little more.
_KEPT = 10
# Linux merges the segments of a burst before a capture sees them (generic receive offload): one frame, up to 64 KB.
_MERGED = 44
_QUIC_PAYLOAD = 1252


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer."""

    after_us: int
    """Pause before the request, microseconds."""
    up: int
    """Octets from the client."""
    down: int
    """Octets from the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one connection is spoken."""

    wish: hellos.Wish
    """What the client asks for."""
    tls13: bool = True
    """The server agrees on TLS 1.3; else on TLS 1.2."""
    ending: str = "fin"
    """`fin`, `rst`, or `open`: the capture ends, or the device leaves, before the connection does."""


class _TcpTalk:
    """One TCP connection: keeps the numbers and the clock of both sides."""

    def __init__(self, path: wire.Path, *, start_us: int, chance: Chance) -> None:
        self.path = path
        self.now_us = start_us
        self.frames: list[wire.Frame] = []
        self.rtt_us = chance.between(8_000, high=40_000)
        self._next = {True: int.from_bytes(chance.octets(4), "big"), False: int.from_bytes(chance.octets(4), "big")}

    def put(self, *, up: bool, flags: int, data: wire.Data | None = None, options: bytes = b"") -> None:
        """Add one segment now."""
        data = data or wire.Data()
        acknowledged = self._next[not up] if flags & wire.ACK else 0
        numbers = (self._next[up], acknowledged)
        cut = wire.segment(self.path, up=up, numbers=numbers, flags=flags, options=options, data=data)
        self.frames.append(wire.Frame(at_us=self.now_us, octets=cut.octets, length=cut.length))
        taken = data.length + (1 if flags & (wire.SYN | wire.FIN) else 0)
        self._next[up] = (self._next[up] + taken) % (1 << 32)

    def open(self) -> None:
        """Shake hands (RFC 9293 section 3.5): maximum segment size, SACK, window scale."""
        # Largest segment, no-op, window scale, SACK permitted, two no-ops: twelve octets, a multiple of four.
        options = struct.pack(">BBHBBBBBB", 2, 4, self.path.mss, 1, 3, 3, 8, 4, 2) + b"\x01\x01"
        self.put(up=True, flags=wire.SYN, options=options)
        self.now_us += self.rtt_us
        self.put(up=False, flags=wire.SYN | wire.ACK, options=options)
        self.now_us += 300
        self.put(up=True, flags=wire.ACK)

    def say(self, octets: bytes, *, up: bool) -> None:
        """Send *octets*, captured whole, in as many segments as they need."""
        size = self.path.mss
        for start in range(0, len(octets), size):
            last = start + size >= len(octets)
            flags = wire.ACK | (wire.PSH if last else 0)
            self.put(up=up, flags=flags, data=wire.whole(octets[start : start + size]))
            self.now_us += 20

    def swap_last_two(self) -> None:
        """Let the last two segments arrive in the wrong order, as they do now and then."""
        early, late = self.frames[-2:]
        self.frames[-2:] = [
            wire.Frame(at_us=early.at_us, octets=late.octets, length=late.length),
            wire.Frame(at_us=late.at_us, octets=early.octets, length=early.length),
        ]

    def repeat(self, back: int) -> None:
        """Send the segment *back* from the end once more, a little later (a retransmission)."""
        again = self.frames[-back]
        self.now_us += 200
        self.frames.append(wire.Frame(at_us=self.now_us, octets=again.octets, length=again.length))

    def pour(self, size: int, *, up: bool, chance: Chance) -> None:
        """Send *size* octets of encrypted data, of which little is captured; the other side acknowledges."""
        left = size
        most = _MERGED * self.path.mss
        while left:
            part = min(left, most)
            body = struct.pack(">BHH", hellos.APPLICATION_DATA, 0x0303, min(left, 16401)) + chance.octets(_KEPT - 5)
            data = wire.Data(captured=body[:part], length=part)
            self.put(up=up, flags=wire.ACK | wire.PSH, data=data)
            left -= part
            self.now_us += 150 + part // 12
        self.now_us += self.rtt_us // 2
        self.put(up=not up, flags=wire.ACK)

    def close(self, ending: str) -> None:
        """End the connection in one of the ways of `Manner.ending`."""
        if ending == "rst":
            self.put(up=True, flags=wire.RST | wire.ACK)
        elif ending == "fin":
            self.put(up=True, flags=wire.FIN | wire.ACK)
            self.now_us += self.rtt_us
            self.put(up=False, flags=wire.FIN | wire.ACK)
            self.now_us += 200
            self.put(up=True, flags=wire.ACK)


def tls(
    path: wire.Path, *, start_us: int, manner: Manner, exchanges: Iterable[Exchange], chance: Chance
) -> list[wire.Frame]:
    """Return the frames of one TLS connection over TCP."""
    talk = _TcpTalk(path, start_us=start_us, chance=chance)
    talk.open()
    hello = hellos.client_hello(manner.wish, chance=chance)
    talk.say(hellos.record(hellos.HANDSHAKE, body=hello, version=b"\x03\x01"), up=True)
    if len(hello) > path.mss:
        if chance.often(6):
            talk.swap_last_two()
        elif chance.often(4):
            talk.repeat(2)
    talk.now_us += talk.rtt_us
    answer = hellos.server_hello(tls13=manner.tls13, quic=False, chance=chance)
    talk.say(hellos.record(hellos.HANDSHAKE, body=answer), up=False)
    # Certificate and Finished: encrypted in TLS 1.3, and of no interest to anyone in TLS 1.2 once the version is known.
    certificate = struct.pack(">BHH", hellos.APPLICATION_DATA if manner.tls13 else hellos.HANDSHAKE, 0x0303, 2400)
    data = wire.Data(captured=certificate + b"\x0b\0\x09\x5c\0", length=2405)
    talk.put(up=False, flags=wire.ACK | wire.PSH, data=data)
    talk.now_us += 900
    talk.say(hellos.record(hellos.CHANGE_CIPHER_SPEC, body=b"\x01"), up=True)
    talk.pour(58, up=True, chance=chance)
    for exchange in exchanges:
        talk.now_us += exchange.after_us
        talk.pour(exchange.up, up=True, chance=chance)
        talk.now_us += talk.rtt_us
        if exchange.down:
            talk.pour(exchange.down, up=False, chance=chance)
    talk.now_us += chance.between(200_000, high=2_000_000)
    talk.close(manner.ending)
    return talk.frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One clear-text request and what comes back."""

    after_us: int
    """Pause before the request, microseconds."""
    request: bytes
    """The request, whole."""
    answer: bytes
    """Status line and header of the answer."""
    body: int = 0
    """Octets of the answer's body, of which little is captured."""


def clear_http(path: wire.Path, *, start_us: int, pages: Iterable[Page], chance: Chance) -> list[wire.Frame]:
    """Return the frames of one clear-text HTTP/1.1 connection (RFC 9112)."""
    talk = _TcpTalk(path, start_us=start_us, chance=chance)
    talk.open()
    for page in pages:
        talk.now_us += page.after_us
        talk.say(page.request, up=True)
        talk.now_us += talk.rtt_us
        talk.say(page.answer, up=False)
        if page.body:
            talk.put(up=False, flags=wire.ACK | wire.PSH, data=wire.Data(captured=b"<!doctype ", length=page.body))
        talk.now_us += 500
        talk.put(up=True, flags=wire.ACK)
    talk.now_us += 1_000_000
    talk.close("fin")
    return talk.frames


def nameless_tcp(path: wire.Path, *, start_us: int, exchanges: Iterable[Exchange], chance: Chance) -> list[wire.Frame]:
    """Return the frames of a TCP connection that speaks nothing a monitor knows."""
    talk = _TcpTalk(path, start_us=start_us, chance=chance)
    talk.open()
    for exchange in exchanges:
        talk.now_us += exchange.after_us
        talk.say(b"\x00\x01" + chance.octets(exchange.up), up=True)
        talk.now_us += talk.rtt_us
        talk.say(b"\x00\x02" + chance.octets(exchange.down), up=False)
    talk.close("fin")
    return talk.frames


class _UdpTalk:
    """Datagrams of one flow, with a clock."""

    def __init__(self, path: wire.Path, *, start_us: int) -> None:
        self.path = path
        self.now_us = start_us
        self.frames: list[wire.Frame] = []

    def put(self, data: wire.Data, *, up: bool) -> None:
        """Add one datagram now."""
        cut = wire.datagram(self.path, up=up, data=data)
        self.frames.append(wire.Frame(at_us=self.now_us, octets=cut.octets, length=cut.length))

    def pour(self, size: int, *, up: bool, connection: bytes, chance: Chance) -> None:
        """Send *size* octets in packets with the short header (RFC 9000 section 17.3.1), little of each captured."""
        for start in range(0, size, _QUIC_PAYLOAD):
            part = max(40, min(_QUIC_PAYLOAD, size - start))
            first = bytes([0x40 | chance.below(32)])
            self.put(wire.Data(captured=(first + connection).ljust(_KEPT, b"\x5a"), length=part), up=up)
            self.now_us += 130


def quic(
    path: wire.Path, *, start_us: int, wish: hellos.Wish, exchanges: Iterable[Exchange], chance: Chance
) -> list[wire.Frame]:
    """Return the frames of one QUIC version 1 connection."""
    talk = _UdpTalk(path, start_us=start_us)
    rtt_us = chance.between(8_000, high=40_000)
    connection, own = chance.octets(8), chance.octets(8)
    hello = hellos.client_hello(wish, chance=chance)
    for octets in hellos.quic_client_initials(hello, connection=connection, chance=chance):
        talk.put(wire.whole(octets), up=True)
        talk.now_us += 20
    talk.now_us += rtt_us
    answer = hellos.server_hello(tls13=True, quic=True, chance=chance)
    initial = hellos.quic_server_initial(answer, connection=connection, own=own)
    # The datagram goes on with a Handshake packet (RFC 9000 section 12.2), of which only the header is captured.
    handshake = b"\xe0\0\0\0\x01\0" + bytes([len(own)]) + own + struct.pack(">H", 0x4000 | 1252 - len(initial) - 17)
    talk.put(wire.Data(captured=initial + handshake, length=1252), up=False)
    talk.now_us += 700
    finished = b"\xe0\0\0\0\x01" + bytes([len(own)]) + own + b"\0" + struct.pack(">H", 0x4000 | 60)
    talk.put(wire.Data(captured=finished, length=len(finished) + 60), up=True)
    for exchange in exchanges:
        talk.now_us += exchange.after_us
        talk.pour(exchange.up, up=True, connection=own, chance=chance)
        talk.now_us += rtt_us
        talk.pour(exchange.down, up=False, connection=b"", chance=chance)
        talk.now_us += 500
        talk.pour(44, up=True, connection=own, chance=chance)
    return talk.frames


def datagrams(path: wire.Path, *, start_us: int, sizes: Sequence[tuple[int, int]], chance: Chance) -> list[wire.Frame]:
    """Return UDP datagrams that no monitor can read: each of *sizes* is octets up, and octets down a moment later."""
    talk = _UdpTalk(path, start_us=start_us)
    for up, down in sizes:
        talk.put(wire.Data(captured=b"\x23" + chance.octets(7), length=up), up=True)
        talk.now_us += 21_000
        talk.put(wire.Data(captured=b"\x24" + chance.octets(7), length=down), up=False)
        talk.now_us += 2_000_000
    return talk.frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One DNS question and its answer."""

    name: str
    """Name asked for."""
    kind: int
    """Record type asked for."""
    chain: tuple[str, ...]
    """CNAME chain in the answer."""
    records: tuple[bytes, ...]
    """Contents of the records in the answer, such as addresses; empty: no data of that type."""


def look_up(path: wire.Path, *, start_us: int, lookup: Lookup, chance: Chance) -> list[wire.Frame]:
    """Return a DNS question over UDP and its answer."""
    talk = _UdpTalk(path, start_us=start_us)
    number = int.from_bytes(chance.octets(2), "big")
    talk.put(wire.whole(hellos.dns_question(lookup.name, kind=lookup.kind, number=number)), up=True)
    talk.now_us += chance.between(900, high=9_000)
    answer = hellos.dns_answer(lookup.name, kind=lookup.kind, number=number, chain=lookup.chain, records=lookup.records)
    talk.put(wire.whole(answer), up=False)
    return talk.frames
