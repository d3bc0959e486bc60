"""What all openings hold together is bounded, whoever begins much and ends nothing."""

from __future__ import annotations

import pytest

from collector.holdings import PLACE_OCTETS, PLACES
from collector.names import DnsMemory
from collector.opening import Openings
from collector.opening_facts import DOWN, UP, Opening
from tests.fuzz.sealing import sealed

FROM_CLIENT = True
NOON_NS = 1_790_000_000 * 1_000_000_000
HEAD = b"GET / HTTP/1.1\r\nHost: school.example\r\nX: "


def device_key(mac: bytes | None, address: bytes, at_ns: int) -> bytes:
    del at_ns
    return mac or address


def opened(openings: Openings, *, port: int = 80) -> Opening:
    opening = openings.open(
        proto="udp" if port == 443 else "tcp",
        client=b"\x0a\1\0\7",
        server=b"\xc0\0\2\1",
        client_port=50_000,
        server_port=port,
        mac=None,
        server_mac=None,
        at_ns=NOON_NS,
    )
    assert opening is not None
    return opening


def test_requests_that_never_end_are_let_go_the_oldest_first_and_counted() -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    size = 64_000
    fit = PLACES // (size // PLACE_OCTETS + 1)
    begun = [opened(openings) for _ in range(fit + 20)]
    for opening in begun:
        assert opening.octets(FROM_CLIENT, 0, HEAD.ljust(size, b"x"), NOON_NS) & UP
    shed = openings.counters.openings_shed
    assert 0 < shed <= 30
    wanted = [opening.octets(FROM_CLIENT, size, b"\r\n\r\n", NOON_NS) for opening in begun]
    assert wanted[:shed] == [0] * shed, "the oldest were let go: nothing of these is wanted any more"
    assert {opening.server_name for opening in begun[:shed]} == {None}
    assert {opening.server_name for opening in begun[shed:]} == {"school.example"}
    assert openings.counters.openings_shed == shed


def test_who_waits_for_nothing_any_more_is_never_let_go() -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    quiet = opened(openings)
    quiet.octets(FROM_CLIENT, 0, HEAD, NOON_NS)
    quiet.octets(FROM_CLIENT, len(HEAD), b"\r\n\r\n", NOON_NS)
    for _ in range(PLACES + 10):
        opened(openings).octets(FROM_CLIENT, 0, HEAD, NOON_NS)
    assert openings.counters.openings_shed == 10, (
        "as many as had no place; the one whose place they took first held nothing"
    )
    quiet.octets(FROM_CLIENT, len(HEAD) + 4, b"GET /?a=b HTTP/1.1\r\nHost: school.example\r\n\r\n", NOON_NS)
    assert quiet.plaintext_data is True


def test_hellos_of_quic_that_never_end_are_let_go_too() -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    half = sealed(b"\x06\x00\x44\x00\x01\x00\x10\x00" + bytes(1_020))
    first = opened(openings, port=443)
    first.octets(FROM_CLIENT, 0, half, NOON_NS)
    for number in range(PLACES + 10):
        opened(openings, port=443).octets(FROM_CLIENT, 0, half, NOON_NS + number * 100_000)
    assert openings.counters.openings_shed > 0
    assert first.octets(FROM_CLIENT, 0, half, NOON_NS) == DOWN, "only the side of the server is wanted still"


def test_how_much_of_the_room_is_taken_is_told_and_less_once_it_is_not_waited_for() -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    assert openings.taken == 0
    size = 64_000
    begun = [opened(openings) for _ in range(PLACES // (size // PLACE_OCTETS + 1) // 2)]
    for opening in begun:
        opening.octets(FROM_CLIENT, 0, HEAD.ljust(size, b"x"), NOON_NS)
    assert openings.taken == pytest.approx(0.5, abs=0.02)
    for opening in begun[::2]:
        opening.octets(FROM_CLIENT, size, b"\r\n\r\n", NOON_NS)
    assert openings.taken == pytest.approx(0.25, abs=0.02)
