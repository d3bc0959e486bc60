"""What an event says of a flow: whose it is, where it goes, under which name, and how much."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.devices import Devices
from collector.events import FlowEvent
from collector.flow import Flow
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening_facts import Opening
from collector.periods import Periods
from collector.pseudonyms import KeyRing, Pseudonyms
from collector.segments import Network, parse_network

NS = 1_000_000_000
NOON_NS = int(datetime(2026, 10, 6, 17, tzinfo=UTC).timestamp()) * NS
TABLET = b"\x02\x00\x00\x00\x00\x07"
GATEWAY = b"\x02\x00\x00\x00\x00\x01"
PUPIL = bytes((10, 20, 8, 7))
PRINTER = bytes((10, 20, 16, 3))
SERVER = bytes((192, 0, 2, 80))
STRANGER = bytes((198, 51, 100, 9))

NETWORK = """\
schema: schoolgate/network/1
district: Riverbend
district_id: riverbend
time_zone: America/Chicago
schools:
  - id: lincoln-es
    segments:
      - {cidr: 10.20.8.0/22, group: k-5}
      - {cidr: 10.20.16.0/24, group: staff, role: staff}
      - {vlan: 340, group: guests, role: guests}
"""


@pytest.fixture(scope="module")
def network() -> Network:
    return parse_network(NETWORK, path="network.yaml")


def pseudonyms() -> Pseudonyms:
    periods = Periods(ZoneInfo("America/Chicago"))
    return Pseudonyms(KeyRing(lambda: b"k" * 32), periods=periods, site="Riverbend")


def meter(
    network: Network | None = None,
    *,
    lab: bool = False,
    names: DnsMemory | None = None,
    sensor: str = "tap",
    devices: Devices | None = None,
) -> Meter:
    return Meter(
        sensor=sensor,
        network=network,
        pseudonyms=None if lab else pseudonyms(),
        devices=devices or Devices(Periods(ZoneInfo("America/Chicago"))),
        names=names or DnsMemory(),
    )


COMMON = Flow(
    client=PUPIL,
    server=SERVER,
    client_port=50_000,
    server_port=443,
    proto="tcp",
    started_ns=NOON_NS + 1_234_567,
    ended_ns=NOON_NS + 5 * NS,
    bytes_up=900,
    bytes_down=7_000,
    packets_up=9,
    packets_down=12,
    payload_up=500,
    payload_down=6_400,
    ordinal=3,
    end="fin",
    mac=TABLET,
    server_mac=GATEWAY,
    certain=True,
)


def flow(**other: object) -> Flow:
    fields = {name: getattr(COMMON, name) for name in dir(COMMON) if not name.startswith("_")}
    return Flow(**(fields | other))


def opened(**told: object) -> Opening:
    opening = Opening()
    for name, value in told.items():
        setattr(opening, name, value)
    return opening


def hello(name: str = "www.school.example") -> Opening:
    return opened(server_name=name, name_source="tls_sni", app="tls", tls_version="1.3", alpn="h2", ech=True)


def test_an_event_says_what_was_counted_and_heard() -> None:
    event = meter().event(flow(opening=hello()))
    assert (event.bytes_up, event.bytes_down, event.packets_up, event.packets_down) == (900, 7_000, 9, 12)
    assert (event.server_name, event.name_source, event.app) == ("www.school.example", "tls_sni", "tls")
    assert (event.tls_version, event.tls_version_offered, event.alpn, event.ech) == ("1.3", False, "h2", True)
    assert (event.proto, event.dst_ip, event.dst_port, event.end, event.part) == ("tcp", "192.0.2.80", 443, "fin", 0)


@pytest.mark.parametrize("lab", [True, False])
def test_an_event_is_the_very_one_that_its_contract_makes_of_its_fields(network: Network, *, lab: bool) -> None:
    event = meter(network, lab=lab).event(flow(opening=hello()))
    assert type(event) is FlowEvent
    assert FlowEvent(**{field.name: getattr(event, field.name) for field in dataclasses.fields(FlowEvent)}) == event
    assert isinstance(event.ech, bool)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.sensor = "other"  # type: ignore[misc] # that is the point


def test_a_flow_whose_payload_told_nothing_has_no_name_and_no_application() -> None:
    event = meter().event(flow())
    assert (event.server_name, event.name_source, event.cnames, event.app) == (None, "none", (), "other")
    assert (event.tls_version, event.alpn, event.ech, event.plaintext_data) == (None, None, False, None)


def test_school_and_group_are_those_of_the_segment_of_the_client(network: Network) -> None:
    event = meter(network).event(flow())
    assert (event.district, event.school, event.group) == ("riverbend", "lincoln-es", "k-5")


def test_an_address_in_no_segment_has_neither_school_nor_group(network: Network) -> None:
    event = meter(network).event(flow(client=STRANGER))
    assert (event.district, event.school, event.group) == ("riverbend", None, None)


def test_the_vlan_tells_the_group_where_no_range_does(network: Network) -> None:
    assert meter(network).event(flow(client=STRANGER, vlan=340)).group == "guests"


def test_without_a_network_file_nothing_is_known_of_schools() -> None:
    event = meter().event(flow(vlan=340))
    assert (event.district, event.school, event.group, event.dst_ip) == (None, None, None, "192.0.2.80")


def test_an_event_names_its_device_by_pseudonym_and_shows_no_client_address(network: Network) -> None:
    event = meter(network).event(flow())
    assert event.device is not None
    assert len(event.device) == 16
    assert (event.src_ip, event.src_port) == (None, None)
    assert "10.20.8.7" not in repr(event)


def test_a_lab_event_shows_both_addresses_and_no_pseudonym(network: Network) -> None:
    event = meter(network, lab=True).event(flow(server=PRINTER))
    assert (event.device, event.src_ip, event.src_port) == (None, "10.20.8.7", 50_000)
    assert (event.dst_ip, event.school) == ("10.20.16.3", "lincoln-es")


def test_the_address_of_a_server_inside_the_district_is_kept_back(network: Network) -> None:
    event = meter(network).event(flow(server=PRINTER))
    assert (event.dst_ip, event.dst_port) == (None, 443)


def test_a_vlan_of_the_client_does_not_put_the_server_inside(network: Network) -> None:
    assert meter(network).event(flow(vlan=340)).dst_ip == "192.0.2.80"


@pytest.mark.parametrize(
    "server",
    [
        pytest.param("192.168.5.78", id="a printer of a segment that is given by VLAN"),
        pytest.param("fe80::11:22ff:fe33:4455", id="a neighbour, by its MAC address"),
        pytest.param("::ffff:192.168.5.78", id="the same printer, written as IPv6"),
        pytest.param("100.64.3.4", id="behind the provider's translator"),
        pytest.param("fd12:3456:789a::5", id="a unique local address"),
        pytest.param("224.0.0.251", id="a group"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_an_address_that_means_something_within_the_site_alone_is_kept_back(
    network: Network, server: str, *, known: bool
) -> None:
    there = ip_address(server).packed
    client = there if len(there) == 16 else PUPIL
    found = flow(client=client[:-1] + b"\x09", server=there, vlan=340)
    assert meter(network if known else None).event(found).dst_ip is None
    assert meter(network if known else None, lab=True).event(found).dst_ip is not None


@pytest.mark.parametrize("group", ["255.255.255.255", "224.0.0.251", "ff02::1:2"])
@pytest.mark.parametrize("other", [{}, {"certain": False}, {"certain": False, "opening": opened(reversed=True)}])
def test_a_group_is_never_the_client(network: Network, group: str, other: dict[str, object]) -> None:
    receivers = ip_address(group).packed
    sender = PRINTER if len(receivers) == 4 else ip_address("fe80::1").packed
    for found in (
        flow(client=receivers, server=sender, client_port=68, server_port=67, mac=GATEWAY, server_mac=TABLET, **other),
        flow(client=sender, server=receivers, client_port=67, server_port=68, **other),
    ):
        event = meter(network, lab=True).event(found)
        assert (event.src_ip, event.src_port, event.dst_ip) == (str(ip_address(sender)), 67, group)
        assert meter(network).event(found).device == meter(network).event(flow()).device


def turned(**other: object) -> Flow:
    """Return the common flow as a table sees it that took the server for the client."""
    return flow(
        client=SERVER,
        server=PUPIL,
        client_port=50_001,
        server_port=443,
        bytes_up=7_000,
        bytes_down=900,
        packets_up=12,
        packets_down=9,
        payload_up=6_400,
        payload_down=500,
        mac=GATEWAY,
        server_mac=TABLET,
        **({"certain": False} | other),
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"opening": opened(reversed=True)}, id="who asked is the client"),
        pytest.param({}, id="who is inside is the client"),
    ],
)
def test_a_flow_seen_the_wrong_way_round_is_turned(network: Network, other: dict[str, object]) -> None:
    event = meter(network).event(turned(**other))
    assert (event.school, event.group, event.dst_ip, event.dst_port) == ("lincoln-es", "k-5", "192.0.2.80", 50_001)
    assert (event.bytes_up, event.bytes_down, event.packets_up, event.packets_down) == (900, 7_000, 9, 12)
    assert event.device == meter(network).event(flow()).device


def test_without_a_network_file_who_asked_still_is_the_client() -> None:
    event = meter(lab=True).event(turned(opening=opened(reversed=True)))
    assert (event.src_ip, event.dst_ip, event.bytes_up) == ("10.20.8.7", "192.0.2.80", 900)


def test_a_flow_whose_syn_was_seen_is_never_turned(network: Network) -> None:
    event = meter(network, lab=True).event(turned(certain=True, opening=opened(reversed=True)))
    assert (event.src_ip, event.dst_ip, event.school) == ("192.0.2.80", "10.20.8.7", None)


def test_between_two_inside_the_one_with_the_higher_port_stays_the_client(network: Network) -> None:
    assert meter(network, lab=True).event(flow(server=PRINTER, certain=False)).src_ip == "10.20.8.7"


def test_clear_text_counts_the_payload_of_the_client_and_says_whether_it_held_data() -> None:
    clear = opened(app="http", plaintext=True, plaintext_data=True)
    event = meter().event(flow(opening=clear))
    assert (event.plaintext_bytes_up, event.plaintext_data) == (500, True)
    assert meter().event(turned(opening=opened(plaintext=True, reversed=True))).plaintext_bytes_up == 500
    assert meter().event(flow(opening=hello())).plaintext_bytes_up == 0


def test_the_same_flows_give_the_same_ids_and_the_address_has_no_part_in_them() -> None:
    first = meter().event(flow())
    assert meter().event(flow(client=STRANGER, client_port=1, mac=None)).id == first.id
    others = [
        meter(sensor="tap2").event(flow()),
        meter().event(flow(ordinal=4)),
        meter().event(flow(part=1)),
        meter().event(flow(started_ns=COMMON.started_ns + 1_000)),
    ]
    assert len({first.id, *(event.id for event in others)}) == 5
    assert len(first.id) == 20


def test_neighbouring_flows_have_ids_far_apart() -> None:
    metered = meter()
    ids = [
        metered.event(flow(ordinal=ordinal, started_ns=NOON_NS + 1_000 * late, part=part)).id
        for ordinal in range(60)
        for late in range(60)
        for part in range(2)
    ]
    assert len(set(ids)) == len({each[:16] for each in ids}) == 7_200
    # Of 7,200 random ones some hundred and ninety would share their last four digits with another.
    assert len({each[16:] for each in ids}) > 6_500


@pytest.mark.parametrize(
    ("at_ns", "stamp"),
    [
        pytest.param(NOON_NS, "2026-10-06T17:00:00.000000Z", id="a full second"),
        pytest.param(NOON_NS + NS - 1, "2026-10-06T17:00:00.999999Z", id="the last nanosecond of a second"),
        pytest.param(NOON_NS + NS, "2026-10-06T17:00:01.000000Z", id="the first of the next"),
        pytest.param(NOON_NS + 1_999, "2026-10-06T17:00:00.000001Z", id="nanoseconds are cut, not rounded"),
        pytest.param(0, "1970-01-01T00:00:00.000000Z", id="the epoch"),
        pytest.param(9_000_000_000 * NS - 1, "2255-03-14T15:59:59.999999Z", id="the last time that is read"),
    ],
)
def test_stamps_are_exact_at_the_borders_of_seconds(at_ns: int, stamp: str) -> None:
    event = meter().event(flow(started_ns=at_ns, ended_ns=at_ns))
    assert (event.started_at, event.ended_at) == (stamp, stamp)


def test_beginning_and_end_have_each_their_own_second() -> None:
    metered = meter()
    for second in (0, 60, 1):
        event = metered.event(flow(started_ns=NOON_NS + second * NS, ended_ns=NOON_NS + (second + 30) * NS))
        began, ended = (datetime.fromisoformat(stamp) for stamp in (event.started_at, event.ended_at))
        assert (ended - began).total_seconds() == 30


@given(st.one_of(st.binary(min_size=4, max_size=4), st.lists(st.sampled_from((0, 1, 255)), min_size=16, max_size=16)))
@example(bytes(16))
@example([0] * 15 + [1])
@example(IPv6Address("2001:db8:0:1:1:1:1:1").packed)
@example(IPv6Address("2001:db8:0:0:1:0:0:1").packed)
def test_addresses_are_written_as_everybody_writes_them(octets: bytes | list[int]) -> None:
    address = ip_address(bytes(octets))
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return  # written in two ways, depending on the version of Python
    assert meter(lab=True).event(flow(server=address.packed)).dst_ip == str(address)


def test_flows_behind_a_router_are_devices_of_their_own() -> None:
    metered = meter(devices=Devices(Periods(ZoneInfo("America/Chicago"))))
    seen = [metered.event(flow(client=bytes((10, 20, 8, number)))).device for number in (7, 8, 9, 7)]
    assert len(set(seen)) == 3
    assert seen[0] == seen[3]
