"""How a flow and what was said on it come together, whichever comes first."""

from __future__ import annotations

import itertools
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector import log_joining
from collector.devices import Devices
from collector.flow import Flow
from collector.log_joining import WAIT_S, Joiner
from collector.names import DnsMemory
from collector.periods import Periods
from collector.sensor_records import KINDS, Answer, Kind, Saying, SensorFlow
from tests.collector.sensor_lines import AT, PUPIL, PUPIL6, SERVER

NS = 1_000_000_000
MAC = bytes.fromhex("02000000000a")


class Fixture:
    def __init__(self, *, awaited: tuple[Kind, ...] = KINDS, by_mac: bool = False) -> None:
        self.memory = DnsMemory()
        self.joiner = Joiner(self.memory, devices=Devices(Periods(ZoneInfo("UTC"))), awaited=awaited, by_mac=by_mac)


def flow(key: str | None = "C1", *, at: int = AT, **other: Any) -> SensorFlow:
    values: dict[str, Any] = {
        "client": ip_address(PUPIL).packed, "server": ip_address(SERVER).packed, "client_port": 40_000,
        "server_port": 443, "proto": "tcp", "started_ns": at * NS, "ended_ns": (at + 2) * NS, "bytes_up": 1_180,
        "bytes_down": 5_420, "packets_up": 9, "packets_down": 8, "payload_up": 700, "payload_down": 5_000, "end": "fin",
        "certain": True, "vlan": None, "mac": MAC, "app": "tls", "awaits": ("tls",), "ordinal": 1,
    }  # fmt: skip
    return SensorFlow(key=key, **(values | other))


def hello(key: str = "C1", *, at: int = AT, kind: Kind = "tls", **other: Any) -> Saying:
    values: dict[str, Any] = {"server_name": "app.mathtrek.example", "tls_version": "1.3", "alpn": "h2"}
    return Saying(key=key, at_ns=at * NS, kind=kind, **(values | other))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_records_changes_nothing(order: tuple[int, ...]) -> None:
    records = (hello(), hello(kind="quic", alpn="h3"), flow(awaits=("tls", "quic"), app="quic", proto="udp"))
    joiner = Fixture().joiner
    [found] = [each for place in order for each in joiner.take(records[place])]
    assert (found.opening.app, found.opening.name_source, found.opening.alpn) == ("quic", "quic_sni", "h2")
    assert found.opening.server_name == "app.mathtrek.example"


def test_a_flow_of_which_nothing_more_is_known_to_come_waits_for_nothing() -> None:
    [found] = Fixture().joiner.take(flow(awaits=(), app="other"))
    assert (found.opening.app, found.opening.server_name) == ("other", None)


def test_what_is_in_the_same_file_has_come_before_and_is_not_waited_for() -> None:
    [found] = Fixture(awaited=()).joiner.take(flow())
    assert (found.opening.app, found.opening.server_name) == ("tls", None)


def test_a_flow_waits_for_its_hello_as_long_as_the_log_goes_on() -> None:
    joiner = Fixture().joiner
    assert joiner.take(flow()) == []
    assert joiner.take(flow("C2", at=AT + WAIT_S - 1, awaits=())) != []
    assert joiner.waiting_since_ns == (AT + 2) * NS
    released = joiner.take(flow("C3", at=AT + WAIT_S, awaits=()))
    assert [each.opening.server_name for each in released] == [None, None]
    assert joiner.counters.waits_in_vain == 1
    assert joiner.waiting_since_ns is None


def test_at_the_end_nothing_waits() -> None:
    joiner = Fixture().joiner
    assert joiner.take(flow()) == []
    assert len(joiner.finish()) == 1


def test_no_flow_is_lost_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_joining, "MAX_WAITING", 3)
    joiner = Fixture().joiner
    found = [each for number in range(10) for each in joiner.take(flow(f"C{number}"))]
    assert (len(found), joiner.counters.waits_cut) == (7, 7)
    assert len(joiner.finish()) == 3


def test_hellos_beyond_the_bound_are_forgotten_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_joining, "MAX_SAID", 3)
    joiner = Fixture().joiner
    for number in range(10):
        joiner.take(hello(f"C{number}"))
    assert joiner.counters.said_forgotten == 7
    [found] = joiner.take(flow("C9"))
    assert found.opening.server_name == "app.mathtrek.example"
    assert joiner.take(flow("C0")) == []


def test_two_flows_of_one_key_are_two_flows() -> None:
    joiner = Fixture().joiner
    found = [*joiner.take(flow()), *joiner.take(flow()), *joiner.finish()]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("port", "name", "app"),
    [(443, "app.mathtrek.example", "tls"), (853, "app.mathtrek.example", "dot"), (443, "dns.resolver.example", "doh")],
)
def test_encrypted_look_ups_are_told_by_port_and_name(port: int, name: str, app: str) -> None:
    joiner = Fixture().joiner
    joiner.take(hello(server_name=name))
    [found] = joiner.take(flow(server_port=port))
    assert found.opening.app == app


def test_a_clear_request_says_what_can_be_told_of_its_data() -> None:
    joiner = Fixture().joiner
    joiner.take(hello(kind="http", tls_version=None, alpn=None))
    [found] = joiner.take(flow(awaits=("http",), app="http"))
    assert (found.opening.plaintext, found.opening.plaintext_data) == (True, None)
    joiner.take(hello(kind="http", data=True))
    joiner.take(hello(kind="http", server_name="later.example"))
    [found] = joiner.take(flow(awaits=("http",), app="http"))
    assert (found.opening.server_name, found.opening.plaintext_data) == ("app.mathtrek.example", True)


def test_tls_behind_a_request_to_a_proxy_is_what_the_flow_is() -> None:
    joiner = Fixture().joiner
    joiner.take(hello(kind="http", server_name="proxy.example", data=True))
    joiner.take(hello())
    [found] = joiner.take(flow(awaits=("tls", "http")))
    assert (found.opening.app, found.opening.plaintext, found.opening.plaintext_data) == ("tls", False, None)
    assert found.opening.name_source == "tls_sni"


def answer(client: str = PUPIL, mac: bytes | None = MAC) -> Answer:
    return Answer(
        at_ns=AT * NS, client=ip_address(client).packed, name="app.mathtrek.example", chain=("mathtrek.edge.example",),
        addresses=(ip_address(SERVER).packed,), ttl_s=60, mac=mac,
    )  # fmt: skip


def test_an_answer_is_that_of_the_address_that_asked() -> None:
    fixture = Fixture()
    fixture.joiner.take(answer())
    device = b"a" + ip_address(PUPIL).packed
    found = fixture.memory.name_of(device, ip_address(SERVER).packed, (AT + 1) * NS)
    assert found == ("app.mathtrek.example", ("mathtrek.edge.example",))
    [flowed] = fixture.joiner.take(flow(None, awaits=()))
    assert flowed.mac is None


def test_where_both_tell_mac_addresses_a_device_is_one_under_all_its_addresses() -> None:
    fixture = Fixture(by_mac=True)
    fixture.joiner.take(answer())
    [flowed] = fixture.joiner.take(flow(awaits=(), client=ip_address(PUPIL6).packed))
    assert isinstance(flowed, Flow)
    assert flowed.mac == MAC
    assert fixture.memory.name_of(b"m" + MAC, ip_address(SERVER).packed, (AT + 1) * NS) is not None
