"""Which name a device's own answers give to an address."""

from __future__ import annotations

import pytest

from collector.names import (
    ADDRESS_LIFETIME_S,
    CHAIN_LIFETIME_S,
    GRACE_NS,
    MAX_ADDRESSES,
    MAX_DEVICES,
    MAX_HISTORY,
    MAX_WEIGHT,
    DnsMemory,
)

NS = 1_000_000_000
NOON_NS = 1_790_000_000 * NS
TABLET = b"m\x02\x00\x00\x00\x00\x01"
LAPTOP = b"m\x02\x00\x00\x00\x00\x02"
ADDRESS = bytes((192, 0, 2, 1))


def learn(
    memory: DnsMemory,
    *,
    name: str = "school.example",
    at_s: float = 0,
    device: bytes = TABLET,
    address: bytes = ADDRESS,
    chain: tuple[str, ...] = (),
    ttl_s: int = 60,
) -> None:
    memory.learn(device, name=name, chain=chain, addresses=(address,), ttl_s=ttl_s, at_ns=after(at_s))


def after(seconds: float) -> int:
    return NOON_NS + int(seconds * NS)


def test_a_flow_gets_the_last_name_asked_for_before_it_began() -> None:
    memory = DnsMemory()
    learn(memory, name="first.example", at_s=0)
    learn(memory, name="second.example", at_s=10)
    assert memory.name_of(TABLET, ADDRESS, after(5)) == ("first.example", ())
    assert memory.name_of(TABLET, ADDRESS, after(15)) == ("second.example", ())


def test_an_answer_that_came_later_names_nothing() -> None:
    memory = DnsMemory()
    learn(memory, at_s=10)
    assert memory.name_of(TABLET, ADDRESS, after(9)) is None


def test_an_answer_of_the_same_moment_counts_as_before() -> None:
    memory = DnsMemory()
    learn(memory, at_s=10.0005)
    assert memory.name_of(TABLET, ADDRESS, after(10)) == ("school.example", ())


def test_answers_of_one_device_name_nothing_for_another() -> None:
    memory = DnsMemory()
    learn(memory)
    assert memory.name_of(LAPTOP, ADDRESS, after(1)) is None
    assert memory.chain_of(LAPTOP, "school.example", after(1)) == ()


def test_an_answer_names_flows_for_ten_minutes_even_if_it_may_be_kept_for_one() -> None:
    memory = DnsMemory()
    learn(memory, ttl_s=60)
    assert memory.name_of(TABLET, ADDRESS, after(ADDRESS_LIFETIME_S)) is not None
    assert memory.name_of(TABLET, ADDRESS, after(ADDRESS_LIFETIME_S + 1)) is None


def test_an_answer_that_may_be_kept_for_hours_names_flows_for_hours() -> None:
    memory = DnsMemory()
    learn(memory, ttl_s=7_200)
    assert memory.name_of(TABLET, ADDRESS, after(7_200)) is not None
    assert memory.name_of(TABLET, ADDRESS, after(7_201)) is None


def test_an_answer_given_again_lives_on() -> None:
    memory = DnsMemory()
    for minute in range(0, 60, 5):
        learn(memory, at_s=60 * minute)
    assert memory.name_of(TABLET, ADDRESS, after(60 * 61)) == ("school.example", ())
    assert memory.name_of(TABLET, ADDRESS, after(60 * 7)) == ("school.example", ())


def test_a_name_asked_for_again_after_another_is_the_last_one_again() -> None:
    memory = DnsMemory()
    for at_s, name in enumerate(("a.example", "b.example", "a.example")):
        learn(memory, name=name, at_s=at_s)
    assert [memory.name_of(TABLET, ADDRESS, after(at_s)) for at_s in (0, 1, 2)] == [
        ("a.example", ()),
        ("b.example", ()),
        ("a.example", ()),
    ]


def test_the_chain_of_a_name_is_the_one_given_last_before() -> None:
    memory = DnsMemory()
    learn(memory, chain=("old.cdn.example",), at_s=0)
    learn(memory, chain=("new.cdn.example", "edge.example"), at_s=100)
    assert memory.chain_of(TABLET, "school.example", after(50)) == ("old.cdn.example",)
    assert memory.chain_of(TABLET, "school.example", after(100 + CHAIN_LIFETIME_S)) == (
        "new.cdn.example",
        "edge.example",
    )
    assert memory.chain_of(TABLET, "school.example", after(101 + CHAIN_LIFETIME_S)) == ()
    assert memory.name_of(TABLET, ADDRESS, after(50)) == ("school.example", ("old.cdn.example",))


