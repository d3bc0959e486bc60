"""What the EVE log of Suricata says."""

from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sensor_records import Answer, Record, RecordError, Saying, SensorFlow
from collector.sources.log_values import what_is_wrong
from collector.sources.suricata_eve import EveLog
from tests.collector.sensor_lines import AT, PUPIL, RESOLVER, SERVER, Row, eve, eve_dns, eve_flow, eve_tls

NS = 1_000_000_000


def read(row: Row, *, link_octets: int = 14) -> tuple[Record, ...]:
    return EveLog(link_octets=link_octets).read(json.dumps(row).encode(), at=5)


def flow(*, link_octets: int = 14, **other: Any) -> SensorFlow:
    [found] = read(eve_flow(**other), link_octets=link_octets)
    assert isinstance(found, SensorFlow)
    return found


def saying(row: Row) -> Saying:
    found = read(row)[0]
    assert isinstance(found, Saying)
    return found


def answer(row: Row) -> Answer:
    [found] = read(row)
    assert isinstance(found, Answer)
    return found


def test_a_flow_says_who_when_and_how_much() -> None:
    found = flow()
    assert (found.client, found.client_port) == (ip_address(PUPIL).packed, 40_000)
    assert (found.server, found.server_port, found.proto) == (ip_address(SERVER).packed, 443, "tcp")
    assert (found.started_ns, found.ended_ns) == (AT * NS, (AT + 2) * NS)
    assert (found.packets_up, found.packets_down, found.ordinal) == (9, 8, 5)
    assert (found.app, found.awaits, found.certain, found.end) == ("tls", ("tls",), True, "fin")


def test_octets_are_those_of_ip_without_what_ethernet_has_before_them() -> None:
    assert (flow().bytes_up, flow().bytes_down) == (1_306 - 9 * 14, 5_532 - 8 * 14)
    assert flow(link_octets=0).bytes_up == 1_306


def test_each_tag_has_four_octets_and_the_innermost_is_the_vlan() -> None:
    found = flow(vlan=[12, 340])
    assert (found.bytes_up, found.vlan) == (1_306 - 9 * 22, 340)


def test_a_flow_never_has_fewer_octets_than_its_headers() -> None:
    assert flow(counts=(3, 0, 30, 0)).bytes_up == 60


def test_payload_is_said_too_small_rather_than_too_large() -> None:
    assert flow().payload_up == 1_306 - 9 * (14 + 20 + 32)
    assert flow(proto="UDP", counts=(1, 0, 142, 0)).payload_up == 100


@pytest.mark.parametrize(
    ("other", "end"),
    [
        ({}, "fin"),
        ({"tcp": {"tcp_flags_ts": "16", "tcp_flags_tc": "12", "rst": True, "syn": True}}, "rst"),
        ({"tcp": {"tcp_flags_ts": "1a", "tcp_flags_tc": "1b"}}, "idle"),
        ({"proto": "UDP", "tcp": {}}, "idle"),
    ],
)
def test_the_flags_of_both_sides_say_how_it_ended(other: Row, end: str) -> None:
    assert flow(**other).end == end


def test_a_flow_that_was_open_when_suricata_ended_says_so() -> None:
    row = eve_flow(proto="UDP", tcp={})
    row["flow"]["reason"] = "shutdown"
    [found] = read(row)
    assert isinstance(found, SensorFlow)
    assert found.end == "eof"


def test_a_flow_picked_up_in_the_middle_may_be_the_wrong_way_round() -> None:
    assert not flow(tcp={"tcp_flags_ts": "18", "tcp_flags_tc": "18"}).certain


def test_a_mac_address_is_taken_where_it_is_the_only_one() -> None:
    assert flow(ether={"src_macs": ["02:00:00:00:00:0a"], "dest_macs": []}).mac == bytes.fromhex("02000000000a")
    assert flow(ether={"src_macs": ["02:00:00:00:00:0a", "02:00:00:00:00:0b"]}).mac is None
    assert flow().mac is None


