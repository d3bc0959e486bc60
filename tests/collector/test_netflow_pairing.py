"""How directions become flows, and flows parts."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from collector import netflow_pairing, netflow_repeats
from collector.netflow_pairing import PAIR_WAIT_S, PART_GAP_S, Half, Pairing
from collector.netflow_repeats import Repeats
from collector.sensor_records import SensorFlow
from tests.collector.sensor_lines import AT, PUPIL, SERVER

NS = 1_000_000_000


def half(*, up: bool = True, at: float = AT, **other: Any) -> Half:
    ends = ((PUPIL, 40_000), (SERVER, 443)) if up else ((SERVER, 443), (PUPIL, 40_000))
    values: dict[str, Any] = {
        "source": ip_address(ends[0][0]).packed, "source_port": ends[0][1],
        "target": ip_address(ends[1][0]).packed, "target_port": ends[1][1],
        "proto": "tcp", "started_ns": int(at * NS), "ended_ns": int((at + 2) * NS),
        "octets": 1_180 if up else 5_420, "packets": 9 if up else 8, "octets_back": 0, "packets_back": 0,
        "both": False, "certain": False, "vlan": None, "end": "fin", "ordinal": 1 if up else 2,
    }  # fmt: skip
    return Half(**(values | other))


def paired(*halves: Half, step_s: int = 0) -> list[SensorFlow]:
    pairing = Pairing()
    flows: list[SensorFlow] = []
    for number, each in enumerate(halves):
        flows += pairing.take(each, at_ns=(AT + 10 + number * step_s) * NS)
    return flows + pairing.finish()


@pytest.mark.parametrize("first_up", [True, False])
def test_two_directions_are_one_flow_of_whoever_has_the_higher_port(*, first_up: bool) -> None:
    [flow] = paired(half(up=first_up), half(up=not first_up))
    assert (flow.client, flow.client_port) == (ip_address(PUPIL).packed, 40_000)
    assert (flow.bytes_up, flow.bytes_down, flow.packets_up, flow.packets_down) == (1_180, 5_420, 9, 8)
    assert not flow.certain


def test_the_exporter_may_know_who_began() -> None:
    [flow] = paired(half(up=False, both=True, certain=True, octets_back=1_180, packets_back=9))
    assert (flow.client_port, flow.bytes_up, flow.bytes_down, flow.certain) == (443, 5_420, 1_180, True)


def test_between_equal_ports_whoever_sent_first_is_the_client() -> None:
    ports: dict[str, Any] = {"source_port": 500, "target_port": 500, "proto": "udp"}
    [flow] = paired(half(at=AT + 1, **ports), half(up=False, **ports))
    assert flow.client == ip_address(SERVER).packed


def test_a_flow_lasts_from_the_first_packet_to_the_last_of_both() -> None:
    [flow] = paired(half(at=AT), half(up=False, at=AT + 1))
    assert (flow.started_ns, flow.ended_ns) == (AT * NS, (AT + 3) * NS)


def test_a_direction_alone_goes_when_its_patience_ends() -> None:
    pairing = Pairing()
    assert pairing.take(half(), at_ns=AT * NS) == []
    assert pairing.take(half(source_port=40_001), at_ns=(AT + PAIR_WAIT_S - 1) * NS) == []
    [flow] = pairing.take(half(source_port=40_002), at_ns=(AT + PAIR_WAIT_S) * NS)
    assert (flow.client_port, flow.bytes_up, flow.bytes_down) == (40_000, 1_180, 0)
    assert pairing.single == 1


def test_no_octet_is_lost_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netflow_pairing, "MAX_HALVES", 3)
    pairing = Pairing()
    halves = [half(source_port=40_000 + number) for number in range(10)]
    flows = [flow for each in halves for flow in pairing.take(each, at_ns=AT * NS)]
    assert (len(flows), pairing.halves_cut) == (7, 7)
    flows += pairing.finish()
    assert sum(flow.bytes_up for flow in flows) == 10 * 1_180


def test_the_records_of_a_long_flow_are_its_parts() -> None:
    halves = [
        half(up=up, at=AT + 60 * number, end="active" if number < 2 else "fin", ordinal=10 * number + up)
        for number in range(3)
        for up in (True, False)
    ]
    flows = paired(*halves)
    assert [(flow.part, flow.end) for flow in flows] == [(0, "active"), (1, "active"), (2, "fin")]
    assert len({flow.ordinal for flow in flows}) == 1
    assert sum(flow.bytes_down for flow in flows) == 3 * 5_420


def test_the_same_ports_after_an_end_or_a_long_silence_are_another_flow() -> None:
    flows = paired(half(), half(up=False), half(at=AT + 5), half(up=False, at=AT + 5))
    assert [flow.part for flow in flows] == [0, 0]
    later = AT + 2 + PART_GAP_S + 1
    flows = paired(half(end="idle"), half(up=False, end="idle"), half(at=later), half(up=False, at=later))
    assert [flow.part for flow in flows] == [0, 0]


def test_long_flows_beyond_the_bound_are_forgotten_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netflow_pairing, "MAX_LONG", 2)
    pairing = Pairing()
    for number in range(50):
        pairing.take(half(both=True, source_port=40_000 + number, end="active"), at_ns=AT * NS)
    assert len(pairing._long) == 2


@pytest.mark.parametrize(("port", "app"), [(53, "dns"), (853, "dot"), (443, "other")])
def test_ports_of_look_ups_say_what_is_spoken(port: int, app: str) -> None:
    [flow] = paired(half(target_port=port, proto="udp"))
    assert flow.app == app


def test_what_comes_in_and_is_sent_on_counts_once() -> None:
    repeats = Repeats()
    assert repeats.is_new(half(leaving=False), exporter="a")
    assert not repeats.is_new(half(leaving=True, at=AT + 0.01), exporter="a")
    assert repeats.count == 1
    assert repeats.is_new(half(leaving=True), exporter="b")


def test_the_two_directions_and_the_next_part_are_no_repeats() -> None:
    repeats = Repeats()
    assert repeats.is_new(half(leaving=False), exporter="a")
    assert repeats.is_new(half(up=False, leaving=True), exporter="a")
    assert repeats.is_new(half(at=AT + 60, leaving=False), exporter="a")
    assert repeats.is_new(half(at=AT + 120, leaving=True), exporter="a")


def test_what_was_told_is_forgotten_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netflow_repeats, "MAX_REMEMBERED", 4)
    repeats = Repeats()
    for number in range(50):
        repeats.is_new(half(source_port=40_000 + number), exporter="a")
    assert len(repeats._told) == 4
