"""Two opinions side by side: what differs is told with a reason, what agrees without."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from collector.events import FlowEvent
from collector.second_opinion import Circumstances, Opinion, Row, own_opinion, side_by_side

EVENT = FlowEvent(
    id="1", sensor="s", school=None, group=None, device=None, src_ip="192.0.2.10", src_port=50_000,
    dst_ip="198.51.100.20", dst_port=443, proto="tcp", started_at="2026-10-06T08:00:00.000000Z",
    ended_at="2026-10-06T08:05:00.000000Z", bytes_up=100, bytes_down=200, packets_up=2, packets_down=3,
    server_name="www.school.example", name_source="tls_sni", app="tls", tls_version="1.3", alpn="h2", ech=False,
    plaintext_bytes_up=0, end="active",
)  # fmt: skip
OWN = own_opinion([EVENT])
AT = Circumstances(given=5, left_out=0, fragments=0, cut_short=0, answers=0, placed=5)


def differing(other: Opinion, *, own: Opinion = OWN, at: Circumstances = AT) -> dict[str, Row]:
    return {row.fact: row for row in side_by_side(own, other=other, at=at) if row.differs}


def test_who_says_the_same_needs_no_reason() -> None:
    rows = side_by_side(OWN, other=OWN, at=AT)
    assert {row.fact for row in rows} == {field.name for field in fields(Opinion)}
    assert all(row.differs is False and not row.why for row in rows)


def test_parts_of_a_long_flow_are_one_flow_and_two_flows_are_two() -> None:
    later = replace(
        EVENT, part=1, started_at="2026-10-06T08:05:00.500000Z", ended_at="2026-10-06T08:06:00.000000Z", bytes_up=11,
        server_name=None, name_source="none", tls_version=None, alpn=None, end="fin",
    )  # fmt: skip
    both = own_opinion([later, EVENT])
    assert (both.flows, both.bytes_up, both.packets_down) == (1, 111, 6)
    assert (both.server_name, both.tls_version, both.alpn) == ("www.school.example", "1.3", "h2")
    assert (both.started_at, both.ended_at) == (EVENT.started_at, later.ended_at)
    assert own_opinion([EVENT, replace(later, part=0)]).flows == 2


def test_what_was_agreed_goes_before_what_was_offered() -> None:
    offered = replace(EVENT, tls_version="1.3", tls_version_offered=True)
    agreed = replace(EVENT, tls_version="1.2", started_at="2026-10-06T09:00:00.000000Z")
    both = own_opinion([offered, agreed])
    assert (both.tls_version, both.tls_version_offered) == ("1.2", False)


NAMELESS = replace(OWN, server_name=None, name_source="none")


@pytest.mark.parametrize(
    ("own", "other", "at", "fact", "reason"),
    [
        (OWN, NAMELESS, replace(AT, cut_short=2), "server_name", "only the first octets of 2 packets"),
        (OWN, NAMELESS, replace(AT, fragments=2), "server_name", "lies in IP fragments"),
        (OWN, NAMELESS, AT, "server_name", "lost, doubled or out of order"),
        (replace(OWN, app="quic"), NAMELESS, AT, "server_name", "QUIC hellos are encrypted"),
        (OWN, replace(NAMELESS, app="other"), AT, "server_name", "recognised no TLS"),
        (replace(OWN, name_source="dns"), NAMELESS, AT, "server_name", "DNS answer of another flow"),
        (replace(OWN, name_source="dns"), NAMELESS, replace(AT, answers=1), "server_name", "time to live"),
        (replace(OWN, flows=2), NAMELESS, AT, "server_name", "several flows"),
        (NAMELESS, OWN, AT, "server_name", "report it if Schoolgate is wrong"),
        (NAMELESS, replace(OWN, server_name="192.0.2.1"), AT, "server_name", "an address is no name"),
        (OWN, replace(OWN, name_source="dns"), AT, "name_source", "another place"),
        (replace(OWN, cnames=("a.example",)), OWN, AT, "cnames", "was not given it"),
        (replace(OWN, cnames=("a.example",)), OWN, replace(AT, answers=1), "cnames", "last answer for the name"),
        (replace(OWN, app="dot"), OWN, AT, "app", "knows the resolver or the port"),
        (replace(OWN, app="other"), OWN, AT, "app", "also by its port number"),
        (OWN, replace(OWN, tls_version_offered=True), AT, "tls_version_offered", "only Schoolgate read the"),
        (replace(OWN, tls_version_offered=True), OWN, AT, "tls_version_offered", "only tshark read the"),
        (OWN, replace(OWN, flows=2), AT, "flows", "used again"),
        (OWN, replace(OWN, flows=0), AT, "flows", "placed no packet"),
        (OWN, replace(OWN, bytes_up=9), AT, "bytes_up", "a length of 0"),
        (OWN, replace(OWN, packets_up=1), replace(AT, fragments=1), "packets_up", "1 of the packets are IP fragments"),
        (OWN, replace(OWN, packets_up=1), replace(AT, placed=4), "packets_up", "placed 4 of 5 packets"),
        (OWN, replace(OWN, packets_up=1), replace(AT, given=9, placed=9), "packets_up", "flow table and its search"),
        (OWN, replace(OWN, packets_up=1, ended_at=""), AT, "ended_at", "different packets"),
        (OWN, replace(OWN, ended_at=""), AT, "ended_at", "not in order of time"),
    ],
)  # fmt: skip
def test_a_difference_comes_with_its_reason(
    own: Opinion, other: Opinion, at: Circumstances, fact: str, reason: str
) -> None:
    assert reason in differing(other, own=own, at=at)[fact].why


def test_counts_of_a_flow_of_which_tshark_saw_the_beginning_are_not_compared() -> None:
    other = replace(OWN, bytes_up=1, packets_up=1, ended_at="2026-10-06T08:00:01.000000Z", server_name="x.example")
    rows = {row.fact: row for row in side_by_side(OWN, other=other, at=replace(AT, left_out=7))}
    assert {fact for fact, row in rows.items() if row.differs is None} == {
        "flows", "packets_up", "packets_down", "bytes_up", "bytes_down", "ended_at",
    }  # fmt: skip
    assert "the first 5 of 12 packets" in rows["bytes_up"].why
    assert rows["server_name"].differs
