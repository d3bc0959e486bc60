"""The worst input that we know for each parser, and what it costs: octets a second that a hostile sender can tie up."""

from __future__ import annotations

import struct
import sys
import time
from typing import TYPE_CHECKING

from collector.dissect.dns import MAX_POINTERS
from collector.dissect.headers import MAX_LAYERS
from collector.flows import COMPILED
from tests.collector.frames_for_tests import SYN, ethernet, ipv4, tcp, udp
from tests.fuzz import seeds
from tests.fuzz.flood import show_flood
from tests.fuzz.mutations import joined
from tests.fuzz.sealing import sealed
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_S = 0.5
"""Processor time that no worst input may take in the compiled build; on an idle machine all take a tenth of it."""
_MEASURE_S = 0.5


def nested_tunnels() -> bytes:
    """Return tunnels within tunnels that end in nothing: all of them are read twice."""
    frame = ethernet(b"", 0x0806)
    for _ in range(MAX_LAYERS // 2 - 1):
        frame = ethernet(ipv4(udp(50_000, 4789, payload=b"\x08" + bytes(7) + frame), 17))
    return bytes((seeds.LINKS.index(1),)) + frame


def pointer_chains() -> bytes:
    """Return a DNS answer of one packet's size whose names walk through pointers as long as they may."""
    head = struct.pack(">HHHHHH", 7, 0x8180, 1, 86, 0, 0)
    question = b"\x01a\0" + struct.pack(">HH", 1, 1)
    # The chain lies in the data of a record that nobody reads; each pointer leads to the one before it.
    start = len(head) + len(question) + 12
    targets = [len(head), *range(start, start + 2 * (MAX_POINTERS - 2), 2)]
    chain = b"".join(struct.pack(">H", 0xC000 | target) for target in targets)
    hidden = struct.pack(">HHHIH", 0xC000 | len(head), 16, 1, 1, len(chain)) + chain
    # No two answers begin alike, so that none is known from the one before.
    owners = [0xC000 | start + len(chain) - 2 - 2 * (number & 1) for number in range(85)]
    answers = b"".join(struct.pack(">HHHIH", owner, 1, 1, 60, 4) + bytes(4) for owner in owners)
    return head + question + hidden + answers


def many_protocols() -> bytes:
    """Return a ClientHello of the greatest length that offers nothing but protocols of one octet."""
    names = b"\x01a" * 32_600
    extension = struct.pack(">HHH", 16, len(names) + 2, len(names)) + names
    body = b"\x03\x03" + bytes(32) + b"\0\0\x02\x13\x01\x01\0" + struct.pack(">H", len(extension)) + extension
    return b"\x01" + len(body).to_bytes(3, "big") + body


def many_names() -> bytes:
    """Return a ServerHello with as many extensions as fit."""
    extensions = struct.pack(">HHHB", 16, 3, 3, 0) * 9_000
    body = b"\x03\x03" + bytes(32) + b"\0\x13\x01\0" + struct.pack(">H", len(extensions)) + extensions
    return b"\x02" + len(body).to_bytes(3, "big") + body


def small_records() -> bytes:
    """Return a handshake in records of one octet."""
    return b"\x16\x03\x01\0\x01\x01" * 10_000


def folded_head() -> bytes:
    """Return a request head that consists of folded lines."""
    return b"GET / HTTP/1.1\r\nA: b" + b"\n x" * 21_000 + b"\n\n"


def open_line() -> bytes:
    """Return what may still become a request line, at its longest."""
    return b"GET " + b" HTTP/1.1 \t" * 1_480


def false_initial() -> bytes:
    """Return the shortest datagram for which keys are made in vain."""
    return b"\xc0\0\0\0\x01\x08" + bytes(range(8)) + b"\0\0\x14" + bytes(20)


def empty_frames() -> bytes:
    """Return CRYPTO frames without octets."""
    return b"\x06\x40\x00\x00" * 300


def single_octets() -> bytes:
    """Return segments of one octet in order, while as many others wait behind gaps as may."""
    order = [*range(3_001, 3_001 + 2 * 510, 2), *range(1_000, 2_000)]
    return b"".join(offset.to_bytes(2, "big") + b"\x01\0" for offset in order)


def single_segments() -> bytes:
    """Return a request that comes in segments of one octet."""
    return joined([(1, octet.to_bytes(1, "big")) for octet in b"GET / HTTP/1.1 ".ljust(64, b"x")])


def sealed_initials() -> bytes:
    """Return true Initials, each with a piece of a hello that never ends."""
    piece = b"\x06\x40\x40\x44\x00" + bytes(1_024)
    return joined([(1, sealed(piece, number=number)) for number in range(24)])


def dns_over_tcp() -> bytes:
    """Return a DNS message over TCP that comes in single octets."""
    wire = b"\xff\xff" + bytes(62)
    return joined([(3, wire[at : at + 1]) for at in range(64)])


def tiny_blocks() -> bytes:
    """Return a pcapng file of blocks that hold nothing."""
    return seeds.captures()[4] + struct.pack("<III", 0x0BAD, 12, 12) * 5_000


def flood() -> bytes:
    """Return frames that each begin another flow."""
    frames = [ethernet(ipv4(tcp(1_024 + number, 443, flags=SYN), 6)) for number in range(250)]
    return joined([(seeds.LINKS.index(1), frame) for frame in frames])


def fragment_flood() -> bytes:
    """Return fragments that never become a packet."""
    frames = [ethernet(ipv4(bytes(8), 17, identity=number, offset=8, more=True)) for number in range(250)]
    return joined([(seeds.LINKS.index(1), frame) for frame in frames])


WORST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "headers": ("tunnels within tunnels that end in nothing", nested_tunnels),
    "dns": ("names that walk through pointers", pointer_chains),
    "tls-client": ("32,600 protocols of one octet", many_protocols),
    "tls-server": ("9,000 extensions", many_names),
    "tls-records": ("records of one octet", small_records),
    "hostname": ("a name of 253 octets", lambda: b".".join([b"a"] * 127)),
    "http": ("21,000 folded lines", folded_head),
    "kinds": ("a line that may become a request", open_line),
    "quic-packets": ("a false Initial of 37 octets", false_initial),
    "quic-frames": ("CRYPTO frames without octets", empty_frames),
    "streams": ("single octets in order before 510 gaps", single_octets),
    "opening-tcp": ("a request in single octets", single_segments),
    "opening-quic": ("24 true Initials of a hello without end", sealed_initials),
    "opening-dns": ("a message over TCP in single octets", dns_over_tcp),
    "capture": ("5,000 blocks that hold nothing", tiny_blocks),
    "netflow": ("a template and its data", lambda: seeds.netflow_talks()[1]),
    "pipeline": ("250 frames, each another flow", flood),
    "pipeline, fragments": ("250 fragments of as many packets", fragment_flood),
    "pipeline, tags": (
        "250 frames with 20 tags each",
        lambda: joined(
            [(seeds.LINKS.index(1), ethernet(b"\x81\0".join([b"\0\x05"] * 20) + b"\x08\x06", 0x8100))] * 250
        ),
    ),
}
"""By parser (and, behind a comma, what it is about): what the input is, and how it is made."""


def seconds_of(name: str, *, most_s: float = _MEASURE_S) -> tuple[float, int]:
    """Return the processor time that the worst input of *name* takes, the best of several times, and its octets."""
    octets = WORST[name][1]()
    run = TARGETS[name.partition(",")[0]].run
    best = float("inf")
    ends = time.thread_time() + most_s
    for turn in range(1_000):
        began = time.thread_time()
        run(octets)
        best = min(best, time.thread_time() - began)
        if turn >= 2 and time.thread_time() > ends:
            break
    return best, len(octets)


def show_worst(names: list[str] | None) -> int:
    """Print the table; 1: one took too long."""
    slow = 0
    print(
        f"{'compiled' if COMPILED else 'pure'} build, Python {sys.version.split()[0]}; best of several, processor time"
    )
    print("| parser | worst known input | octets | ms | MB a second |\n|---|---|---|---|---|")
    for name, (words, _) in WORST.items():
        if names is None or name.partition(",")[0] in names:
            took, octets = seconds_of(name)
            slow += took > MOST_S
            print(f"| {name} | {words} | {octets:,} | {took * 1e3:.2f} | {octets / took / 1e6:,.1f} |", flush=True)
    return 1 if slow or (names is None and show_flood()) else 0
