"""Good inputs to begin with: what our own generators make, and what the bundled sample day holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from collector.dissect.frame import Frame
from collector.dissect.headers import read
from collector.sources.capture_file import CaptureFile
from rules.sample import hellos
from rules.sample.chance import Chance
from tests.collector.frames_for_tests import (
    FIN,
    SYN,
    ethernet,
    interface,
    ipv4,
    ipv6,
    ipv6_fragment,
    packet,
    pcap,
    pcapng_block,
    section,
    tcp,
)
from tests.collector.packagings_for_tests import PACKAGINGS
from tests.fuzz.mutations import joined

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample" / "day.pcap.gz"
LINKS = (0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 228, 229, 239, 276)
"""Link types, by the number that stands for each in an input."""
MAX_CONVERSATIONS = 200
MAX_FRAMES = 14
"""Frames of one conversation: what comes later is data."""
UP, DOWN = 1, 0

CLEAR = (
    b"GET /a?b=c HTTP/1.1\r\nHost: School.Example:8080\r\nCookie: a=b\r\n\r\n",
    b"POST http://user@school.example/x HTTP/1.1\r\nHost: other.example\r\nContent-Length: 3\r\n\r\nabc",
    b"CONNECT school.example:443 HTTP/1.1\r\nHost: proxy.example\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.0\nhost : a.example\n folded\nTransfer-Encoding: chunked\nUpgrade: websocket\n\n",
)
PRELUDES = (
    b"220 mail\r\n",
    b"* OK imap\r\n",
    b"+OK pop\r\n",
    b"EHLO x\r\nSTARTTLS\r\n",
    b"\0\0\0\x08\x04\xd2\x16\x2f",
    b"\5\2\0\2\5\1\0\1\xc0\0\2\1\1\xbb",
    b"\4\1\1\xbb\xc0\0\2\1\0",
    b"<?xml version='1.0'?><stream:stream>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
)
SSL2 = bytes.fromhex("802e0103010015000000100100800300800700c0060040020080040080") + bytes(20)


@dataclass(slots=True, kw_only=True)
class Day:
    """What the sample day holds, taken apart."""

    conversations: list[bytes] = field(default_factory=list)
    """Frames of one flow each, in the form of `joined`."""
    dns: list[bytes] = field(default_factory=list)
    opened: list[bytes] = field(default_factory=list)
    """First payloads of TCP conversations."""
    quic: list[bytes] = field(default_factory=list)


@cache
def day() -> Day:
    """Return the sample day's first conversations and messages."""
    found = Day()
    frame = Frame()
    flows: dict[tuple[int, ...], list[tuple[int, bytes]]] = {}
    with CaptureFile(SAMPLE) as file:
        rows = [row for block in file for row in block.rows()]
    for octets, wire, _time, link in rows:
        frame.load(memoryview(octets))
        if read(frame, 0, len(octets), wire, link) != 1:
            continue
        ends = sorted(
            (
                (frame.source_high, frame.source_low, frame.source_port),
                (frame.target_high, frame.target_low, frame.target_port),
            )
        )
        key = (frame.protocol, *ends[0], *ends[1])
        if key not in flows and len(flows) >= MAX_CONVERSATIONS:
            continue
        talk = flows.setdefault(key, [])
        if len(talk) < MAX_FRAMES:
            talk.append((LINKS.index(1), octets))
            _sort(found, frame, octets[frame.payload_at : frame.payload_end])
    found.conversations = [joined(talk) for talk in flows.values()]
    return found


def _sort(found: Day, frame: Frame, payload: bytes) -> None:
    ports = {frame.source_port, frame.target_port}
    if not payload:
        return
    if frame.protocol == 6:
        found.opened.append(payload)
    elif 53 in ports:
        found.dns.append(payload)
    elif 443 in ports:
        found.quic.append(payload)


