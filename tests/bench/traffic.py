"""Synthetic school traffic for measurements, with the truth beside it.

    python -m tests.bench.traffic mix mix.pcap     # and mix.truth.csv

| set  | packets | what                                                                                            |
|------|---------|-------------------------------------------------------------------------------------------------|
| mix  | 2.0 M   | 30,000 named flows, 30,000 look-ups; a quarter QUIC, half of it shuffled; 1 of 100 reordered      |
| conn | 0.46 M  | 38,000 named flows of some ten packets, 38,000 look-ups: what a flow costs                        |
| tiny | 4.0 M   | 60 octets each, 100,000 flows in random order: what a packet costs                                |
| syn  | 1.0 M   | a flow with every packet: what a flood costs                                                      |

Nothing here is captured; the same seed makes the same set.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import math
import struct
import sys
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.bench.conversations import ACK, SYN, TCP, UDP, Talk, clear_page, ip_head, look_up, quic_page, tls_page
from tests.bench.hellos import made_random

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

SETS = ("mix", "conn", "tiny", "syn")
SEED = 20_240_611
EPOCH = 1_717_000_000
DEVICES = 3_000
NAMES = 6_000
TINY_PACKETS, TINY_FLOWS = 4_000_000, 100_000
SYN_PACKETS = 1_000_000
STEP_S = 0.00001
"""Between two packets of `tiny` and of `syn`."""

# Without groups of zeros, which not every program writes as others do.
_DOCUMENTED = (0x2001, 0xDB8)
_RESOLVER = bytes((10, 0, 0, 53))
_WORDS = (
    *(
        "learn",
        "math",
        "read",
        "write",
        "news",
        "video",
        "game",
        "shop",
        "cloud",
        "static",
        "img",
        "cdn",
        "api",
        "auth",
    ),
    *("mail", "docs", "drive", "maps", "photo", "play", "music", "chat", "school", "class", "quiz", "test", "book"),
    *("library", "lab", "science", "history", "code", "art", "sport", "kids", "log", "beacon", "edge", "cache", "live"),
)
_head = struct.Struct("<IIII").pack
Row = tuple[int, str, int, str, int, str, str, int, int]
"""A line of the truth: protocol, client, port, server, port, name, kind, IP octets up and down."""


def main() -> int:
    """Write one set."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.traffic", description=__doc__.split("\n", 1)[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    make(args.set, args.out)
    return 0


def truth_of(capture: Path) -> Path:
    """Return where the truth of a capture lies."""
    return capture.with_suffix(".truth.csv")


def make(kind: str, path: Path, *, share: float = 1.0) -> None:
    """Write a set and, where its flows have names, its truth.

    Args:
        kind: one of SETS.
        path: of the capture.
        share: of the flows, for a smaller set of the same kind.
    """
    random = made_random(SEED)
    truth: list[Row] = []
    frames: Iterable[tuple[float, bytes]]
    if kind in {"mix", "conn"}:
        flows, span_s = (30_000, 120.0) if kind == "mix" else (38_000, 60.0)
        frames = in_order(pages(random, count=int(flows * share), span_s=span_s, short=kind == "conn", truth=truth))
    elif kind == "tiny":
        frames = tiny(random, packets=int(TINY_PACKETS * share), flows=int(TINY_FLOWS * share))
    else:
        frames = flood(random, packets=int(SYN_PACKETS * share))
    with path.open("wb") as file:
        write(file, frames)
    if truth:
        with truth_of(path).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(truth)


def write(file: BinaryIO, frames: Iterable[tuple[float, bytes]]) -> None:
    """Write *frames* as a classic capture."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
    for at, frame in frames:
        seconds = int(at)
        file.write(_head(EPOCH + seconds, int((at - seconds) * 1_000_000), len(frame), len(frame)) + frame)


def in_order(talks: Iterable[Talk]) -> Iterator[tuple[float, bytes]]:
    """Yield the frames of conversations, which come by the time of their first frame, by time."""
    waiting: list[tuple[float, int, int, Talk]] = []
    for number, talk in enumerate(talks):
        begin = talk.frames[0][0]
        yield from _until(begin, waiting)
        heapq.heappush(waiting, (begin, number, 0, talk))
    yield from _until(math.inf, waiting)


def _until(time: float, waiting: list[tuple[float, int, int, Talk]]) -> Iterator[tuple[float, bytes]]:
    while waiting and waiting[0][0] <= time:
        _, number, row, talk = waiting[0]
        yield talk.frames[row]
        if row + 1 < len(talk.frames):
            heapq.heapreplace(waiting, (talk.frames[row + 1][0], number, row + 1, talk))
        else:
            heapq.heappop(waiting)


def pages(random: Random, *, count: int, span_s: float, short: bool, truth: list[Row]) -> Iterator[Talk]:
    """Yield look-ups and the pages fetched after them, by time, and note what is true of the pages."""
    names = [name_of(number) for number in range(NAMES)]
    wanted = list(accumulate(1 / (rank + 3) ** 0.8 for rank in range(NAMES)))
    ports = Ports()
    starts = sorted(random.uniform(0, span_s) for _ in range(count))
    later: list[tuple[float, int, Talk]] = []
    for number, start in enumerate(starts):
        while later and later[0][0] <= start:
            yield heapq.heappop(later)[2]
        who = random.randrange(DEVICES)
        rank = random.choices(range(NAMES), cum_weights=wanted)[0]
        yield _asked(random, who, rank, names[rank], start, ports=ports)
        page, row = _page(random, who, rank, names[rank], start + 0.03, ports=ports, short=short)
        truth.append(row)
        heapq.heappush(later, (page.frames[0][0], number, page))
    while later:
        yield heapq.heappop(later)[2]


class Ports:
    """Gives every conversation of a device a port of its own."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def take(self, who: int) -> int:
        """Return the next port of a device."""
        self._last[who] = (self._last.get(who, who * 7) + 1) % 28_000
        return 32_768 + self._last[who]


def _is_ipv6(rank: int) -> bool:
    return rank % 5 == 0


def _asked(random: Random, who: int, rank: int, name: str, start: float, *, ports: Ports) -> Talk:
    talk = Talk(
        client=device(who),
        server=_RESOLVER,
        client_port=ports.take(who),
        server_port=53,
        protocol=UDP,
        mac=mac(who),
        at=start,
    )
    chain = f"{name.split('.')[1]}.cdn{rank % 50}.example" if rank % 3 == 0 else None
    look_up(random, talk, name=name, addresses=[server(rank, number) for number in range(1 + rank % 3)], chain=chain)
    return talk


def _page(
    random: Random, who: int, rank: int, name: str, start: float, *, ports: Ports, short: bool
) -> tuple[Talk, Row]:
    quic = random.random() < 0.25
    dice = random.random()
    clear = not quic and dice > 0.96
    talk = Talk(
        client=device(who, ipv6=_is_ipv6(rank)),
        server=server(rank, random.randrange(1 + rank % 3)),
        client_port=ports.take(who),
        server_port=80 if clear else 443,
        protocol=UDP if quic else TCP,
        mac=mac(who),
        at=start,
    )
    packets = 10 if short else max(14, min(4_000, int(random.lognormvariate(math.log(25), 1.32))))
    if quic:
        kind = quic_page(random, talk, name=name, packets=packets)
    elif clear:
        kind = clear_page(random, talk, name=name, packets=packets)
    else:
        kind = tls_page(random, talk, name=name, packets=packets, modern=dice < 0.87, hybrid=dice < 0.73)
    ends = (_text(talk.client), talk.client_port, _text(talk.server), talk.server_port)
    return talk, (talk.protocol, *ends, name, kind, *talk.octets)  # type: ignore[return-value] # two octet counts


def name_of(number: int) -> str:
    """Return the name of a server."""
    random = made_random(number)
    own = random.choice(_WORDS) + random.choice(_WORDS) + str(number)
    first = random.choice(("www", "api", "cdn", "static", f"img{number % 9}", f"edge-{random.choice(_WORDS)}", "a.b"))
    return f"{first}.{own}.example"


def device(number: int, *, ipv6: bool = False) -> bytes:
    """Return the address of a device."""
    if ipv6:
        return struct.pack(">8H", *_DOCUMENTED, 1, 1, 1, 1, 1, 1 + number)
    return bytes((10, 1 + (number >> 14), number >> 6 & 0xFF, 1 + (number & 0x3F)))


def mac(number: int) -> bytes:
    """Return the link address of a device."""
    return b"\x02\x11\x22" + number.to_bytes(3)


def server(rank: int, number: int) -> bytes:
    """Return one of the addresses of a server: of those kept for documentation, or for measurements (RFC 2544)."""
    if _is_ipv6(rank):
        return struct.pack(">8H", *_DOCUMENTED, 2, 1, 1, 1, 1 + number, 1 + rank)
    return (0xC6120000 + 3 * rank + number).to_bytes(4)


def _text(address: bytes) -> str:
    from ipaddress import ip_address  # noqa: PLC0415 -- thousands of times, but for the truth alone

    return str(ip_address(address))


def _bare(source: bytes, target: bytes, ports: tuple[int, int], flags: int, *, link: bytes) -> bytes:
    """Return a frame with nothing in its segment."""
    segment = struct.pack(">HHIIBBHHH", *ports, 1, 0, 5 << 4, flags, 502, 0, 0)
    return (link + b"\x08\x00" + ip_head(source, target, TCP, len(segment)) + segment).ljust(60, b"\0")


def tiny(random: Random, *, packets: int, flows: int) -> Iterator[tuple[float, bytes]]:
    """Yield the smallest packets of many connections in random order."""
    router = mac(0xFFFFFF)
    frames: list[bytes] = []
    for number in range(flows):
        who = random.randrange(DEVICES)
        here, there, port = device(who), server(random.randrange(1, NAMES) // 5 * 5 + 1, 0), 32_768 + number // 4
        frames.append(_bare(here, there, (port, 443), ACK, link=router + mac(who)))
        frames.append(_bare(there, here, (443, port), ACK, link=mac(who) + router))
    for row in range(packets):
        yield row * STEP_S, frames[random.randrange(len(frames))]


def flood(random: Random, *, packets: int) -> Iterator[tuple[float, bytes]]:
    """Yield the first packet of as many connections, none of which goes on."""
    router = mac(0xFFFFFF)
    for row in range(packets):
        who = random.randrange(DEVICES)
        target = bytes((198, 18 + row % 2)) + random.randbytes(2)
        ports = 1_024 + row // DEVICES % 64_000, 1 + random.randrange(65_000)
        yield row * STEP_S, _bare(device(who), target, ports, SYN, link=router + mac(who))


if __name__ == "__main__":
    sys.exit(main())