def test_an_answer_without_addresses_still_teaches_its_chain() -> None:
    memory = DnsMemory()
    memory.learn(TABLET, name="a.example", chain=("b.example",), addresses=(), ttl_s=5, at_ns=NOON_NS)
    assert memory.chain_of(TABLET, "a.example", after(1)) == ("b.example",)


def test_one_device_more_than_the_bound_makes_the_most_silent_one_be_forgotten() -> None:
    memory = DnsMemory()
    for number in range(MAX_DEVICES):
        learn(memory, device=number.to_bytes(4))
    learn(memory, device=(0).to_bytes(4))
    learn(memory, device=b"one more")
    assert memory.devices_forgotten == 1
    assert memory.name_of((0).to_bytes(4), ADDRESS, after(1)) is not None
    assert memory.name_of((1).to_bytes(4), ADDRESS, after(1)) is None


def test_how_much_of_the_room_is_taken_counts_devices_or_answers_whichever_has_less_left() -> None:
    memory = DnsMemory()
    assert memory.taken == 0
    for number in range(3):
        learn(memory, device=number.to_bytes(4))
    assert memory.taken == 3 / MAX_DEVICES
    for number in range(1_000):  # each under its address and under its name
        learn(memory, name=f"{number}.example", address=number.to_bytes(4))
    assert memory.taken == pytest.approx(2_000 / MAX_WEIGHT, rel=0.01)


def test_addresses_beyond_the_bound_push_out_the_oldest_and_are_counted() -> None:
    memory = DnsMemory()
    for number in range(MAX_ADDRESSES + 3):
        learn(memory, address=number.to_bytes(4))
    assert memory.names_forgotten == 3
    assert memory.name_of(TABLET, (2).to_bytes(4), after(1)) is None
    assert memory.name_of(TABLET, (3).to_bytes(4), after(1)) is not None


def test_a_history_keeps_its_newest_answers_and_counts_what_it_lost() -> None:
    memory = DnsMemory()
    for number in range(MAX_HISTORY + 2):
        learn(memory, name=f"n{number}.example", at_s=number)
    assert memory.histories_cut == 2
    assert memory.name_of(TABLET, ADDRESS, after(1)) is None
    assert memory.name_of(TABLET, ADDRESS, after(2)) == ("n2.example", ())


def test_what_is_old_makes_room_and_is_not_counted_as_lost() -> None:
    memory = DnsMemory()
    learn(memory, device=LAPTOP)
    learn(memory, name="old.example", address=b"old.")
    late_s = CHAIN_LIFETIME_S + GRACE_NS // NS + 1
    for number in range(4):
        learn(memory, name=f"n{number}.example", address=number.to_bytes(4), at_s=late_s)
    assert memory.name_of(LAPTOP, ADDRESS, after(0)) is None
    assert memory.name_of(TABLET, b"old.", after(0)) is None
    assert (memory.devices_forgotten, memory.names_forgotten) == (0, 0)


def test_a_flow_that_ended_after_its_answer_grew_old_still_finds_it() -> None:
    memory = DnsMemory()
    learn(memory, at_s=0)
    learn(memory, name="other.example", address=b"oth.", at_s=ADDRESS_LIFETIME_S + 600)
    assert memory.name_of(TABLET, ADDRESS, after(5)) == ("school.example", ())


def test_how_late_a_flow_may_come_is_for_the_source_to_say() -> None:
    day_s = 86_400
    memory = DnsMemory(grace_ns=day_s * NS)
    learn(memory, device=LAPTOP, at_s=0)
    learn(memory, at_s=0)
    learn(memory, name="other.example", address=b"oth.", at_s=day_s)
    assert memory.name_of(TABLET, ADDRESS, after(5)) == ("school.example", ())
    assert memory.name_of(LAPTOP, ADDRESS, after(5)) == ("school.example", ())
    learn(memory, name="other.example", address=b"oth.", at_s=day_s + CHAIN_LIFETIME_S + 1)
    assert memory.name_of(TABLET, ADDRESS, after(5)) is None
    assert memory.name_of(LAPTOP, ADDRESS, after(5)) is None


def test_all_devices_together_remember_no_more_than_the_bound_and_the_most_silent_goes_first() -> None:
    memory = DnsMemory()
    chain = tuple(f"{number:0200}.example" for number in range(16))
    learn(memory, device=b"patient", name="patient.example", at_s=0)
    devices = 80
    for device in range(devices):
        for number in range(1_024):
            learn(memory, device=bytes((device,)), name=f"n{number}.example", chain=chain, at_s=1)
    assert memory.devices_forgotten > 0
    assert memory.name_of(b"patient", ADDRESS, after(2)) is None
    assert memory.chain_of(bytes((devices - 1,)), "n1023.example", after(2)) == chain
