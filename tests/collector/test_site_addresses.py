"""Which addresses mean something within a site alone, and which of the Internet a test may use."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.site_addresses import is_group, is_of_site

OF_SITES = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
OF_THE_INTERNET = (
    "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
    "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "1.1.1.1",
    "192.0.2.7", "198.51.100.7", "203.0.113.7", "2001:db8::7", "2001:db8:20:8::7", "2606:4700::1111",
    "64:ff9b::1.1.1.1", "fbff::1", "2001:db8::ff:fe00:1",
)  # fmt: skip

UNUSED = (ip_network("240.0.0.0/4"), ip_network("::/96"))
"""Reserved, and what once held IPv4 addresses: no server of the Internet has one."""
NEAR = st.builds(
    lambda text, tail: ip_network(text)[0].packed[:2] + tail[2 : len(ip_network(text)[0].packed)],
    st.sampled_from((*OF_SITES, "fe00::/10", "::ffff:0:0/96")), st.binary(min_size=16, max_size=16),
)  # fmt: skip
"""Addresses that begin as one of a site does, or almost."""


@pytest.mark.parametrize("text", OF_SITES)
def test_the_first_and_the_last_address_of_each_range_of_sites_are_of_one(text: str) -> None:
    ends = ip_network(text)
    assert is_of_site(ends[0].packed)
    assert is_of_site(ends[-1].packed)


@pytest.mark.parametrize("text", OF_THE_INTERNET)
def test_their_neighbours_and_the_documentation_ranges_are_of_the_internet(text: str) -> None:
    assert not is_of_site(ip_address(text).packed)


@given(st.binary(min_size=4, max_size=4))
def test_an_ipv4_address_within_ipv6_is_what_it_is_without(octets: bytes) -> None:
    mapped = bytes(10) + b"\xff\xff" + octets
    assert (is_of_site(mapped), is_group(mapped)) == (is_of_site(octets), is_group(octets))


@given(st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16), NEAR))
def test_any_address_is_of_a_site_where_it_lies_in_one_of_the_ranges(octets: bytes) -> None:
    address = ip_address(octets)
    address = getattr(address, "ipv4_mapped", None) or address
    assert is_of_site(octets) == any(address in each for each in (*map(ip_network, OF_SITES), *UNUSED))


@pytest.mark.parametrize("text", ["224.0.0.251", "239.255.255.250", "255.255.255.255", "ff02::1:2", "::ffff:224.0.0.1"])
def test_multicast_and_broadcast_are_of_a_group(text: str) -> None:
    assert is_group(ip_address(text).packed)


@pytest.mark.parametrize("text", ["223.255.255.255", "240.0.0.1", "255.255.255.254", "fe80::1", "192.0.2.255", "::"])
def test_others_are_of_one_receiver(text: str) -> None:
    assert not is_group(ip_address(text).packed)


def test_the_ranges_above_are_networks_of_both_versions() -> None:
    assert {type(ip_network(text)) for text in OF_SITES} == {IPv4Network, IPv6Network}
