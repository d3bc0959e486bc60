"""How TCP connections open, as conversations: what each side said, segment by segment, and what is known then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.names import DnsMemory
from collector.opening import Openings
from collector.opening_facts import BOTH, DOWN, UP
from tests.collector.opening_talk import (
    AGREED_1_2,
    AGREED_1_3,
    FROM_CLIENT,
    NOON_NS,
    Talk,
    device_key,
    extension,
    hello,
    opened,
    records,
)


@pytest.fixture
def openings() -> Openings:
    return Openings(DnsMemory(), device_key=device_key)


# TLS


@pytest.mark.parametrize("step", [1, 100, 1_460, 65_536])
@pytest.mark.parametrize("size", [80, 16_384])
def test_a_hello_in_segments_and_records_of_any_size_names_its_server(openings: Openings, step: int, size: int) -> None:
    talk = Talk(opened(openings))
    assert talk.up(records(hello(), size=size), step=step) == DOWN
    assert talk.down(AGREED_1_3, step=step) == 0
    opening = talk.opening
    assert (opening.server_name, opening.name_source, opening.app) == ("school.example", "tls_sni", "tls")
    assert (opening.tls_version, opening.tls_version_offered, opening.alpn) == ("1.3", False, "h2")
    assert (opening.ech, opening.plaintext, opening.reversed) == (False, False, False)


def test_a_hello_without_answer_has_the_version_that_was_offered(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello()))
    assert (talk.opening.tls_version, talk.opening.tls_version_offered) == ("1.3", True)


def test_what_the_server_agrees_to_wins_over_what_was_offered_even_if_seen_first(openings: Openings) -> None:
    talk = Talk(opened(openings))
    assert talk.down(AGREED_1_2) == UP
    assert talk.up(records(hello())) == 0
    assert (talk.opening.tls_version, talk.opening.tls_version_offered, talk.opening.alpn) == ("1.2", False, "http/1.1")


def test_a_warning_before_the_server_hello_is_stepped_over(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello()))
    assert talk.down(bytes.fromhex("15030300020170") + AGREED_1_3, step=3) == 0
    assert not talk.opening.tls_version_offered


def test_rubbish_behind_the_record_of_a_hello_does_not_spoil_it(openings: Openings) -> None:
    talk = Talk(opened(openings))
    assert talk.up(records(hello()) + b"rubbish") == DOWN
    assert talk.down(AGREED_1_3 + b"rubbish") == 0
    assert (talk.opening.server_name, talk.opening.tls_version_offered) == ("school.example", False)
    assert openings.counters.tls_malformed == 0


def test_a_refusal_ends_the_wait_for_a_server_hello(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello()))
    assert talk.down(bytes.fromhex("15030300020228")) == 0
    assert talk.opening.tls_version_offered


def test_a_hello_without_a_name_gives_none(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello(None)))
    assert (talk.opening.server_name, talk.opening.name_source, talk.opening.app) == (None, "none", "tls")


def test_a_name_that_is_none_is_counted(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello("192.0.2.9")))
    assert (talk.opening.server_name, openings.counters.names_refused) == (None, 1)


@pytest.mark.parametrize("name", ["www.samaritans.org..", "www..example", "a b.example"])
def test_a_name_that_is_none_was_seen_in_the_hello_all_the_same(openings: Openings, name: str) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello(name)))
    assert (talk.opening.server_name, talk.opening.name_source) == (None, "tls_sni")


@pytest.mark.parametrize("name", ["192.0.2.9", "2001:db8::9", "[2001:db8::9]"])
def test_an_address_in_the_place_of_a_name_is_none(openings: Openings, name: str) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello(name)))
    assert (talk.opening.server_name, talk.opening.name_source) == (None, "none")


def test_the_extension_of_encrypted_client_hello_is_seen(openings: Openings) -> None:
    talk = Talk(opened(openings))
    talk.up(records(hello(more=extension(0xFE0D, b"\x00" + bytes(50)))))
    assert talk.opening.ech


def test_a_hello_from_the_supposed_server_turns_the_flow_round(openings: Openings) -> None:
    talk = Talk(opened(openings, client_port=60_000, server_port=50_000))
    talk.down(records(hello()))
    talk.up(AGREED_1_3)
    assert (talk.opening.reversed, talk.opening.server_name, talk.want) == (True, "school.example", 0)


def test_port_853_is_dns_over_tls_and_known_resolvers_are_dns_over_https(openings: Openings) -> None:
    dot = Talk(opened(openings, server_port=853))
    dot.up(records(hello("resolver.example")))
    doh = Talk(opened(openings))
    doh.up(records(hello("abc.dns.nextdns.io")))
    usual = Talk(opened(openings))
    usual.up(records(hello("doh.school.example")))
    near = Talk(opened(openings))
    near.up(records(hello("notdns.google")))
    assert [talk.opening.app for talk in (dot, doh, usual, near)] == ["dot", "doh", "doh", "tls"]


def test_segments_may_come_in_reverse_before_the_first_seen(openings: Openings) -> None:
    wire = records(hello())
    opening = opened(openings)
    starts = list(range(0, len(wire), 600))
    for start in reversed(starts):
        opening.octets(FROM_CLIENT, start - starts[-1], wire[start : start + 600], NOON_NS)
    assert opening.server_name == "school.example"


def test_a_broken_hello_is_counted_and_ends_the_reading(openings: Openings) -> None:
    wire = bytearray(records(hello(padding=10)))
    wire[-30:] = b"\xff" * 30
    wire[52] = 0xFF
    talk = Talk(opened(openings))
    assert talk.up(bytes(wire)) == 0
    assert (talk.opening.app, talk.opening.server_name, openings.counters.tls_malformed) == ("tls", None, 1)


def test_records_without_a_hello_are_tls_of_unknown_version(openings: Openings) -> None:
    talk = Talk(opened(openings))
    assert talk.up(b"\x17\x03\x03\x00\x40" + bytes(64)) == DOWN
    assert talk.down(b"\x17\x03\x03\x00\x40" + bytes(64)) == 0
    assert (talk.opening.app, talk.opening.tls_version) == ("tls", None)


def test_a_gap_in_the_hello_gives_no_name(openings: Openings) -> None:
    wire = records(hello())
    talk = Talk(opened(openings))
    talk.up(wire[:200])
    talk.lose(10, up=True)
    talk.up(wire[210:], step=100)
    assert (talk.opening.server_name, talk.opening.app) == (None, "other")


def test_a_hello_of_ssl_2_form_is_tls_without_a_name(openings: Openings) -> None:
    talk = Talk(opened(openings))
    wire = bytes.fromhex("802e0103010015000000100100800300800700c0060040020080040080") + bytes(20)
    assert talk.up(wire[:48], step=5) == DOWN
    assert (talk.opening.app, talk.opening.tls_version, talk.opening.server_name) == ("tls", "1.0", None)


# What may come before TLS


PRELUDES = {
    "SMTP": "> 220 mail\r\n|< EHLO x\r\n|> 250 STARTTLS\r\n|< STARTTLS\r\n|> 220 go\r\n",
    "IMAP": "> * OK imap\r\n|< a STARTTLS\r\n|> a OK\r\n",
    "POP3": "> +OK pop\r\n|< STLS\r\n|> +OK\r\n",
    "PostgreSQL": "< \0\0\0\x08\x04\xd2\x16\x2f|> S",
    "SOCKS 5": "< \5\2\0\2|> \5\0|< \5\1\0\1\xc0\0\2\1\1\xbb|> \5\0\0\1\0\0\0\0\0\0",
    "SOCKS 4": "< \4\1\1\xbb\xc0\0\2\1\0|> \0Z\0\0\0\0\0\0",
    "CONNECT": "< CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n|> HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("step", [1, 65_536])
@pytest.mark.parametrize("prelude", PRELUDES.values(), ids=PRELUDES.keys())
def test_a_hello_behind_a_prelude_names_its_server(openings: Openings, prelude: str, step: int) -> None:
    talk = Talk(opened(openings, server_port=8_000))
    for turn in prelude.split("|"):
        (talk.up if turn[0] == "<" else talk.down)(turn[2:].encode("latin-1"), step=step)
    talk.up(records(hello("inner.example"), size=300), step=step)
    talk.down(AGREED_1_3, step=step)
    opening = talk.opening
    assert (opening.server_name, opening.name_source, opening.app) == ("inner.example", "tls_sni", "tls")
    assert (opening.tls_version, opening.tls_version_offered, opening.plaintext) == ("1.3", False, False)
    assert talk.want == 0


def test_a_tunnel_whose_hello_was_not_seen_has_the_name_of_its_far_end(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=3_128))
    talk.up(b"CONNECT school.example:443 HTTP/1.1\r\nHost: proxy.example\r\n\r\n")
    assert (talk.opening.server_name, talk.opening.name_source, talk.opening.app) == (
        "school.example",
        "http_host",
        "http",
    )
    assert talk.opening.plaintext_data is None


def test_a_hello_in_the_same_segment_as_connect_is_read(openings: Openings) -> None:
    wire = records(hello("inner.example"))
    talk = Talk(opened(openings, server_port=3_128))
    talk.up(b"CONNECT school.example:443 HTTP/1.1\r\n\r\n" + wire[:700])
    talk.up(wire[700:])
    assert talk.opening.server_name == "inner.example"


def test_a_mail_that_never_turns_to_tls_is_given_up(openings: Openings) -> None:
    talk = Talk(opened(openings, server_port=25))
    talk.down(b"220 mail\r\n")
    assert talk.up(b"line\r\n" * 4_000, step=1_000) == DOWN
    assert talk.opening.app == "other"


@pytest.mark.parametrize("first", [b"SSH-2.0-x\r\n", b"\x13BitTorrent protocol", b"\x00\x01\x02\x03", b"\xff\xfd\x18"])
def test_other_protocols_are_let_go_after_a_few_segments(openings: Openings, first: bytes) -> None:
    talk = Talk(opened(openings))
    for _ in range(4):
        talk.up(first)
        talk.down(first)
    assert (talk.want, talk.opening.app) == (0, "other")


def test_a_stream_with_too_many_gaps_is_given_up_and_counted(openings: Openings) -> None:
    opening = opened(openings)
    want = BOTH
    for at in range(1, 1_000):
        if want & UP:
            want = opening.octets(FROM_CLIENT, 2 * at, b"x", NOON_NS)
    assert (want, openings.counters.stream_full) == (DOWN, 1)


PIECES = [
    b"",
    b"\x16\x03\x01",
    records(hello(padding=5))[:60],
    AGREED_1_3,
    b"GET / HTTP/1.1\r\n",
    b"Host: a.example\r\n\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"220 x\r\n",
    b"\x05\x01\x00",
]


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(-300, 300), st.sampled_from(PIECES), st.binary(max_size=60)), max_size=20
    )
)
def test_no_octets_make_an_opening_raise(said: list[tuple[bool, int, bytes, bytes]]) -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    opening = opened(openings)
    for up, offset, start, rest in said:
        assert opening.octets(up, offset, start + rest, NOON_NS) in range(4)
    assert all(count >= 0 for count in openings.counters.told().values())
