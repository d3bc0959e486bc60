"""A second of a flood of QUIC Initials with ordinary connections in its midst, and what becomes of their names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from collector.frames import FrameBlock
from collector.watch import Watch
from rules.sample import hellos
from rules.sample.chance import Chance
from tests.collector.frames_for_tests import SYN, ethernet, ipv4, tcp, udp
from tests.fuzz.sealing import sealed

RATE = 60_000
ORDINARY = 150
"""Ordinary connections a second, of QUIC and as many of TLS over TCP."""
ANSWER_NS = 40_000_000
"""After so long the server answers."""
_SECOND = 1_000_000_000
_NOON_NS = 1_790_000_000 * _SECOND
_BLOCK = 4_096
_SERVER = "198.51.100.20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flooded:
    """What came of it."""

    cpu_s: float
    """Processor time for each second of packets."""
    quic_named: int
    tls_named: int
    asked: int
    """Ordinary connections of each kind."""
    capped: int
    late: int
    shed: int


def flood(*, seconds: int, true_initials: bool, rate: int = RATE) -> Flooded:
    """Read so many seconds of packets: spoofed Initials, false ones or *true_initials*, among ordinary connections."""
    random = Random(5)  # noqa: S311 -- addresses of a flood
    watch = Watch(sensor="flood", network=None, pseudonyms=None)
    names: list[str] = []
    cpu_s = 0.0
    for second in range(seconds):
        frames = _ordinary(second, random) + _spoofed(second, random, rate=rate, true_initials=true_initials)
        frames.sort(key=lambda frame: frame[0])
        blocks = [_block(frames[at : at + _BLOCK]) for at in range(0, len(frames), _BLOCK)]
        began = time.process_time()
        for block in blocks:
            names += [event.server_name or "" for event in watch.observe(block)]
        cpu_s += time.process_time() - began
    for events in watch.finish():
        names += [event.server_name or "" for event in events]
    told = watch.affected
    return Flooded(
        cpu_s=cpu_s / seconds,
        quic_named=sum(name.startswith("quic-") for name in names),
        tls_named=sum(name.startswith("tls-") for name in names),
        asked=ORDINARY * seconds,
        capped=told["quic_attempts_capped"],
        late=told["quic_attempts_late"],
        shed=told["openings_shed"],
    )


def _ordinary(second: int, random: Random) -> list[tuple[int, bytes]]:
    chance = Chance(f"flood {second}")
    frames = []
    for number in range(ORDINARY):
        at_ns = _NOON_NS + second * _SECOND + random.randrange(_SECOND - 2 * ANSWER_NS)
        client = f"192.0.2.{1 + number}"
        port = 50_000 + second
        wish = hellos.Wish(name=f"quic-{second}-{number}.example", modern=True, alpn=("h3",), quic=True)
        connection = chance.octets(8)
        hello = hellos.client_hello(wish, chance=chance)
        frames += [
            (at_ns, ethernet(ipv4(udp(port, 443, payload=datagram), 17, source=client, target=_SERVER)))
            for datagram in hellos.quic_client_initials(hello, connection=connection, chance=chance)
        ]
        answer = hellos.quic_server_initial(
            hellos.server_hello(tls13=True, quic=True, chance=chance), connection=connection, own=b"serverid"
        )
        back = ipv4(udp(443, port, payload=answer), 17, source=_SERVER, target=client)
        frames.append((at_ns + ANSWER_NS, ethernet(back, down=True)))
        wish = hellos.Wish(name=f"tls-{second}-{number}.example", modern=True, alpn=("h2",))
        wire = hellos.record(hellos.HANDSHAKE, body=hellos.client_hello(wish, chance=chance))
        segments = [tcp(port, 443, flags=SYN, sequence=9), tcp(port, 443, payload=wire[:1_400], sequence=10)]
        segments.append(tcp(port, 443, payload=wire[1_400:], sequence=1_410))
        frames += [(at_ns, ethernet(ipv4(one, 6, source=client, target=_SERVER))) for one in segments]
    return frames


def _spoofed(second: int, random: Random, *, rate: int, true_initials: bool) -> list[tuple[int, bytes]]:
    frames = []
    true = sealed(b"\x06\x40\x00\x44\x00" + bytes(1_024))
    false = b"\xc0\0\0\0\x01\x08" + bytes(8) + b"\0\0\x44\x9e" + bytes(1_182)
    for number in range(rate):
        at_ns = _NOON_NS + second * _SECOND + number * _SECOND // rate
        source = f"203.0.113.{random.randrange(256)}"
        payload = true if true_initials else false[:6] + random.randbytes(8) + false[14:]
        datagram = udp(1_024 + random.randrange(60_000), 443, payload=payload)
        frames.append((at_ns, ethernet(ipv4(datagram, 17, source=source, target=_SERVER))))
    return frames


def _block(frames: list[tuple[int, bytes]]) -> FrameBlock:
    block = FrameBlock(capacity=len(frames))
    block.clear(memoryview(b"".join(octets for _, octets in frames)))
    at = 0
    for at_ns, octets in frames:
        block.add(at, len(octets), len(octets), at_ns, 1)
        at += len(octets)
    return block


def show_flood() -> int:
    """Print what became of the names; 1: an ordinary connection lost its name, or a second took longer than one."""
    print(f"\n| {RATE:,} Initials a second, spoofed | cpu s a second | QUIC names | TLS names | capped | late | shed |")
    print("|---|---|---|---|---|---|---|")
    bad = 0
    for words, true_initials in (("false ones", False), ("true ones, of hellos that never end", True)):
        told = flood(seconds=3, true_initials=true_initials)
        bad += told.quic_named < told.asked or told.tls_named < told.asked or told.cpu_s > 1
        print(
            f"| {words} | {told.cpu_s:.2f} | {told.quic_named} of {told.asked} | {told.tls_named} of {told.asked} |"
            f" {told.capped:,} | {told.late:,} | {told.shed:,} |",
            flush=True,
        )
    return 1 if bad else 0
