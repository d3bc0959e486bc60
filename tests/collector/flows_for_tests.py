"""A flow table to fill, the frames of one conversation, and openings that remember what they were shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collector.flow_opener import Opener
from collector.flows import Flow, FlowTable
from collector.opening_facts import Opening as Facts
from tests.collector.frames_for_tests import (
    ACK,
    PUPIL,
    SECOND,
    SERVER,
    SYN,
    block_of,
    ethernet,
    ipv4,
    tcp,
    udp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TCP, UDP = 6, 17
START = 1_700_000_000 * SECOND
QUIC_1 = b"\xc3\0\0\0\1" + bytes(20)


class Opening(Facts):
    """Remembers what it was shown, and goes on wanting *wanted*."""

    def __init__(self, *, wanted: int = 3, plaintext: bool = False) -> None:
        super().__init__()
        self.wanted = wanted
        self.plaintext = plaintext
        self.shown: list[tuple[bool, int, bytes]] = []

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        assert at_ns >= START
        self.shown.append((up, offset, data))
        return self.wanted

    def stream(self, *, up: bool) -> bytes:
        """Return the octets of a direction in their order."""
        return b"".join(data for _, data in sorted((offset, data) for way, offset, data in self.shown if way == up))


FACTS = ("proto", "client", "server", "client_port", "server_port", "mac", "server_mac", "at_ns")


@dataclass(kw_only=True)
class Openings(Opener):
    """Opens every flow alike, and remembers who asked."""

    wanted: int = 3
    plaintext: bool = False
    none: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def open(self, *facts: Any) -> Opening | None:
        self.asked.append(dict(zip(FACTS, facts, strict=True)))
        return None if self.none else Opening(wanted=self.wanted, plaintext=self.plaintext)


def table_of(openings: Openings | None = None, *, capacity: int = 1_000, seed: int = 7) -> FlowTable:
    return FlowTable(openings or Openings(), seed=seed, capacity=capacity)


def flows_of(
    frames: Iterable[bytes | tuple[bytes, int]], openings: Openings | None = None, **kwargs: Any
) -> list[Flow]:
    table = table_of(openings)
    table.observe(block_of(frames, **kwargs))
    return table.finish()


def up(payload: bytes = b"", *, flags: int = ACK, sequence: int = 1_000, port: int = 40_000) -> bytes:
    return ethernet(ipv4(tcp(port, 443, payload=payload, flags=flags, sequence=sequence), TCP))


def down(payload: bytes = b"", *, flags: int = ACK, sequence: int = 9_000, port: int = 40_000) -> bytes:
    segment = tcp(443, port, payload=payload, flags=flags, sequence=sequence)
    return ethernet(ipv4(segment, TCP, source=SERVER, target=PUPIL), down=True)


def datagram(source: int = 40_000, target: int = 9_999, payload: bytes = b"x", **kwargs: Any) -> bytes:
    return ethernet(ipv4(udp(source, target, payload=payload), UDP, **kwargs))


def handshake(*, port: int = 40_000, isn: int = 999) -> list[bytes]:
    return [
        up(flags=SYN, sequence=isn, port=port),
        down(flags=SYN | ACK, sequence=8_999, port=port),
        up(sequence=isn + 1, port=port),
    ]


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)