@cache
def client_hellos() -> tuple[bytes, ...]:
    """Return ClientHello messages of several kinds."""
    chance = Chance("fuzz/hellos")
    wishes = [
        hellos.Wish(name=name, modern=modern, alpn=alpn, quic=quic)
        for name in ("www.school.example", None)
        for modern in (True, False)
        for alpn in (("h2", "http/1.1"), ("h3",))
        for quic in (True, False)
    ]
    return tuple(hellos.client_hello(wish, chance=chance) for wish in wishes)


@cache
def server_hellos() -> tuple[bytes, ...]:
    """Return ServerHello messages of several kinds."""
    chance = Chance("fuzz/answers")
    return tuple(
        hellos.server_hello(tls13=tls13, quic=quic, chance=chance) for tls13 in (True, False) for quic in (True, False)
    )


def records(message: bytes) -> bytes:
    """Return a handshake message in TLS records of at most 300 octets."""
    pieces = [message[at : at + 300] for at in range(0, len(message), 300)]
    return b"".join(hellos.record(hellos.HANDSHAKE, body=piece, version=b"\x03\x01") for piece in pieces)


@cache
def quic_datagrams() -> tuple[bytes, ...]:
    """Return Initials of both sides, a Retry, a list of versions, an Initial of version 2, and those of the day."""
    chance = Chance("fuzz/quic")
    connection = b"\x83\x94\xc8\xf0\x3e\x51\x57\x08"
    made = [
        octets
        for hello in client_hellos()
        for octets in hellos.quic_client_initials(hello, connection=connection, chance=chance)
    ]
    made.append(hellos.quic_server_initial(server_hellos()[1], connection=connection, own=b"serverid"))
    made.append(bytes.fromhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"))
    made.append(bytes.fromhex("80000000000008f067a5502a4262b5000000016b3343cfff00001d"))
    made.append(made[0][:1] + b"\x6b\x33\x43\xcf" + made[0][5:])
    return (*made, *day().quic)


@cache
def dns_messages() -> tuple[bytes, ...]:
    """Return questions and answers with chains, addresses and service records."""
    asked = [hellos.dns_question("www.school.example", kind=kind, number=7) for kind in (1, 28, 65)]
    chain = ["a.cdn.example", "b.cdn.example"]
    told = [
        hellos.dns_answer("www.school.example", kind=1, number=7, chain=chain, records=[b"\xc0\0\2\1", b"\xc0\0\2\2"]),
        hellos.dns_answer("www.school.example", kind=28, number=7, chain=chain[:1], records=[bytes(16)]),
        hellos.dns_answer(
            "www.school.example",
            kind=65,
            number=7,
            chain=[],
            records=[b"\0\1\0\0\1\0\3\2h3\0\4\0\4\xc0\0\2\1\0\6\0\x10" + bytes(16)],
        ),
    ]
    return (*asked, *told, *day().dns[:300])


@cache
def frames() -> tuple[bytes, ...]:
    """Return single frames, each behind the octet that stands for its link type."""
    packed = [bytes((LINKS.index(link),)) + octets for link, octets in PACKAGINGS.values()]
    extra = [
        ethernet(ipv4(tcp(payload=bytes(64), flags=SYN | 16, options=bytes(12)), 6)),
        ethernet(ipv6(tcp(payload=bytes(64), flags=FIN), 6), 0x86DD),
        ethernet(ipv4(bytes(24), 17, offset=16, more=True)),
        ethernet(ipv6(ipv6_fragment(bytes(24), 17, offset=8, more=True), 44), 0x86DD),
    ]
    return (*packed, *(bytes((LINKS.index(1),)) + octets for octets in extra))


@cache
def tcp_talks() -> tuple[bytes, ...]:
    """Return what is said on TCP connections, segment by segment."""
    talks = []
    for number, hello in enumerate(client_hellos()):
        wire = records(hello) if number % 2 else hellos.record(hellos.HANDSHAKE, body=hello)
        cut = 1 + len(wire) * number // 20
        answer = records(server_hellos()[number % 4])
        before = [(number % 2, PRELUDES[number % len(PRELUDES)])] if number % 3 == 0 else []
        talks.append(joined([*before, (UP, wire[:cut]), (UP, wire[cut:]), (DOWN, answer)]))
    talks += [joined([(UP, head[: len(head) // 2]), (UP, head[len(head) // 2 :])]) for head in CLEAR]
    talks += [joined([(UP, prelude), (DOWN, prelude), (UP, records(client_hellos()[1]))]) for prelude in PRELUDES]
    talks.append(joined([(UP, SSL2)]))
    talks.append(joined([(UP, payload) for payload in day().opened[:8]]))
    return tuple(talks)


@cache
def dns_talks() -> tuple[bytes, ...]:
    """Return questions and answers as datagrams (mark 2 says TCP, where each has its length before it)."""
    talks = []
    messages = dns_messages()
    for asked, told in zip(messages[:3], messages[3:6], strict=True):
        talks.append(joined([(UP, asked), (DOWN, told)]))
        wire = [len(octets).to_bytes(2, "big") + octets for octets in (asked, told)]
        talks.append(joined([(UP | 2, wire[0][:7]), (UP | 2, wire[0][7:]), (DOWN | 2, wire[1])]))
    return tuple(talks)


@cache
def quic_talks() -> tuple[bytes, ...]:
    """Return datagrams of QUIC connections; mark 2 says: frames, to be sealed first."""
    talks = [joined([(UP, one)]) for one in quic_datagrams()]
    for hello in client_hellos():
        halves = [(0, hello[: len(hello) // 2]), (len(hello) // 2, hello[len(hello) // 2 :])]
        sealed = [
            (UP | 2, b"\x06" + (at | 0x4000).to_bytes(2, "big") + (len(piece) | 0x4000).to_bytes(2, "big") + piece)
            for at, piece in halves
        ]
        talks.append(joined([*sealed, (DOWN, quic_datagrams()[0])]))
    return tuple(talks)


@cache
def crypto() -> tuple[bytes, ...]:
    """Return frames as Initials carry them."""
    ack = bytes.fromhex("0201000105020300000102030405060708")
    return tuple(
        ack[:5] + b"\x01\0\0\x06\x00" + (len(hello) | 0x4000).to_bytes(2, "big") + hello + bytes(20)
        for hello in client_hellos()
    )


@cache
def captures() -> tuple[bytes, ...]:
    """Return small captures of both formats."""
    some = [octets for _link, octets in list(PACKAGINGS.values())[:4]]
    plain = [pcap(some, order=order, nano=nano) for order in "<>" for nano in (False, True)]
    newer = [
        section(order=order) + interface(order=order) + b"".join(packet(octets, 5, order=order) for octets in some)
        for order in "<>"
    ]
    newer.append(section() + interface() + pcapng_block(3, (60).to_bytes(4, "little") + bytes(60)) + section())
    return (*plain, *newer)


@cache
def netflow_talks() -> tuple[bytes, ...]:
    """Return a template and data of NetFlow version 9, and of IPFIX, as datagrams one after another."""
    fields = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 8), (2, 4), (152, 8), (153, 8), (61, 1))
    template = struct.pack(">HH", 256, len(fields)) + b"".join(struct.pack(">HH", *one) for one in fields)
    row = bytes((10, 1, 0, 7, 192, 0, 2, 1, 0xC3, 0x50, 1, 0xBB, 6)) + struct.pack(
        ">QIQQB", 900, 9, 1_790_000_000_000, 1_790_000_001_000, 0
    )
    talks = []
    for version, template_set in ((9, 0), (10, 2)):
        sets = struct.pack(">HH", template_set, 4 + len(template)) + template
        data = struct.pack(">HH", 256, 4 + 2 * len(row)) + row * 2
        messages = []
        for number, body in enumerate((sets, data, sets + data)):
            if version == 9:
                head = struct.pack(">HHIIII", 9, 2, 5_000, 1_790_000_002, number, 1)
            else:
                head = struct.pack(">HHIII", 10, 16 + len(body), 1_790_000_002, number, 1)
            messages.append((0, head + body))
        talks.append(joined(messages))
    return tuple(talks)
