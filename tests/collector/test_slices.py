"""collector/slices.py: octets out of buffers and numbers, never from beyond a buffer, alike in both builds."""

from __future__ import annotations

from array import array
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import slices
from collector.dissect.quic import crypto_frames
from collector.flow_opener import Opener
from collector.flows import FlowTable
from tests.collector.frames_for_tests import block_of, ipv4, ipv6, tcp

if TYPE_CHECKING:
    from collections.abc import Callable

BIG = True
BUFFER = memoryview(bytes(range(1, 13)))
WORD = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(("at", "end"), [(-1, 2), (3, 2), (0, 5), (5, 5)])
def test_a_piece_never_reaches_beyond_its_octets(at: int, end: int) -> None:
    with pytest.raises(IndexError):
        slices.piece(bytearray(b"abcd"), at, end)
    assert slices.piece(bytearray(b"abcd"), 1, 3) == b"bc"
    assert slices.piece(bytearray(b"abcd"), 4, 4) == b""


def test_numbers_are_read_in_network_order() -> None:
    assert slices.be16(BUFFER, 1) == 0x0203
    assert slices.be32(BUFFER, 8) == 0x090A0B0C
    assert slices.be64(BUFFER, 4) == 0x05060708090A0B0C


def test_numbers_of_a_file_are_read_in_its_own_order() -> None:
    assert slices.any32(BUFFER, 0, BIG) == 0x01020304
    assert slices.any32(BUFFER, 0, not BIG) == 0x04030201


@pytest.mark.parametrize(
    ("read", "octets"),
    [
        (slices.be16, 2),
        (slices.be32, 4),
        (slices.be64, 8),
        (lambda buffer, at: slices.any32(buffer, at, BIG), 4),
        (lambda buffer, at: slices.cut(buffer, at, at + 3), 3),
    ],
)
def test_nothing_is_read_from_beyond_the_buffer(read: Callable[[memoryview, int], object], octets: int) -> None:
    read(BUFFER, len(BUFFER) - octets)
    for at in (-1, len(BUFFER) - octets + 1, len(BUFFER), 2**40):
        with pytest.raises(IndexError):
            read(BUFFER, at)


def test_a_piece_of_no_octets_is_empty_wherever_it_lies() -> None:
    assert slices.cut(BUFFER, 0, 0) == slices.cut(BUFFER, len(BUFFER), len(BUFFER)) == b""
    with pytest.raises(IndexError):
        slices.cut(BUFFER, 4, 3)


@given(high=WORD, low=WORD)
def test_numbers_become_the_octets_they_were_read_from(high: int, low: int) -> None:
    address = slices.address_of(high, low)

    assert slices.be64(memoryview(address), 0) == high
    assert slices.be64(memoryview(address), 8) == low
    assert slices.octets_of(low, 6) == address[10:]


def test_pieces_are_joined_and_none_reaches_beyond_the_octets() -> None:
    places = memoryview(array("q", [0, 4, 2, 2, 0, 3, 9, 5, 2]))
    assert slices.joined(b"abcdef", places, 0, 6) == b"efabc"
    assert slices.joined(b"abcdef", places, 3, 3) == b""
    with pytest.raises(IndexError):
        slices.joined(b"abcdef", places, 0, 9)


@given(before=st.binary(max_size=9), zeros=st.integers(0, 40), after=st.binary(max_size=9))
def test_zeros_are_stepped_over_to_the_last(before: bytes, zeros: int, after: bytes) -> None:
    octets = before + bytes(zeros) + b"\1" + after

    assert slices.behind_zeros(octets, len(before)) == len(before) + zeros
    assert slices.behind_zeros(bytes(zeros), 0) == zeros
    # Padding of an Initial, in this build: a PING in the middle of it does not end it.
    assert crypto_frames(bytes(zeros) + b"\1" + bytes(zeros) + b"\6\0\1A" + bytes(zeros)) == [(0, b"A")]


ADDRESS = st.ip_addresses(v=6)


@given(source=ADDRESS, target=ADDRESS, mac=st.binary(min_size=6, max_size=6))
def test_compiled_code_that_puts_its_own_in_their_place_says_the_same(
    source: IPv6Address, target: IPv6Address, mac: bytes
) -> None:
    old = IPv4Address(source.packed[:4]), IPv4Address(target.packed[:4])
    packets = [
        b"\x86\xdd" + ipv6(tcp(40_000, 443), 6, source=str(source), target=str(target)),
        b"\x08\x00" + ipv4(tcp(40_001, 443), 6, source=str(old[0]), target=str(old[1])),
    ]
    table = FlowTable(Unopened(), seed=7)
    table.observe(block_of(mac + mac + packet for packet in packets))
    found = {flow.client_port: flow for flow in table.finish()}

    assert (found[40_000].client, found[40_000].server) == (source.packed, target.packed)
    assert (found[40_001].client, found[40_001].server) == (old[0].packed, old[1].packed)
    assert {flow.mac for flow in found.values()} == {mac if any(mac) else None}


class Unopened(Opener):
    """Opens nothing."""

    def open(self, *_: object) -> None:
        """Return no opening."""
