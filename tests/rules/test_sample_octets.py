"""What the sample's generator says on the wire is read by the collector as it was meant."""

from __future__ import annotations

import pytest

from collector.dissect import dns, quic, tls
from rules.sample import hellos
from rules.sample.chance import Chance


@pytest.mark.parametrize("modern", [True, False])
def test_a_hello_carries_its_name_its_protocols_and_tls_1_3(modern: bool) -> None:
    wish = hellos.Wish(name="app.countwell.example", modern=modern, alpn=("h2", "http/1.1"))
    for turn in range(20):
        read = tls.client_hello(hellos.client_hello(wish, chance=Chance(str(turn))))
        assert read is not None
        assert read.server_name == "app.countwell.example"
        assert read.alpn == ("h2", "http/1.1")
        assert read.version == 0x0304
        assert (read.ech is not None) == modern


def test_a_modern_hello_needs_two_segments_and_an_older_one_does_not() -> None:
    sizes = {
        modern: len(hellos.client_hello(hellos.Wish(name="x.example", modern=modern, alpn=("h2",)), chance=Chance("")))
        for modern in (True, False)
    }
    assert sizes[False] < 1440
    assert 1460 < sizes[True] < 2 * 1440


def test_a_hello_may_carry_no_name() -> None:
    wish = hellos.Wish(name=None, modern=False, alpn=("http/1.1",))
    read = tls.client_hello(hellos.client_hello(wish, chance=Chance("none")))
    assert read is not None
    assert read.server_name is None


@pytest.mark.parametrize(("tls13", "version"), [(True, 0x0304), (False, 0x0303)])
def test_a_server_agrees_on_one_version(tls13: bool, version: int) -> None:
    read = tls.server_hello(hellos.server_hello(tls13=tls13, quic=False, chance=Chance("server")))
    assert read is not None
    assert read.version == version


def test_a_quic_hello_is_whole_again_out_of_two_shuffled_initials() -> None:
    wish = hellos.Wish(name="play.quizgale.example", modern=True, alpn=("h3",), quic=True)
    disordered = 0
    for turn in range(20):
        chance = Chance(str(turn))
        connection = chance.octets(8)
        hello = hellos.client_hello(wish, chance=chance)
        datagrams = hellos.quic_client_initials(hello, connection=connection, chance=chance)
        assert [len(one) for one in datagrams] == [1250, 1250]
        keys = quic.InitialKeys(version=quic.VERSION_1, dcid=connection)
        pieces: list[tuple[int, bytes]] = []
        for datagram in datagrams:
            (packet,) = quic.packets(datagram)
            pieces += quic.crypto_frames(keys.payload(datagram, packet))
        disordered += pieces != sorted(pieces)
        assert b"".join(piece for _, piece in sorted(pieces)) == hello
        read = tls.client_hello(hello)
        assert read is not None
        assert read.server_name == "play.quizgale.example"
    assert disordered > 15


def test_an_answer_gives_the_chain_and_the_address() -> None:
    chain = ("pulsequest.in.trackwell.example", "edge7.trackwell.example")
    octets = hellos.dns_answer(
        "metrics.pulsequest.example", kind=hellos.A, number=7, chain=chain, records=[bytes([192, 0, 2, 9])]
    )
    read = dns.resolution(dns.message(octets))
    assert read is not None
    assert read.name == "metrics.pulsequest.example"
    assert read.chain == chain
    assert read.addresses == (bytes([192, 0, 2, 9]),)


def test_a_question_is_no_answer() -> None:
    read = dns.message(hellos.dns_question("www.factbarn.example", kind=hellos.HTTPS, number=9))
    assert (read.response, read.name, read.type) == (False, "www.factbarn.example", hellos.HTTPS)


def test_an_https_record_that_offers_http_3_is_read() -> None:
    octets = hellos.dns_answer("a.example", kind=hellos.HTTPS, number=1, chain=(), records=[hellos.HTTPS_H3])
    assert [record.type for record in dns.message(octets).records] == [hellos.HTTPS]
