"""What DNS messages say about names and addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect import dns
from collector.dissect.errors import DissectError

POINTER_TO_QUESTION = b"\xc0\x0c"


def name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".") if label) + b"\x00"


def record(owner: bytes, kind: int, data: bytes, *, ttl: int = 60) -> bytes:
    return owner + kind.to_bytes(2) + b"\x00\x01" + ttl.to_bytes(4) + len(data).to_bytes(2) + data


def message(asked: bytes, *records: bytes, flags: int = 0x8180, kind: int = dns.A) -> bytes:
    header = b"\x12\x34" + flags.to_bytes(2) + b"\x00\x01" + len(records).to_bytes(2) + bytes(4)
    return header + asked + kind.to_bytes(2) + b"\x00\x01" + b"".join(records)


def test_a_question_has_a_name_in_lower_case_and_a_type() -> None:
    found = dns.message(message(name("WWW.School.Example"), flags=0x0100, kind=dns.HTTPS))
    assert (found.id, found.response, found.name, found.type) == (0x1234, False, "www.school.example", dns.HTTPS)


def test_an_answer_names_each_of_its_addresses() -> None:
    found = dns.message(
        message(
            name("school.example"),
            record(POINTER_TO_QUESTION, dns.A, b"\xc0\x00\x02\x01"),
            record(POINTER_TO_QUESTION, dns.A, b"\xc0\x00\x02\x02"),
        )
    )
    resolved = dns.resolution(found)
    assert resolved is not None
    assert resolved.addresses == (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02")
    assert (resolved.name, resolved.chain, resolved.ttl_s) == ("school.example", (), 60)


def test_a_chain_is_followed_from_the_question_whatever_the_order_of_the_records() -> None:
    found = dns.message(
        message(
            name("stats.product.example"),
            record(name("edge.cdn.example"), dns.AAAA, bytes(15) + b"\x07", ttl=20),
            record(name("c.tracker.example"), dns.CNAME, name("edge.cdn.example")),
            record(POINTER_TO_QUESTION, dns.CNAME, name("c.tracker.example"), ttl=300),
            record(name("unrelated.example"), dns.A, b"\xc0\x00\x02\x09"),
        )
    )
    resolved = dns.resolution(found)
    assert resolved is not None
    assert resolved.chain == ("c.tracker.example", "edge.cdn.example")
    assert (resolved.addresses, resolved.ttl_s) == ((bytes(15) + b"\x07",), 20)


def test_names_that_point_into_other_names_are_put_together() -> None:
    # "cdn" and a pointer to "example" inside the question.
    target = b"\x03cdn" + b"\xc0\x13"
    answer = record(POINTER_TO_QUESTION, dns.CNAME, target)
    cname_at = 12 + len(name("school.example")) + 4 + 12
    found = dns.message(
        message(name("school.example"), answer, record(b"\xc0" + bytes((cname_at,)), dns.A, b"\x01" * 4))
    )
    resolved = dns.resolution(found)
    assert resolved is not None
    assert (resolved.chain, resolved.addresses) == (("cdn.example",), (b"\x01" * 4,))


def test_a_chain_that_bites_its_tail_ends() -> None:
    found = dns.message(
        message(
            name("a.example"),
            record(name("a.example"), dns.CNAME, name("b.example")),
            record(name("b.example"), dns.CNAME, name("a.example")),
        )
    )
    resolved = dns.resolution(found)
    assert resolved is not None
    assert resolved.chain == ("b.example", "a.example")


def test_service_records_give_their_address_hints() -> None:
    # RFC 9460 section 2.2: priority, target, then parameters: alpn, ipv4hint, ipv6hint.
    data = b"\x00\x01\x00\x00\x01\x00\x03\x02h3\x00\x04\x00\x08" + b"\x01" * 8 + b"\x00\x06\x00\x10" + b"\x02" * 16
    found = dns.message(message(name("school.example"), record(POINTER_TO_QUESTION, dns.HTTPS, data), kind=dns.HTTPS))
    assert found.records[0].addresses == (b"\x01" * 4, b"\x01" * 4, b"\x02" * 16)


def test_records_of_other_types_are_stepped_over() -> None:
    text = record(POINTER_TO_QUESTION, 16, b"\x04text")
    found = dns.message(message(name("x.example"), text, record(POINTER_TO_QUESTION, dns.A, b"\x01" * 4)))
    assert [entry.type for entry in found.records] == [dns.A]


def test_odd_octets_are_escaped_so_that_a_dot_in_a_label_is_none_between_labels() -> None:
    found = dns.message(message(b"\x03a.b\x02\xff \x00", flags=0x0100))
    assert found.name == "a\\046b.\\255\\032"


def test_a_question_for_the_root_has_an_empty_name() -> None:
    assert dns.message(message(b"\x00", flags=0x0100)).name == ""


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(b"\xc0\x0c", id="a pointer to itself"),
        pytest.param(b"\x01a\xc0\x0e", id="a pointer to the octet before"),
        pytest.param(b"\xc0\xff", id="a pointer forward"),
        pytest.param(b"\x40" + b"a" * 64 + b"\x00", id="a label of 64 octets"),
        pytest.param((b"\x3f" + b"a" * 63) * 4 + b"\x00", id="a name of 257 octets"),
    ],
)
def test_names_that_loop_or_run_too_long_are_refused(asked: bytes) -> None:
    with pytest.raises(DissectError):
        dns.message(message(asked))


def test_a_message_cut_short_is_refused_at_every_length() -> None:
    whole = message(name("school.example"), record(POINTER_TO_QUESTION, dns.A, b"\x01" * 4))
    for size in range(len(whole)):
        with pytest.raises(DissectError):
            dns.message(whole[:size])


def test_what_follows_the_answers_is_not_read() -> None:
    assert dns.message(message(name("school.example"), flags=0x0100) + b"\xff" * 30).name == "school.example"


def test_octets_that_are_no_ordinary_message_are_refused() -> None:
    with pytest.raises(DissectError):
        dns.message(message(name("x.example"), flags=0x7800))


def test_an_answer_without_records_resolves_to_nothing() -> None:
    assert dns.resolution(dns.message(message(name("x.example"), flags=0x8183))) is None


@given(st.binary(max_size=120))
def test_no_octets_raise_anything_but_a_dissect_error(octets: bytes) -> None:
    for start in (b"", message(name("a.example"))[:12], message(name("a.example"), b"", b"")):
        try:
            dns.resolution(dns.message(start + octets))
        except DissectError:
            continue


@pytest.mark.parametrize(("hops", "read"), [(dns.MAX_POINTERS, True), (dns.MAX_POINTERS + 1, False)])
def test_a_name_leads_through_so_many_pointers_and_no_more(hops: int, *, read: bool) -> None:
    asked = name("a")
    start = 12 + len(asked) + 4 + 12
    # Pointers in a record that nobody reads, each leading to the one before; the owner of the next record is one more.
    targets = [12, *range(start, start + 2 * (hops - 2), 2)]
    hidden = record(POINTER_TO_QUESTION, 16, b"".join((0xC000 | target).to_bytes(2) for target in targets))
    owner = (0xC000 | start + 2 * (hops - 2)).to_bytes(2)
    octets = message(asked, hidden, record(owner, dns.A, bytes(4)))
    if read:
        assert dns.message(octets).records[0].name == "a"
    else:
        with pytest.raises(DissectError, match="too many"):
            dns.message(octets)
