"""How a person names a flow, and what is near to a name that is not there."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.flow_name import FlowName, FlowNameError, flow_name, nearness

FOUR = "192.0.2.10:50000-198.51.100.20:443"
SIX = "[2001:db8::10]:50000-[2001:db8::20]:443"
PORTS = st.integers(0, 65_535)


@pytest.mark.parametrize("text", [FOUR, SIX])
def test_a_flow_is_written_as_it_was_read(text: str) -> None:
    assert str(flow_name(text)) == text
    assert str(flow_name(f" {text} ")) == text


@given(
    st.one_of(
        st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
    ),
    PORTS,
    PORTS,
)
def test_every_flow_can_be_named(ends: tuple[str, str], one: int, other: int) -> None:
    flow = FlowName(client=ip_address(ends[0]), client_port=one, server=ip_address(ends[1]), server_port=other)
    assert flow_name(str(flow)) == flow
    assert flow.turned.turned == flow


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.10-198.51.100.20", "write CLIENT:PORT-SERVER:PORT"),
        ("2001:db8::10:50000-2001:db8::20:443", "IPv6 in brackets"),
        ("192.0.2.300:50000-198.51.100.20:443", "`192.0.2.300` is no IP address"),
        ("server.example:50000-198.51.100.20:443", "is no IP address"),
        ("192.0.2.10:50000-198.51.100.20:70000", "70000 is no port"),
        ("192.0.2.10:50000-[2001:db8::20]:443", "mixes IPv4 and IPv6"),
        ("[fe80::1%eth0]:50000-[fe80::2]:443", "leave out what follows the %"),
        ("192.0.2.10:\u0665\u0660-198.51.100.20:443", "names no flow"),
        ("", "names no flow"),
    ],
)
def test_a_wrong_spelling_is_told_with_the_right_one(text: str, said: str) -> None:
    with pytest.raises(FlowNameError, match=said):
        flow_name(text)


@given(st.text())
def test_no_text_does_worse_than_name_no_flow(text: str) -> None:
    with contextlib.suppress(FlowNameError):
        assert flow_name(str(flow_name(text))) == flow_name(text)


def test_another_port_of_the_same_machines_is_nearer_than_another_server() -> None:
    wanted = flow_name(FOUR)
    port = flow_name("192.0.2.10:50001-198.51.100.20:443")
    server = flow_name("192.0.2.10:50000-198.51.100.21:443")
    client = flow_name("192.0.2.11:50000-198.51.100.20:443")
    stranger = flow_name("192.0.2.11:50000-198.51.100.21:443")
    near = [nearness(wanted, other=each) for each in (port, server, client, stranger)]
    assert near == sorted(near, reverse=True)
    assert near[-1] == 0
    assert len(set(near)) == 4
    assert nearness(wanted, other=port.turned) == near[0]
