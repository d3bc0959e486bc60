"""What the logs of Zeek say, as text and as JSON."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sensor_records import Answer, Record, RecordError, Saying, SensorFlow
from collector.sources.zeek_log import ZeekLog
from tests.collector.sensor_lines import (
    AT,
    PUPIL,
    PUPIL6,
    RESOLVER,
    SERVER,
    Row,
    conn,
    dns,
    http,
    quic,
    ssl,
    zeek_json,
    zeek_text,
)

NS = 1_000_000_000


def read(octets: bytes) -> list[Record]:
    log = ZeekLog()
    found: list[Record] = []
    at = 0
    for line in octets.splitlines(keepends=True):
        found += log.read(line.rstrip(b"\n"), at=at)
        at += len(line)
    return found


def both(path: str, row: Row) -> Record:
    """Return what a row says, after making sure that it says the same in both forms, places apart."""
    text, plain = read(zeek_text(path, [row])), read(zeek_json([row]))
    assert [_without_place(each) for each in text] == [_without_place(each) for each in plain]
    return plain[-1]


def _without_place(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__ if name != "ordinal"}


def flow(**other: Any) -> SensorFlow:
    found = both("conn", conn(**other))
    assert isinstance(found, SensorFlow)
    return found


def test_a_connection_says_who_when_and_how_much() -> None:
    found = flow()
    assert (found.client, found.client_port) == (ip_address(PUPIL).packed, 40_000)
    assert (found.server, found.server_port, found.proto) == (ip_address(SERVER).packed, 443, "tcp")
    assert (found.started_ns, found.ended_ns) == (AT * NS, (AT + 2) * NS)
    assert (found.bytes_up, found.bytes_down, found.packets_up, found.packets_down) == (1_180, 5_420, 9, 8)
    assert (found.payload_up, found.payload_down) == (700, 5_000)
    assert (found.app, found.awaits, found.key, found.certain) == ("tls", ("tls",), "C1", True)


def test_times_are_taken_to_the_microsecond() -> None:
    assert flow(at=AT + 0.123457, duration=0.000001).started_ns == AT * NS + 123_457_000
    assert flow(at=AT + 0.123457, duration=0.000001).ended_ns == AT * NS + 123_458_000


@pytest.mark.parametrize("written", ["2026-10-14T18:00:00.000000Z", AT * 1_000])
def test_json_may_have_times_as_text_or_in_milliseconds(written: object) -> None:
    [found] = read(zeek_json([conn() | {"ts": written}]))
    assert isinstance(found, SensorFlow)
    assert found.started_ns == AT * NS


@pytest.mark.parametrize(
    ("state", "proto", "end"),
    [("SF", "tcp", "fin"), ("RSTO", "tcp", "rst"), ("REJ", "tcp", "rst"), ("S1", "tcp", "idle"), ("SF", "udp", "idle")],
)
def test_the_state_says_how_it_ended(state: str, proto: str, end: str) -> None:
    assert flow(conn_state=state, proto=proto).end == end


@pytest.mark.parametrize(
    ("history", "proto", "certain"),
    [("ShADad", "tcp", True), ("hAd", "tcp", True), ("DadA", "tcp", False), ("Dd", "udp", False)],
)
def test_who_opened_it_is_certain_where_a_handshake_was_seen(history: str, proto: str, *, certain: bool) -> None:
    assert flow(history=history, proto=proto).certain is certain


def test_the_innermost_tag_is_the_vlan() -> None:
    assert flow(inner_vlan=340).vlan == 340
    assert flow().vlan is None
    [found] = read(zeek_json([conn() | {"vlan": 12}]))
    assert isinstance(found, SensorFlow)
    assert found.vlan == 12


def test_quic_is_told_by_its_service_beside_the_tls_in_it() -> None:
    found = flow(proto="udp", service="quic,ssl", history="Dd")
    assert (found.app, set(found.awaits)) == ("quic", {"quic", "tls"})


def test_a_protocol_that_zeek_took_back_is_none() -> None:
    assert flow(service="-ssl").awaits == ()


def test_a_connection_without_an_end_has_no_length() -> None:
    assert flow(duration=None).ended_ns == AT * NS


def test_packets_of_icmp_are_counted_and_make_no_flow() -> None:
    log = ZeekLog()
    [line] = zeek_json([conn(proto="icmp")]).splitlines()
    assert log.read(line, at=0) == ()
    assert log.packets_of_others == 17


def test_payload_alone_is_no_count_of_octets() -> None:
    with pytest.raises(RecordError, match="use_conn_size_analyzer"):
        read(zeek_json([conn(orig_ip_bytes=None)]))


def test_a_record_is_numbered_by_its_place_in_the_log() -> None:
    text = zeek_text("conn", [conn("C1"), conn("C2")])
    places = [record.ordinal for record in read(text) if isinstance(record, SensorFlow)]
    assert places == [text.index(b"1792000800"), text.index(b"1792000800", text.index(b"C1"))]


def test_a_hello_says_name_version_and_protocol() -> None:
    found = both("ssl", ssl())
    assert found == Saying(
        key="C1",
        at_ns=AT * NS + 20_000_000,
        kind="tls",
        server_name="app.mathtrek.example",
        tls_version="1.3",
        alpn="h2",
    )


@pytest.mark.parametrize(
    ("written", "version"), [("TLSv10", "1.0"), ("TLSv12", "1.2"), ("SSLv3", None), ("DTLSv12", None)]
)
def test_versions_are_those_of_tls(written: str, version: str | None) -> None:
    found = both("ssl", ssl(version=written))
    assert isinstance(found, Saying)
    assert found.tls_version == version


@pytest.mark.parametrize("name", ["192.0.2.1", "two words", "a..b", None, "Ünicode.example"])
def test_what_is_no_host_name_names_nobody(name: str | None) -> None:
    [found] = read(zeek_json([ssl(server_name=name)]))
    assert isinstance(found, Saying)
    assert found.server_name is None


def test_names_are_lower_case_without_a_final_dot() -> None:
    found = both("ssl", ssl(server_name="App.MathTrek.example."))
    assert isinstance(found, Saying)
    assert found.server_name == "app.mathtrek.example"


def test_a_quic_hello_says_what_was_offered_and_runs_tls_1_3() -> None:
    found = both("quic", quic())
    assert isinstance(found, Saying)
    assert (found.kind, found.alpn, found.tls_version) == ("quic", "h3", "1.3")
    old = both("quic", quic(version="Q046"))
    assert isinstance(old, Saying)
    assert old.tls_version is None


@pytest.mark.parametrize(
    ("told", "data"), [({}, False), ({"uri": "/s?q=1"}, True), ({"method": "POST", "request_body_len": 12}, True)]
)
def test_a_request_carries_data_with_a_body_or_a_query(told: Row, *, data: bool) -> None:
    found = both("http", http(**told))
    assert isinstance(found, Saying)
    assert (found.server_name, found.data) == ("app.mathtrek.example", data)


def test_a_port_is_no_part_of_the_host() -> None:
    found = both("http", http(host="app.mathtrek.example:8080"))
    assert isinstance(found, Saying)
    assert found.server_name == "app.mathtrek.example"


def test_an_answer_says_chain_addresses_and_the_shortest_life() -> None:
    found = both("dns", dns())
    assert found == Answer(
        at_ns=(AT - 1) * NS + 4_000_000,
        client=ip_address(PUPIL).packed,
        name="app.mathtrek.example",
        chain=("mathtrek.edge.example",),
        addresses=(ip_address(SERVER).packed,),
        ttl_s=60,
    )


def test_a_chain_keeps_the_order_of_the_answer_and_leaves_signatures_out() -> None:
    told = ["a.edge.example", "RRSIG 5 edge.example", "b.edge.example", SERVER, "2001:db8::20"]
    found = both("dns", dns(answers=told, TTLs=[1.0] * 5))
    assert isinstance(found, Answer)
    assert found.chain == ("a.edge.example", "b.edge.example")
    assert len(found.addresses) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"qtype": 15, "answers": ["mail.example"]},
        {"qtype": 12},
        {"rcode": 3},
        {"answers": None, "TTLs": None},
        {"query": None},
        {"id.resp_p": 5_353},
    ],
    ids=["mail", "pointer", "no such name", "no answer", "no question", "neighbour"],
)
def test_what_leads_nowhere_teaches_nothing(other: Row) -> None:
    found = read(zeek_json([dns(**other)]))
    assert found == []


def test_a_log_that_is_rotated_goes_on_with_its_next_header() -> None:
    text = zeek_text("conn", [conn("C1")])
    assert len(read(text + text.replace(b"C1", b"C2"))) == 2


def test_other_logs_of_zeek_say_nothing() -> None:
    text = zeek_text("ssl", [ssl()]).replace(b"#path\tssl", b"#path\tx509")
    assert read(text) == []


def test_addresses_of_both_families_are_read() -> None:
    found = flow(**{"id.orig_h": PUPIL6, "id.resp_h": "2001:db8:ffff::20"})
    assert found.client == ip_address(PUPIL6).packed


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"C1\tand too few", "columns"),
        (zeek_text("conn", [conn(orig_pkts="many")]).splitlines()[8], "orig_pkts"),
        (zeek_text("conn", [conn() | {"id.orig_h": "192.0.2.999"}]).splitlines()[8], "address"),
        (zeek_text("conn", [conn(at=-5.0)]).splitlines()[8], "ts"),
        (b"{", "JSON"),
        (b'{"_path":"conn","uid":"C1"}', "proto"),
        (b"[" * 100_000, "columns"),
    ],
)
def test_a_broken_line_is_refused_by_what_is_wrong_and_not_by_its_values(broken: bytes, words: str) -> None:
    log = ZeekLog()
    for line in zeek_text("conn", [], end=False).splitlines():
        log.read(line, at=0)
    with pytest.raises(RecordError, match=words) as caught:
        log.read(broken, at=0)
    assert "192.0.2" not in str(caught.value)


def test_a_line_before_any_header_is_refused() -> None:
    with pytest.raises(RecordError, match="header"):
        ZeekLog().read(b"1792000800.0\tC1", at=0)


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(RecordError, match="JSON"):
        ZeekLog().read(b'{"_path":' + b"[" * 100_000, at=0)


_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.lists(st.text(max_size=5), max_size=3),
    st.sampled_from([PUPIL, RESOLVER, "0", "-1", "1e999", "nan", "9" * 40, str(AT), "2026-10-14T14:00:00"]),
)  # fmt: skip


@given(
    path=st.sampled_from(["conn", "ssl", "quic", "dns", "http"]),
    name=st.sampled_from([*conn(), *ssl(), *quic(), *dns(), *http(), "vlan", "_path"]),
    value=_values,
)
def test_no_value_of_json_raises_anything_else(path: str, name: str, value: object) -> None:
    row = {"conn": conn, "ssl": ssl, "quic": quic, "dns": dns, "http": http}[path]()
    for line in zeek_json([row | {name: value}]).splitlines():
        with suppress(RecordError):
            ZeekLog().read(line, at=0)


@given(lines=st.lists(st.binary(max_size=80), max_size=6), path=st.sampled_from(["conn", "ssl", "quic", "dns", "http"]))
def test_no_octets_raise_anything_else(lines: list[bytes], path: str) -> None:
    log = ZeekLog()
    whole = zeek_text(path, [{"conn": conn, "ssl": ssl, "quic": quic, "dns": dns, "http": http}[path]()]).splitlines()
    for line in [*whole, *lines, b"#" + b"".join(lines), *(whole[8] + each for each in lines)]:
        with suppress(RecordError):
            log.read(line, at=0)
