"""A pseudonym says nothing to anybody who does not hold the key, and nobody holds it for long."""

from __future__ import annotations

import hmac
import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from collector.periods import NS, Periods
from collector.pseudonyms import KeyRing, Pseudonyms

DAY_ONE = int(datetime(2026, 10, 6, 15, tzinfo=UTC).timestamp()) * NS
DAY_TWO = DAY_ONE + 24 * 3600 * NS
DEVICE = b"m\x02\x00\x00\x00\x00\x01"


def fresh() -> bytes:
    return os.urandom(32)


def pseudonyms(ring: KeyRing, *, site: str = "lincoln") -> Pseudonyms:
    return Pseudonyms(ring, periods=Periods(ZoneInfo("America/Chicago")), site=site)


def test_one_device_keeps_one_pseudonym_all_day() -> None:
    names = pseudonyms(KeyRing(fresh))
    assert names.of(DEVICE, at_ns=DAY_ONE) == names.of(DEVICE, at_ns=DAY_ONE + 3600 * NS)


def test_the_next_day_the_same_device_has_another_pseudonym() -> None:
    names = pseudonyms(KeyRing(fresh))
    assert names.of(DEVICE, at_ns=DAY_ONE) != names.of(DEVICE, at_ns=DAY_TWO)


def test_two_runs_give_the_same_device_different_pseudonyms() -> None:
    assert pseudonyms(KeyRing(fresh)).of(DEVICE, at_ns=DAY_ONE) != pseudonyms(KeyRing(fresh)).of(DEVICE, at_ns=DAY_ONE)


def test_collectors_of_one_site_that_share_keys_agree_and_other_sites_do_not() -> None:
    first = KeyRing(fresh)
    name = pseudonyms(first).of(DEVICE, at_ns=DAY_ONE)
    second = KeyRing(fresh, keys=first.snapshot())
    assert pseudonyms(second).of(DEVICE, at_ns=DAY_ONE) == name
    assert pseudonyms(second, site="roosevelt").of(DEVICE, at_ns=DAY_ONE) != name


@pytest.mark.parametrize(
    "site", ["", "lincoln", "a district of more than 64 octets, the block of SHA-256 -------------"]
)
def test_a_pseudonym_is_the_first_64_bits_of_an_hmac(site: str) -> None:
    ring = KeyRing(lambda: b"\7" * 32)
    mac = hmac.digest(b"\7" * 32, site.encode() + b"\0" + DEVICE, "sha256")
    assert pseudonyms(ring, site=site).of(DEVICE, at_ns=DAY_ONE) == mac.hex()[:16]


def test_after_a_key_is_destroyed_the_old_pseudonym_cannot_be_made_again() -> None:
    ring = KeyRing(fresh)
    names = pseudonyms(ring)
    old = names.of(DEVICE, at_ns=DAY_ONE)
    names.of(DEVICE, at_ns=DAY_TWO)
    assert names.forget_before(DAY_TWO) == 1
    assert list(ring.snapshot()) == ["2026-10-07T00"]
    assert names.of(DEVICE, at_ns=DAY_ONE) != old


def test_the_ring_says_when_its_sealed_file_is_out_of_date() -> None:
    ring = KeyRing(fresh)
    names = pseudonyms(ring)
    said = [ring.changed]
    names.of(DEVICE, at_ns=DAY_ONE)
    said.append(ring.changed)
    ring.snapshot()
    said.append(ring.changed)
    assert said == [False, True, False]


def test_the_oldest_key_is_known_until_it_is_destroyed() -> None:
    midnight = int(datetime(2026, 10, 6, 5, tzinfo=UTC).timestamp()) * NS
    names = pseudonyms(KeyRing(fresh))
    told = [names.oldest_key_ns]
    for at in (DAY_TWO, DAY_ONE):
        names.of(DEVICE, at_ns=at)
        told.append(names.oldest_key_ns)
    names.forget_before(DAY_TWO)
    told.append(names.oldest_key_ns)
    assert told == [None, midnight + 24 * 3600 * NS, midnight, midnight + 24 * 3600 * NS]


def test_a_destroyed_key_is_overwritten_where_it_lay() -> None:
    ring = KeyRing(fresh)
    names = pseudonyms(ring)
    names.of(DEVICE, at_ns=DAY_ONE)
    key = ring.key(Periods(ZoneInfo("America/Chicago")).of(DAY_ONE))
    assert any(key)
    names.forget_before(DAY_TWO)
    assert key == bytes(32)


def test_a_key_that_another_collector_made_first_is_used() -> None:
    asked: list[tuple[str, bytes]] = []

    def agree(name: str, key: bytes) -> bytes:
        asked.append((name, key))
        return b"\7" * 32

    one = pseudonyms(KeyRing(fresh, agree=agree))
    other = pseudonyms(KeyRing(lambda: b"\7" * 32))
    assert one.of(DEVICE, at_ns=DAY_ONE) == other.of(DEVICE, at_ns=DAY_ONE)
    one.of(DEVICE, at_ns=DAY_ONE + 1)
    assert [name for name, _key in asked] == ["2026-10-06T00"]


def test_a_device_is_found_by_its_pseudonym_of_today_and_not_yesterdays_nor_after_its_key_is_gone() -> None:
    names = pseudonyms(KeyRing(fresh))
    number = names.of(DEVICE, at_ns=DAY_ONE)
    assert names.device_of(number, DAY_ONE) == DEVICE
    assert names.device_of("0" * 16, DAY_ONE) is None
    tomorrow = names.of(DEVICE, at_ns=DAY_TWO)
    assert names.device_of(number, DAY_TWO) is None
    names.forget_before(DAY_TWO)
    assert names.device_of(number, DAY_ONE) is None
    assert names.device_of(tomorrow, DAY_TWO) == DEVICE
