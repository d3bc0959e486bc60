"""Which MAC address is a device, and which stands for a network behind it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from collector.devices import MAX_IPV6_A_DAY, Devices
from collector.periods import NS, Periods

MAC = bytes.fromhex("020000000001")
NOON = 1_791_313_200 * NS
V4 = bytes([10, 20, 8, 1])


def v6(number: int) -> bytes:
    return bytes.fromhex("20010db80020000800000000") + number.to_bytes(4, "big")


def devices() -> Devices:
    return Devices(Periods(ZoneInfo("America/Chicago")))


def test_a_dual_stack_laptop_with_privacy_addresses_is_one_device() -> None:
    known = devices()
    addresses = [V4, *(v6(n) for n in range(MAX_IPV6_A_DAY))]
    assert len({known.key(MAC, address, NOON) for address in addresses}) == 1
    assert known.routers() == 0


def test_a_mac_with_two_ipv4_addresses_is_a_router_and_each_address_a_device() -> None:
    known = devices()
    keys = [known.key(MAC, bytes([10, 20, 8, n]), NOON) for n in (1, 2, 3, 1, 2, 3)]
    assert len(set(keys)) == 3
    assert keys[:3] == keys[3:]
    assert known.routers() == 1


def test_a_mac_with_too_many_ipv6_addresses_is_a_router() -> None:
    known = devices()
    for number in range(MAX_IPV6_A_DAY):
        known.key(MAC, v6(number), NOON)
    assert known.key(MAC, v6(99), NOON) != known.key(MAC, v6(98), NOON)


def test_a_device_that_asks_for_its_address_is_one_device_before_and_after() -> None:
    known = devices()
    asking = known.key(MAC, bytes(4), NOON)
    assert asking == known.key(MAC, bytes(16), NOON) == known.key(MAC, V4, NOON) == known.key(MAC, v6(1), NOON)
    assert known.routers() == 0


def test_what_a_mac_carried_yesterday_does_not_make_it_a_router_today() -> None:
    known = devices()
    known.key(MAC, V4, NOON)
    tomorrow = NOON + 24 * 3600 * NS
    assert known.key(MAC, bytes([10, 20, 8, 2]), tomorrow) == known.key(MAC, v6(1), tomorrow)


def test_without_a_mac_the_address_is_the_device() -> None:
    known = devices()
    assert known.key(None, V4, NOON) == known.key(None, V4, NOON)
    assert known.key(None, V4, NOON) != known.key(MAC, V4, NOON)