def test_packets_of_icmp_are_counted_and_make_no_flow() -> None:
    log = EveLog()
    row = eve_flow(proto="ICMP", counts=(2, 1, 100, 50))
    assert log.read(json.dumps(row).encode(), at=0) == ()
    assert log.packets_of_others == 3


def test_a_hello_says_name_and_version() -> None:
    found = saying(eve_tls())
    assert (found.kind, found.server_name, found.tls_version, found.alpn) == (
        "tls",
        "app.mathtrek.example",
        "1.3",
        None,
    )


@pytest.mark.parametrize(
    ("written", "version"),
    [("TLSv1", "1.0"), ("TLS 1.1", "1.1"), ("TLS 1.2", "1.2"), ("SSLv3", None), ("UNDETERMINED", None)],
)
def test_versions_are_those_of_tls(written: str, version: str | None) -> None:
    assert saying(eve_tls(version=written)).tls_version == version


def test_the_protocol_agreed_goes_before_the_one_offered() -> None:
    assert saying(eve_tls(client_alpns=["h2", "http/1.1"])).alpn == "h2"
    assert saying(eve_tls(client_alpns=["h2", "http/1.1"], server_alpns=["http/1.1"])).alpn == "http/1.1"


def test_a_quic_hello_lists_its_extensions_encrypted_client_hello_among_them() -> None:
    extensions = [{"name": "alpn", "type": 16, "values": ["h3"]}, {"type": 65_037}, {"name": "key_share", "type": 51}]
    found = saying(eve("quic", {"version": "1", "sni": "app.mathtrek.example", "extensions": extensions}, proto="UDP"))
    assert (found.kind, found.alpn, found.ech, found.tls_version) == ("quic", "h3", True, "1.3")
    assert not saying(eve("quic", {"version": "1"}, proto="UDP")).ech


@pytest.mark.parametrize(
    ("told", "data"),
    [
        ({"url": "/", "http_method": "GET"}, False),
        ({"url": "/s?q=1", "http_method": "GET"}, True),
        ({"url": "/", "http_method": "POST"}, True),
    ],
)
def test_a_request_carries_data_with_a_body_or_a_query(told: Row, *, data: bool) -> None:
    found = saying(eve("http", {"hostname": "app.mathtrek.example"} | told))
    assert (found.server_name, found.data) == ("app.mathtrek.example", data)


@pytest.mark.parametrize("version", [2, 3])
def test_an_answer_says_chain_addresses_and_the_shortest_life(version: int) -> None:
    assert answer(eve_dns(version=version)) == Answer(
        at_ns=(AT - 1) * NS,
        client=ip_address(PUPIL).packed,
        name="app.mathtrek.example",
        chain=("mathtrek.edge.example",),
        addresses=(ip_address(SERVER).packed,),
        ttl_s=60,
    )


def test_a_chain_is_put_in_order_by_the_owners_of_its_records() -> None:
    row = eve_dns()
    row["dns"]["answers"] = [
        {"rrname": "b.example", "rrtype": "A", "ttl": 60, "rdata": SERVER},
        {"rrname": "a.example", "rrtype": "CNAME", "ttl": 60, "rdata": "b.example"},
        {"rrname": "app.mathtrek.example", "rrtype": "CNAME", "ttl": 60, "rdata": "a.example"},
    ]
    assert answer(row).chain == ("a.example", "b.example")


def test_answers_grouped_by_type_give_addresses() -> None:
    row = eve_dns()
    del row["dns"]["answers"]
    row["dns"]["grouped"] = {"A": [SERVER], "CNAME": ["mathtrek.edge.example"]}
    assert answer(row).addresses == (ip_address(SERVER).packed,)


def test_whoever_is_not_the_resolver_asked() -> None:
    row = eve_dns(src_ip=RESOLVER, src_port=53, dest_ip=PUPIL, dest_port=50_000)
    assert answer(row).client == ip_address(PUPIL).packed


