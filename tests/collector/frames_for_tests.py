"""Builds frames and captures for tests, octet by octet, from the formats' own descriptions."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

from collector.frames import FrameBlock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ETHERNET = 1
SECOND = 1_000_000_000
PUPIL_MAC = bytes.fromhex("0200c0a80101")
ROUTER_MAC = bytes.fromhex("0200c0a801fe")
PUPIL = "192.0.2.10"
SERVER = "198.51.100.20"
PUPIL6 = "2001:db8::10"
SERVER6 = "2001:db8:ffff::20"

FIN, SYN, RST, ACK = 1, 2, 4, 16


def udp(source: int = 40_000, target: int = 9_999, *, payload: bytes = b"payload", length: int | None = None) -> bytes:
    """Return a UDP datagram."""
    return struct.pack(">HHHH", source, target, 8 + len(payload) if length is None else length, 0) + payload


def tcp(
    source: int = 40_000,
    target: int = 443,
    *,
    payload: bytes = b"",
    flags: int = ACK,
    sequence: int = 1_000,
    options: bytes = b"",
) -> bytes:
    """Return a TCP segment."""
    words = 5 + len(options) // 4
    return (
        struct.pack(">HHIIBBHHH", source, target, sequence & 0xFFFFFFFF, 0, words << 4, flags, 8_192, 0, 0)
        + options
        + payload
    )


def ipv4(
    payload: bytes,
    protocol: int,
    *,
    source: str = PUPIL,
    target: str = SERVER,
    options: bytes = b"",
    identity: int = 7,
    offset: int = 0,
    more: bool = False,
    total: int | None = None,
) -> bytes:
    """Return an IPv4 packet; *offset* in octets."""
    words = 5 + len(options) // 4
    length = 4 * words + len(payload) if total is None else total
    position = offset // 8 | (0x2000 if more else 0)
    ends = ip_address(source).packed + ip_address(target).packed
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, length, identity, position, 64, protocol, 0)
    return head + ends + options + payload


def ipv6(payload: bytes, protocol: int, *, source: str = PUPIL6, target: str = SERVER6, length: int = -1) -> bytes:
    """Return an IPv6 packet."""
    head = struct.pack(">IHBB", 0x60000000, len(payload) if length < 0 else length, protocol, 64)
    return head + ip_address(source).packed + ip_address(target).packed + payload


def ipv6_fragment(payload: bytes, protocol: int, *, offset: int, more: bool, identity: int = 7) -> bytes:
    """Return the fragment header (RFC 8200 section 4.5) and its payload."""
    return struct.pack(">BBHI", protocol, 0, offset | more, identity) + payload


def ethernet(payload: bytes, ethertype: int = 0x0800, *, down: bool = False) -> bytes:
    """Return an Ethernet frame from the pupil to the router, or back."""
    ends = PUPIL_MAC + ROUTER_MAC if down else ROUTER_MAC + PUPIL_MAC
    return ends + struct.pack(">H", ethertype) + payload


def vlan(payload: bytes, identity: int, ethertype: int = 0x0800) -> bytes:
    """Return what follows the EtherType of a tag."""
    return struct.pack(">HH", 0x6000 | identity, ethertype) + payload


def block_of(
    frames: Iterable[bytes | tuple[bytes, int]],
    *,
    link: int = ETHERNET,
    time_ns: int = 1_700_000_000 * SECOND,
    step_ns: int = 0,
    wire: int | None = None,
) -> FrameBlock:
    """Return a block with *frames*: each its octets, or its octets and its time; else they follow in steps."""
    block = FrameBlock()
    octets = bytearray()
    rows = []
    for row, frame in enumerate(frames):
        data, when = frame if isinstance(frame, tuple) else (frame, time_ns + row * step_ns)
        rows.append((len(octets), len(data), wire or len(data), when))
        octets += data
    block.clear(memoryview(octets))
    for offset, captured, length, when in rows:
        assert block.add(offset, captured, length, when, link)
    return block


def pcap(
    frames: Sequence[bytes],
    *,
    order: str = "<",
    nano: bool = False,
    link: int = ETHERNET,
    version: tuple[int, int] = (2, 4),
    time_ns: int = 1_700_000_000 * SECOND,
) -> bytes:
    """Return a classic capture, one second between frames."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262_144, link)
    for row, data in enumerate(frames):
        seconds, rest = divmod(time_ns + row * SECOND, SECOND)
        out += struct.pack(order + "IIII", seconds, rest if nano else rest // 1000, len(data), len(data)) + data
    return out


def pcapng_block(kind: int, body: bytes, *, order: str = "<") -> bytes:
    """Return one block of the newer format, padded, with its length before and behind."""
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + total + body + total


def section(*, order: str = "<") -> bytes:
    """Return a section header."""
    return pcapng_block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order=order)


def interface(*, order: str = "<", link: int = ETHERNET, snap: int = 0, options: bytes = b"") -> bytes:
    """Return an interface description."""
    return pcapng_block(1, struct.pack(order + "HHI", link, 0, snap) + options, order=order)


def option(code: int, value: bytes, *, order: str = "<") -> bytes:
    """Return an option of a block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def packet(data: bytes, ticks: int, *, order: str = "<", number: int = 0, wire: int | None = None) -> bytes:
    """Return an enhanced packet block; *ticks* in the interface's own resolution."""
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire or len(data))
    return pcapng_block(6, head + data, order=order)
