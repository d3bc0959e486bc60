"""What is made of tshark's words, without tshark: each fact from its field, and nothing from words that are none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.flow_name import flow_name
from collector.tshark_opinion import Said, SaidError, TsharkOpinion, said, tshark_opinion

FLOW = flow_name("192.0.2.10:50000-198.51.100.20:443")
Layer = tuple[str, Mapping[str, Sequence[str]]]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["number", "time", "octets", "layers", "x"]), inner)
    ),
)


def packet(number: int, *layers: Layer, up: bool = True, octets: int = 100, proto: str = "tcp") -> Said:
    source, target = (FLOW.client, FLOW.server) if up else (FLOW.server, FLOW.client)
    ports = (FLOW.client_port, FLOW.server_port) if up else (FLOW.server_port, FLOW.client_port)
    head: list[Layer] = [
        ("ip", {"ip.src": [str(source)], "ip.dst": [str(target)], "ip.len": [str(octets)]}),
        (proto, {f"{proto}.srcport": [str(ports[0])], f"{proto}.dstport": [str(ports[1])], f"{proto}.stream": ["0"]}),
    ]
    words = {
        "number": number,
        "time": f"170000000{number}.000001000",
        "octets": octets + 14,
        "layers": [*head, *layers],
    }
    return said(json.dumps(words))


def opinion(*packets: Said, proto: str = "tcp") -> TsharkOpinion:
    return tshark_opinion(packets, flow=FLOW, proto=proto)


def hello(**more: Sequence[str]) -> Layer:
    fields = {
        "type": ["1"], "version": ["0x0303"], "extensions.supported_version": ["0x0a0a", "0x0304", "0x0303"],
        "extensions_server_name": ["WWW.School.example"], "extensions_alpn_str": ["h2", "http/1.1"],
        "extension.type": ["0", "65037"],
    } | more  # fmt: skip
    return "tls", {f"tls.handshake.{key}": values for key, values in fields.items()}


def answer(number: int, **fields: Sequence[str]) -> Said:
    told = {f"dns.{key.replace('_', '.')}": values for key, values in fields.items()}
    layers = [
        ["udp", {"udp.srcport": ["53"], "udp.dstport": ["41000"]}],
        ["dns", {"dns.flags.response": ["1"], **told}],
    ]
    return said(json.dumps({"number": number, "time": "1.0", "octets": 90, "layers": layers}))


def test_a_hello_tells_name_offer_and_ech() -> None:
    heard = opinion(packet(1, hello())).opinion
    assert (heard.server_name, heard.name_source, heard.app) == ("www.school.example", "tls_sni", "tls")
    assert (heard.tls_version, heard.tls_version_offered, heard.alpn, heard.ech) == ("1.3", True, "h2", True)


def test_a_server_hello_decides_about_version_and_alpn() -> None:
    agreed = ("tls", {"tls.handshake.type": ["2"], "tls.handshake.version": ["0x0303"],
                      "tls.handshake.extensions_alpn_str": ["http/1.1"]})  # fmt: skip
    heard = opinion(packet(1, hello()), packet(2, agreed, up=False)).opinion
    assert (heard.tls_version, heard.tls_version_offered, heard.alpn) == ("1.2", False, "http/1.1")


def test_a_hello_inside_quic_is_told_as_such() -> None:
    _, fields = hello()
    heard = opinion(packet(1, ("quic", fields), proto="udp"), proto="udp").opinion
    assert (heard.name_source, heard.app) == ("quic_sni", "quic")


def test_a_request_names_the_host_without_its_port() -> None:
    heard = opinion(packet(1, ("http", {"http.host": ["Plain.example:8080"]}))).opinion
    assert (heard.server_name, heard.name_source, heard.app) == ("plain.example", "http_host", "http")


def test_the_last_answer_with_the_servers_address_names_it_and_tells_the_chain() -> None:
    other = answer(1, qry_name=["other.example"], a=["198.51.100.99"])
    first = answer(2, qry_name=["old.example"], a=[str(FLOW.server)])
    last = answer(
        3, qry_name=["static.example"], a=[str(FLOW.server)], resp_type=["5", "5", "1"],
        resp_name=["static.example", "a.cdn.example", "b.cdn.example"], cname=["a.cdn.example", "b.cdn.example"],
    )  # fmt: skip
    heard = opinion(other, first, last, packet(4)).opinion
    assert (heard.server_name, heard.name_source) == ("static.example", "dns")
    assert heard.cnames == ("a.cdn.example", "b.cdn.example")


def test_a_chain_that_bites_its_tail_comes_to_an_end() -> None:
    loop = answer(1, qry_name=["a.example"], a=[str(FLOW.server)], resp_type=["5", "5"],
                  resp_name=["a.example", "b.example"], cname=["b.example", "a.example"])  # fmt: skip
    assert opinion(loop, packet(2)).opinion.cnames == ("b.example", "a.example")


def test_octets_packets_and_times_are_told_each_way() -> None:
    found = opinion(packet(1, octets=60), packet(2, octets=1_500, up=False), packet(3, octets=40))
    heard = found.opinion
    assert (heard.packets_up, heard.packets_down, heard.bytes_up, heard.bytes_down) == (2, 1, 100, 1_500)
    assert (found.placed, found.frame_bytes_up, found.frame_bytes_down) == (3, 128, 1_514)
    assert (heard.started_at, heard.ended_at) == ("2023-11-14T22:13:21.000001Z", "2023-11-14T22:13:23.000001Z")


def test_fragments_are_counted_with_the_packet_that_they_become() -> None:
    ends = {"ip.src": [str(FLOW.client)], "ip.dst": [str(FLOW.server)], "ip.len": ["576"]}
    piece = said(json.dumps({"number": 1, "time": "1.0", "octets": 590, "layers": [["ip", ends]]}))
    last = packet(2, octets=100, proto="udp")
    # A frame number that was never given is nobody's.
    last.layers[0][1].update({"ip.fragment": ("1", "2", "99")})  # type: ignore[attr-defined]
    heard = opinion(piece, last, proto="udp").opinion
    assert (heard.packets_up, heard.bytes_up, heard.started_at) == (2, 676, "1970-01-01T00:00:01.000000Z")
    assert opinion(piece, proto="udp").opinion.started_at is None


def test_packets_of_other_flows_say_nothing() -> None:
    words = json.loads(json.dumps({"number": 1, "time": "1.0", "octets": 1, "layers": [hello()]}))
    assert opinion(said(json.dumps(words))).opinion.server_name is None
    assert opinion(packet(1, hello()), proto="udp").placed == 0


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "null", '{"number": 1}', '{"number":1,"time":"x","octets":1,"layers":[]}']
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(SaidError):
        said(line)


@given(JSON.map(json.dumps) | st.text())
def test_no_line_does_worse_than_be_refused(line: str) -> None:
    with contextlib.suppress(SaidError):
        opinion(said(line))