def test_an_answer_tells_the_mac_address_of_who_asked() -> None:
    ether = {"src_mac": "02:00:00:00:00:0a", "dest_mac": "02:00:00:00:00:fe"}
    assert answer(eve_dns(ether=ether)).mac == bytes.fromhex("02000000000a")


@pytest.mark.parametrize(
    "row",
    [
        eve_dns(dest_port=5_353),
        eve("dns", {"type": "query", "rrname": "app.mathtrek.example", "rrtype": "A"}, dest_port=53),
        eve("dns", {"type": "answer", "rrname": "app.mathtrek.example", "rcode": "NXDOMAIN"}, dest_port=53),
        eve("dns", {"type": "answer", "rrname": "two words", "rcode": "NOERROR"}, dest_port=53),
    ],
    ids=["neighbour", "question", "no such name", "no name"],
)
def test_what_leads_nowhere_teaches_nothing(row: Row) -> None:
    assert read(row) == ()


@pytest.mark.parametrize("kind", ["alert", "stats", "fileinfo", "netflow", "anomaly"])
def test_other_events_say_nothing(kind: str) -> None:
    assert read(eve(kind, {"anything": [1, {"else": None}]})) == ()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b'"flow"', "EVE"),
        (b"[" * 100_000, "EVE|JSON"),
        (json.dumps(eve_flow(flow=1)).encode(), "flow"),
        (json.dumps(eve_flow(src_ip="192.0.2.999")).encode(), "address"),
        (json.dumps(eve_flow(src_port=70_000)).encode(), "src_port"),
        (json.dumps(eve_flow(counts=(1, 1, -5, 0))).encode(), "bytes"),
        (json.dumps(eve_tls(flow_id=None)).encode(), "flow_id"),
        (json.dumps(eve_tls() | {"timestamp": "2026-10-14T14:00:00"}).encode(), "timestamp"),
    ],
)
def test_a_broken_line_is_refused_by_what_is_wrong_and_not_by_its_values(broken: bytes, words: str) -> None:
    with pytest.raises(RecordError, match=words) as caught:
        EveLog().read(broken, at=0)
    assert "192.0.2" not in str(caught.value)


class Strict(msgspec.Struct, frozen=True):
    """Of a kind whose faults the library tells with the value."""

    kind: Literal["flow"] = "flow"
    by_name: dict[str, int] = {}
    ports: list[int] = []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"kind": PUPIL}, "a value that cannot be, at `$.kind`"),
        ({"by_name": {PUPIL: "x"}}, "`str` where `int` belongs, at `$.by_name[...]`"),
        ({"ports": [1, PUPIL]}, "`str` where `int` belongs, at `$.ports[1]`"),
        (PUPIL, "`str` where `object` belongs"),
    ],
)
def test_a_fault_is_told_by_place_and_kind_and_never_by_the_words_of_the_library(line: object, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(json.dumps(line), type=Strict)
    assert what_is_wrong(caught.value) == told
    assert PUPIL not in what_is_wrong(msgspec.ValidationError(f"Expected `int`, got `{PUPIL}` - at `$.{PUPIL}`"))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([PUPIL, "A", "ff"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
def test_no_value_raises_anything_else(data: st.DataObject) -> None:
    row = data.draw(
        st.sampled_from([eve_flow(), eve_tls(), eve_dns(), eve_dns(version=3), eve("quic", {}), eve("http", {})])
    )
    place = row if data.draw(st.booleans()) else row[row["event_type"]]
    place[data.draw(st.sampled_from([*place, "vlan", "ether", "grouped", "extensions", "sni"]))] = data.draw(_json)
    with suppress(RecordError):
        read(row)


@given(octets=st.binary(max_size=200))
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    for line in (octets, b'{"event_type":"flow",' + octets, b'{"event_type":"dns","dns":{' + octets):
        with suppress(RecordError):
            EveLog().read(line, at=0)
