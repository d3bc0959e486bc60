"""What the two hellos of TLS say, from records of any size."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.dissect import tls
from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name, names_host

GREASE = bytes.fromhex("0a0a0001001a1a0000")


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def server_name(name: bytes) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2) + name
    return extension(0, len(entry).to_bytes(2) + entry)


def alpn(*protocols: bytes) -> bytes:
    entries = b"".join(bytes((len(protocol),)) + protocol for protocol in protocols)
    return extension(16, len(entries).to_bytes(2) + entries)


def versions(*numbers: int) -> bytes:
    entries = b"".join(number.to_bytes(2) for number in numbers)
    return extension(43, bytes((len(entries),)) + entries)


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3) + body


def client_hello(*extensions: bytes, legacy: int = 0x0303) -> bytes:
    start = legacy.to_bytes(2) + bytes(32) + b"\x20" + bytes(32) + b"\x00\x04\x0a\x0a\x13\x01" + b"\x01\x00"
    joined = b"".join(extensions)
    return message(1, start + (len(joined).to_bytes(2) + joined if joined else b""))


def server_hello(*extensions: bytes, legacy: int = 0x0303) -> bytes:
    joined = b"".join(extensions)
    return message(2, legacy.to_bytes(2) + bytes(32) + b"\x00" + b"\x13\x01\x00" + len(joined).to_bytes(2) + joined)


def records(handshake: bytes, *, size: int) -> bytes:
    parts = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in parts)


def read(hello: bytes) -> tls.ClientHello:
    found = tls.client_hello(hello)
    assert found is not None
    return found


def test_a_hello_names_the_server_in_lower_case_without_the_final_dot() -> None:
    assert read(client_hello(GREASE, server_name(b"WWW.School.Example."))).server_name == "www.school.example"


def test_a_hello_without_a_name_has_none_and_refuses_none() -> None:
    hello = read(client_hello(alpn(b"h2")))
    assert (hello.server_name, hello.name_refused) == (None, False)


@pytest.mark.parametrize(
    "name", [b"192.0.2.7", b"2001:db8::7", b"a b.example", b"x\x00.example", b"a..example", b"x" * 64 + b".example"]
)
def test_a_name_that_is_no_host_name_is_refused(name: bytes) -> None:
    hello = read(client_hello(server_name(name)))
    assert (hello.server_name, hello.name_refused) == (None, True)


@pytest.mark.parametrize(
    ("name", "literal"),
    [
        (b"192.0.2.7", True), (b"2001:db8::7", True), (b"[2001:db8::7]", True), (b"192.0.2.7.", False),
        (b"www.samaritans.org..", False), (b"www.samaritans.org.7", False), (b"[fe80::1%samaritans.org]", False),
        (b"\xff", False),
    ],
)  # fmt: skip
def test_of_what_is_refused_an_address_in_its_usual_spelling_alone_is_none_that_was_meant_as_a_name(
    name: bytes, *, literal: bool
) -> None:
    hello = read(client_hello(server_name(name)))
    assert (hello.name_refused, hello.name_literal) == (True, literal)


def test_a_port_behind_the_name_is_dropped() -> None:
    assert read(client_hello(server_name(b"quiz.example:443"))).server_name == "quiz.example"


def test_an_underscore_is_part_of_a_name() -> None:
    assert host_name(b"My_App.example") == "my_app.example"


@pytest.mark.parametrize("literal", [b"127.1", b"0x7f.0x1", b"10.0.0.0x1f", b"1"])
def test_a_name_that_ends_in_a_number_is_an_address(literal: bytes) -> None:
    assert host_name(literal) is None


@given(st.lists(st.text("ab0x9-_.\\", max_size=9) | st.just("a" * 63), max_size=6).map("".join))
@example("0x1f")
@example("a.0xg")
@example("a" * 64)
@example(".".join(["a" * 63] * 4))
def test_a_name_of_dns_is_a_host_where_its_octets_are_one(text: str) -> None:
    text = text.rstrip(".")  # no name of DNS has a dot there
    assert names_host(text) == (host_name(text.encode()) is not None)


def test_a_name_of_253_octets_is_the_longest() -> None:
    name = b".".join([b"a" * 49] * 5) + b".exa"
    assert len(name) == 253
    assert host_name(name) is not None
    assert host_name(b"a" + name) is None


def test_the_highest_version_offered_counts_and_grease_does_not() -> None:
    hello = read(client_hello(versions(0xFAFA, 0x0303, 0x0304, 0x0302)))
    assert (tls.version_name(hello.version), hello.legacy_version) == ("1.3", 0x0303)


def test_without_the_extension_the_version_is_that_of_the_hello() -> None:
    assert tls.version_name(read(client_hello(legacy=0x0301)).version) == "1.0"


def test_versions_that_are_all_unknown_leave_the_version_of_the_hello() -> None:
    assert read(client_hello(versions(0x1A1A))).version == 0x0303


@pytest.mark.parametrize(("number", "name"), [(0x7F1C, "1.3"), (0xFB1A, "1.3"), (0x0300, "1.0"), (0x0505, None)])
def test_drafts_are_the_version_they_drafted_and_ssl_is_the_lowest_there_is(number: int, name: str | None) -> None:
    assert tls.version_name(number) == name


def test_protocols_are_offered_in_order_without_grease() -> None:
    assert read(client_hello(alpn(b"\x5a\x5a", b"h2", b"http/1.1"))).alpn == ("h2", "http/1.1")


def test_encrypted_client_hello_tells_outer_from_inner() -> None:
    assert read(client_hello(extension(0xFE0D, b"\x00" + bytes(40)))).ech == "outer"
    assert read(client_hello(extension(0xFE0D, b"\x01"))).ech == "inner"
    assert read(client_hello()).ech is None


def test_a_hello_is_none_until_its_last_octet_is_there() -> None:
    hello = client_hello(server_name(b"school.example"))
    assert all(tls.client_hello(hello[:size]) is None for size in range(len(hello)))
    assert read(hello).server_name == "school.example"


def test_what_follows_the_hello_is_not_read() -> None:
    assert read(client_hello(server_name(b"school.example")) + b"\xff" * 40).server_name == "school.example"


def test_another_handshake_message_is_no_client_hello() -> None:
    with pytest.raises(DissectError):
        tls.client_hello(server_hello())


def test_an_extension_that_runs_past_the_hello_is_refused() -> None:
    with pytest.raises(DissectError):
        tls.client_hello(client_hello(b"\x00\x00\xff\xff"))


def test_a_server_agrees_on_tls_1_3_in_an_extension() -> None:
    hello = tls.server_hello(server_hello(extension(43, b"\x03\x04")))
    assert hello is not None
    assert tls.version_name(hello.version) == "1.3"


def test_a_server_agrees_on_an_older_version_in_the_hello_itself() -> None:
    hello = tls.server_hello(server_hello(alpn(b"h2"), legacy=0x0302))
    assert hello is not None
    assert (tls.version_name(hello.version), hello.alpn) == ("1.1", "h2")


def test_a_server_hello_may_end_before_any_extension() -> None:
    hello = tls.server_hello(message(2, b"\x03\x01" + bytes(32) + b"\x00\x00\x2f\x00"))
    assert hello is not None
    assert tls.version_name(hello.version) == "1.0"


@pytest.mark.parametrize("size", [1, 2, 80, 16_384])
@pytest.mark.parametrize("step", [1, 7, 5_000])
def test_a_hello_is_taken_out_of_records_of_any_size_as_they_arrive(size: int, step: int) -> None:
    hello = client_hello(server_name(b"school.example"), extension(51, bytes(1_200)))
    wire = records(hello, size=size)
    handshakes = tls.Handshakes()
    for end in range(step, len(wire) + step, step):
        handshakes.read(bytearray(wire[:end]))
    assert bytes(handshakes.octets) == hello


def test_where_a_hello_ends_is_known_from_its_first_nine_octets() -> None:
    wire = records(client_hello(server_name(b"school.example")), size=16_384)
    assert [tls.first_message_end(bytearray(wire[:size])) for size in (0, 8, 9, len(wire))] == [
        0,
        0,
        len(wire),
        len(wire),
    ]


@pytest.mark.parametrize("wire", [records(client_hello(), size=40), bytes.fromhex("15030100020170"), bytes(20)])
def test_a_hello_in_several_records_or_behind_an_alert_has_to_be_put_together(wire: bytes) -> None:
    assert tls.first_message_end(bytearray(wire)) == -1


def test_other_records_between_are_skipped() -> None:
    hello = server_hello()
    wire = b"\x15\x03\x01\x00\x02\x01\x70" + b"\x14\x03\x03\x00\x01\x01" + records(hello, size=30)
    for step in (1, 3, 500):
        handshakes = tls.Handshakes()
        for end in range(step, len(wire) + step, step):
            handshakes.read(bytearray(wire[:end]))
        assert bytes(handshakes.octets) == hello
        assert not handshakes.ended


@pytest.mark.parametrize("record", ["15030300020228", "1703030010"])
def test_a_fatal_alert_or_application_data_ends_the_handshake(record: str) -> None:
    handshakes = tls.Handshakes()
    handshakes.read(bytearray.fromhex(record))
    assert handshakes.ended


@pytest.mark.parametrize("wire", ["474554202f", "1604010010", "1603010000ff00000000", "160301ffff"])
def test_what_is_no_record_is_refused(wire: str) -> None:
    with pytest.raises(DissectError):
        tls.Handshakes().read(bytearray.fromhex(wire))


def test_a_hello_in_the_form_of_ssl_2_has_a_version_and_no_name() -> None:
    wire = bytes.fromhex("802e0103010015000000100100800300800700c0060040020080040080") + bytes(20)
    wire = wire[:2] + wire[2:48]
    hello = tls.ssl2_client_hello(wire)
    assert hello is not None
    assert (tls.version_name(hello.version), hello.server_name) == ("1.0", None)
    assert tls.ssl2_client_hello(wire[:10]) is None


@given(st.binary(max_size=300))
def test_no_octets_raise_anything_but_a_dissect_error(octets: bytes) -> None:
    for parse in (
        tls.client_hello,
        tls.server_hello,
        tls.ssl2_client_hello,
        lambda o: tls.Handshakes().read(bytearray(o)),
    ):
        try:
            parse(octets)
        except DissectError:
            continue


@given(st.data())
def test_no_changed_hello_raises_anything_but_a_dissect_error(data: st.DataObject) -> None:
    hello = bytearray(
        client_hello(server_name(b"school.example"), alpn(b"h2"), versions(0x0304), extension(0xFE0D, b""))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    for parse in (tls.client_hello, tls.server_hello):
        try:
            parse(bytes(hello))
        except DissectError:
            continue
