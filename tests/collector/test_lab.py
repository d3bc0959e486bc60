"""Events that bring addresses get what a collector would have said, and lose what it would not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collector.events import FlowEvent
from collector.lab import without_addresses
from collector.segments import parse_network
from collector.watch import new_pseudonyms

NETWORK = parse_network(
    """\
schema: schoolgate/network/1
district: Riverbend
time_zone: America/Chicago
schools:
  - id: lincoln-es
    segments:
      - {cidr: 192.0.2.0/24, group: k-5}
      - {vlan: 340, group: guests, role: guests}
""",
    path="network.yaml",
)
PSEUDONYMS, _RING = new_pseudonyms(NETWORK, make_key=lambda: b"k" * 32)
LAB = FlowEvent(
    id=f"{7:020x}", sensor="lab", school=None, group=None, device=None, src_ip="192.0.2.7", src_port=50_000,
    dst_ip="198.51.100.20", dst_port=443, proto="tcp", started_at="2026-10-06T15:00:00.000000Z",
    ended_at="2026-10-06T15:00:01.000000Z", bytes_up=900, bytes_down=7_000, packets_up=9, packets_down=12,
    server_name=None, name_source="none", app="tls", tls_version="1.3", alpn=None, ech=False, plaintext_bytes_up=0,
    end="fin",
)  # fmt: skip
TOLD = replace(LAB, src_ip=None, src_port=None, school="lincoln-es", group="k-5", device="0123456789abcdef")
OF_THE_SITE = ("192.168.5.78", "fe80::11:22ff:fe33:4455", "fe80::1%eth0", "::ffff:10.20.8.7", "224.0.0.251")


def left(event: FlowEvent) -> FlowEvent:
    return without_addresses(event, network=NETWORK, pseudonyms=PSEUDONYMS)


def test_a_lab_event_gets_segment_and_pseudonym_and_keeps_the_server_on_the_internet() -> None:
    found = left(LAB)
    assert (found.school, found.group, found.src_ip, found.src_port) == ("lincoln-es", "k-5", None, None)
    assert found.device is not None
    assert found.dst_ip == "198.51.100.20"


@pytest.mark.parametrize("server", [*OF_THE_SITE, "192.0.2.9", "no address"])
def test_the_server_of_a_lab_event_that_is_of_the_site_is_kept_back(server: str) -> None:
    assert left(replace(LAB, dst_ip=server)).dst_ip is None


@pytest.mark.parametrize("server", [*OF_THE_SITE, "no address"])
def test_so_it_is_with_an_event_that_another_collector_sent(server: str) -> None:
    assert left(replace(TOLD, dst_ip=server)) == replace(TOLD, dst_ip=None)


def test_the_port_of_a_client_leaves_without_its_address_too() -> None:
    assert left(replace(TOLD, src_port=50_000)) == TOLD


def test_an_event_without_addresses_is_the_very_one_that_came() -> None:
    assert left(TOLD) is TOLD


def test_where_a_name_was_that_is_no_host_name_has_no_address() -> None:
    assert left(replace(LAB, withheld=True)).dst_ip is None
    assert left(replace(TOLD, withheld=True)) == replace(TOLD, withheld=True, dst_ip=None)
