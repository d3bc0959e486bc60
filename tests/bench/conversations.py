"""What two ends say to each other, frame by frame with its time: look-ups, pages over TLS and QUIC and in the clear."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from tests.bench.hellos import (
    RECORD_CHANGE,
    RECORD_DATA,
    RECORD_HANDSHAKE,
    InitialSeal,
    client_hello,
    crypto,
    made_random,
    pieces,
    record,
    server_hello,
    shuffled,
)

if TYPE_CHECKING:
    from random import Random

SYN, FIN, PUSH, ACK = 2, 1, 8, 16
TCP, UDP = 6, 17
ROUTER_MAC = bytes.fromhex("02aabbccdd01")
LEAST_FRAME = 60
"""Ethernet pads what is shorter; the padding belongs to no packet."""
SEGMENT_V4, SEGMENT_V6 = 1_448, 1_428
NOISE = 4_194_304

_ports = struct.Struct(">HH").pack
_udp_head = struct.Struct(">HHHH").pack
_tcp_head = struct.Struct(">HHIIBBHHH").pack
_stamps = struct.Struct(">BBBBII").pack


@dataclass(slots=True, kw_only=True)
class Talk:
    """One conversation as it grows: frames with their times, and what a meter has to count of it."""

    client: bytes
    server: bytes
    client_port: int
    server_port: int
    protocol: int
    mac: bytes
    at: float
    """Time of the last frame, seconds."""
    frames: list[tuple[float, bytes]] = field(default_factory=list)
    octets: list[int] = field(default_factory=lambda: [0, 0])
    """IP octets up and down."""
    next: list[int] = field(default_factory=lambda: [0, 0])
    """Sequence numbers up and down."""

    def datagram(self, payload: bytes, *, up: bool, after: float) -> None:
        """Add a UDP datagram *after* seconds."""
        source, target = (self.client_port, self.server_port) if up else (self.server_port, self.client_port)
        self._packet(_udp_head(source, target, 8 + len(payload), 0) + payload, up=up, after=after)

    def segment(self, payload: bytes = b"", *, up: bool, after: float, flags: int = ACK) -> None:
        """Add a TCP segment *after* seconds."""
        source, target = (self.client_port, self.server_port) if up else (self.server_port, self.client_port)
        mine, theirs = (0, 1) if up else (1, 0)
        clock = int(self.at * 1_000)
        head = _tcp_head(
            source, target, self.next[mine], self.next[theirs] if flags & ACK else 0, 8 << 4, flags, 502, 0, 0
        ) + _stamps(1, 1, 8, 10, clock & 0xFFFFFFFF, clock & 0xFFFFFFFF)
        self.next[mine] = (self.next[mine] + len(payload) + (flags & (SYN | FIN) != 0)) & 0xFFFFFFFF
        self._packet(head + payload, up=up, after=after)

    def exchange_last(self) -> None:
        """Let the last two frames overtake each other."""
        (first, a), (second, b) = self.frames[-2:]
        self.frames[-2:] = [(first, b), (second, a)]

    def _packet(self, transport: bytes, *, up: bool, after: float) -> None:
        source, target = (self.client, self.server) if up else (self.server, self.client)
        packet = ip_head(source, target, self.protocol, len(transport)) + transport
        self.octets[0 if up else 1] += len(packet)
        ends = ROUTER_MAC + self.mac if up else self.mac + ROUTER_MAC
        frame = ends + (b"\x08\x00" if len(source) == 4 else b"\x86\xdd") + packet
        self.at += after
        self.frames.append((self.at, frame.ljust(LEAST_FRAME, b"\0")))


def ip_head(source: bytes, target: bytes, protocol: int, octets: int) -> bytes:
    """Return the IP header before *octets* octets of transport."""
    if len(source) == 16:
        return struct.pack(">IHBB", 0x60000000, octets, protocol, 64) + source + target
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + octets, 0, 0x4000, 64, protocol, 0) + source + target
    check = 0xFFFF - sum(struct.unpack(">10H", head)) % 0xFFFF
    return b"".join((head[:10], check.to_bytes(2), head[12:]))


@cache
def noise(seed: int) -> bytes:
    """Return octets that look encrypted."""
    return made_random(seed).randbytes(NOISE)


def _some(random: Random, octets: int) -> bytes:
    at = random.randrange(NOISE - octets)
    return noise(1)[at : at + octets]


def look_up(random: Random, talk: Talk, *, name: str, addresses: list[bytes], chain: str | None) -> None:
    """Ask for *name* and be given *addresses*, by way of the CNAME *chain* if there is one."""
    number = random.randbytes(2)
    kind = b"\0\x01" if len(addresses[0]) == 4 else b"\0\x1c"
    question = _labels(name) + kind + b"\0\1"
    answers = b""
    owner = b"\xc0\x0c"
    if chain is not None:
        target = _labels(chain)
        answers += owner + b"\0\5\0\1\0\0\0\x3c" + len(target).to_bytes(2) + target
        owner = (0xC000 | 12 + len(question) + 12).to_bytes(2)
    for address in addresses:
        answers += owner + kind + b"\0\1\0\0\0\x3c" + len(address).to_bytes(2) + address
    count = len(addresses) + (chain is not None)
    talk.datagram(number + b"\1\0\0\1\0\0\0\0\0\0" + question, up=True, after=0)
    answer = number + b"\x81\x80\0\1" + count.to_bytes(2) + b"\0\0\0\0" + question + answers
    talk.datagram(answer, up=False, after=random.uniform(0.001, 0.02))


def _labels(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"


def _connect(random: Random, talk: Talk) -> float:
    """Open a TCP connection; return the time that an answer takes."""
    trip = random.uniform(0.005, 0.06)
    talk.next = [random.getrandbits(32), random.getrandbits(32)]
    talk.segment(up=True, after=0, flags=SYN)
    talk.segment(up=False, after=trip, flags=SYN | ACK)
    talk.segment(up=True, after=0.0005)
    return trip


def tls_page(random: Random, talk: Talk, *, name: str, packets: int, modern: bool, hybrid: bool) -> str:
    """Fetch something over TLS; return what was special about it."""
    size = SEGMENT_V4 if len(talk.client) == 4 else SEGMENT_V6
    trip = _connect(random, talk)
    hello = pieces(record(RECORD_HANDSHAKE, client_hello(random, name, modern=modern, hybrid=hybrid)), size=size)
    for number, piece in enumerate(hello):
        talk.segment(piece, up=True, after=0.0003 if number == 0 else 0.00002, flags=ACK | PUSH)
    kind = "tls one segment" if len(hello) == 1 else "tls two segments"
    if len(hello) > 1 and random.random() < 0.01:
        talk.exchange_last()
        kind = "tls reordered"
    short = packets <= 12
    answer = record(RECORD_HANDSHAKE, server_hello(random, modern=modern, hybrid=hybrid)) + record(RECORD_CHANGE, b"\1")
    answer += record(RECORD_DATA, _some(random, 120 if short else random.randrange(2_200, 4_200)))
    for number, piece in enumerate(pieces(answer, size=size)):
        talk.segment(piece, up=False, after=0.0001 if number else trip, flags=ACK | PUSH)
    talk.segment(record(RECORD_CHANGE, b"\1") + record(RECORD_DATA, _some(random, 53)), up=True, after=0.001)
    _body(random, talk, packets=packets, size=size)
    return kind


def clear_page(random: Random, talk: Talk, *, name: str, packets: int) -> str:
    """Fetch something in the clear; return what was special about it."""
    trip = _connect(random, talk)
    asked = f"GET /{random.getrandbits(64):x} HTTP/1.1\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nHost: {name}\r\n\r\n"
    talk.segment(asked.encode(), up=True, after=0.0002, flags=ACK | PUSH)
    told = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 4000000000\r\n\r\n"
    talk.segment(told + _some(random, 600), up=False, after=trip, flags=ACK | PUSH)
    _body(random, talk, packets=packets, size=SEGMENT_V4 if len(talk.client) == 4 else SEGMENT_V6)
    return "http"


def _body(random: Random, talk: Talk, *, packets: int, size: int) -> None:
    """Fill a connection up to its number of packets, mostly with what comes down, and close it."""
    left = packets - len(talk.frames) - 3
    pause = min(40.0, random.expovariate(1 / 8)) / max(left, 1)
    unanswered = 0
    pending = b""
    for _ in range(max(left, 0)):
        if random.random() < 0.06:
            talk.segment(record(RECORD_DATA, _some(random, random.randrange(80, 700))), up=True, after=pause)
        elif unanswered >= 2:
            talk.segment(up=True, after=0.0001)
            unanswered = 0
        else:
            pending = pending or record(RECORD_DATA, _some(random, random.choice((180, 600, 1_300, 8_192, 16_000))))
            talk.segment(pending[:size], up=False, after=pause if random.random() < 0.3 else 0.0001)
            pending = pending[size:]
            unanswered += 1
    talk.segment(up=True, after=0.01, flags=FIN | ACK)
    talk.segment(up=False, after=0.02, flags=FIN | ACK)
    talk.segment(up=True, after=0.0001)


def quic_page(random: Random, talk: Talk, *, name: str, packets: int) -> str:
    """Fetch something over QUIC, whose hello takes two Initials; return what was special about it."""
    first_id, server_id = random.randbytes(8), random.randbytes(8)
    ours, theirs = (InitialSeal.of(first_id, side=side) for side in (b"client in", b"server in"))
    octets = 1_250 if len(talk.client) == 4 else 1_230
    hello = client_hello(random, name, modern=True, hybrid=True, quic=True)
    room = octets - 80
    if random.random() < 0.5:
        kind, frames = "quic shuffled", shuffled(random, hello, room=room - 20)
    else:
        kind, frames = "quic in order", (crypto(0, hello[:room]), crypto(room, hello[room:]))
    for number, octets_of in enumerate(frames):
        initial = ours.initial(octets_of, number=number, dcid=first_id, scid=b"", octets=octets)
        talk.datagram(initial, up=True, after=0.00002)
    if random.random() < 0.01:
        talk.exchange_last()
        kind = "quic reordered"
    answer = crypto(0, server_hello(random, modern=True, hybrid=True, quic=True)[:1_100])
    talk.datagram(
        theirs.initial(answer, number=0, dcid=b"", scid=server_id), up=False, after=random.uniform(0.005, 0.06)
    )
    acknowledged = ours.initial(b"\2\0\0\0\0", number=2, dcid=server_id, scid=b"", octets=1_200)
    talk.datagram(acknowledged, up=True, after=0.0005)
    left = packets - len(talk.frames)
    pause = min(40.0, random.expovariate(1 / 8)) / max(left, 1)
    for number in range(max(left, 0)):
        if number % 4 == 3:
            talk.datagram(b"\x41" + server_id + _some(random, random.randrange(24, 60)), up=True, after=0.0001)
        else:
            size = 1_230 if random.random() < 0.8 else random.randrange(60, 1_200)
            talk.datagram(b"\x41" + _some(random, size), up=False, after=pause if random.random() < 0.3 else 0.0001)
    return kind
