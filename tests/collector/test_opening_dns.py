"""DNS conversations: what a device was answered is remembered for it, what nobody asked is not."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.names import DnsMemory
from collector.opening import Openings
from collector.opening_dns import MAX_QUESTIONS
from collector.opening_facts import BOTH, DOWN, Opening

NS = 1_000_000_000
NOON_NS = 1_790_000_000 * NS
CLIENT = bytes((10, 1, 0, 7))
SERVER = bytes((192, 0, 2, 1))
MAC = b"\x02\x00\x00\x00\x00\x07"
FROM_CLIENT = True
FROM_SERVER = False


def device_key(mac: bytes | None, address: bytes, at_ns: int) -> bytes:
    del at_ns
    return mac or address


@pytest.fixture
def openings() -> Openings:
    return Openings(DnsMemory(), device_key=device_key)


def name(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".")) + b"\x00"


def question(asked: str, *, number: int = 1, kind: int = 1) -> bytes:
    return number.to_bytes(2) + b"\x01\x00\x00\x01" + bytes(6) + name(asked) + kind.to_bytes(2) + b"\x00\x01"


def reply(asked: str, *, number: int = 1, cname: str | None = None, address: bytes = SERVER, rcode: int = 0) -> bytes:
    entries = []
    owner = b"\xc0\x0c"
    if cname is not None:
        entries.append(owner + b"\x00\x05\x00\x01\x00\x00\x00\x3c" + len(name(cname)).to_bytes(2) + name(cname))
        owner = name(cname)
    entries.append(owner + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + address)
    header = (
        number.to_bytes(2) + b"\x81" + (0x80 | rcode).to_bytes(1) + b"\x00\x01" + len(entries).to_bytes(2) + bytes(4)
    )
    return header + name(asked) + b"\x00\x01\x00\x01" + b"".join(entries)


def dns_flow(openings: Openings, *, proto: Literal["tcp", "udp"] = "udp") -> Opening:
    opening = openings.open(
        proto=proto,
        client=CLIENT,
        server=SERVER,
        client_port=50_000,
        server_port=53,
        mac=MAC,
        server_mac=None,
        at_ns=NOON_NS,
    )
    assert opening is not None
    return opening


def test_an_answer_to_a_question_teaches_name_and_chain_of_the_device_that_asked(openings: Openings) -> None:
    opening = dns_flow(openings)
    assert opening.octets(FROM_CLIENT, 0, question("WWW.school.example"), NOON_NS) == BOTH
    assert opening.octets(FROM_SERVER, 0, reply("www.School.example", cname="cdn.example"), NOON_NS + 5) == BOTH
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) == ("www.school.example", ("cdn.example",))
    assert openings.memory.chain_of(MAC, "www.school.example", NOON_NS + NS) == ("cdn.example",)
    assert (opening.app, opening.server_name, opening.reversed) == ("dns", None, False)


@pytest.mark.parametrize(
    "forged",
    [reply("school.example", number=2), reply("other.example"), reply("school.example", rcode=3)],
    ids=["another id", "another name", "no such name"],
)
def test_an_answer_that_fits_no_question_teaches_nothing(openings: Openings, forged: bytes) -> None:
    opening = dns_flow(openings)
    opening.octets(FROM_CLIENT, 0, question("school.example"), NOON_NS)
    opening.octets(FROM_SERVER, 0, forged, NOON_NS)
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is None


def test_an_answer_from_the_side_that_asks_teaches_nothing(openings: Openings) -> None:
    out_of_nowhere, echoed = dns_flow(openings), dns_flow(openings)
    out_of_nowhere.octets(FROM_CLIENT, 0, reply("school.example"), NOON_NS)
    echoed.octets(FROM_CLIENT, 0, question("school.example"), NOON_NS)
    echoed.octets(FROM_CLIENT, 0, reply("school.example"), NOON_NS)
    assert openings.counters.dns_unasked == 2
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is None


def test_an_answer_whose_question_was_not_captured_is_believed_from_the_resolver(openings: Openings) -> None:
    dns_flow(openings).octets(FROM_SERVER, 0, reply("school.example"), NOON_NS)
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is not None


def test_a_question_from_the_supposed_server_turns_the_flow_round(openings: Openings) -> None:
    opening = openings.open(
        proto="udp",
        client=SERVER,
        server=CLIENT,
        client_port=53,
        server_port=53,
        mac=b"router",
        server_mac=MAC,
        at_ns=0,
    )
    assert opening is not None
    opening.octets(FROM_SERVER, 0, question("school.example"), NOON_NS)
    opening.octets(FROM_CLIENT, 0, reply("school.example"), NOON_NS)
    assert opening.reversed
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is not None


def test_a_name_that_no_host_has_is_not_remembered(openings: Openings) -> None:
    opening = dns_flow(openings)
    opening.octets(FROM_SERVER, 0, reply("a b.example"), NOON_NS)
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is None


def test_octets_on_port_53_that_are_no_dns_are_counted(openings: Openings) -> None:
    opening = dns_flow(openings)
    assert opening.octets(FROM_CLIENT, 0, b"\xff" * 20, NOON_NS) == BOTH
    assert (opening.app, openings.counters.dns_malformed) == ("other", 1)


@pytest.mark.parametrize("step", [1, 10, 65_536])
def test_dns_over_tcp_is_read_message_by_message(openings: Openings, step: int) -> None:
    opening = dns_flow(openings, proto="tcp")
    offsets = {FROM_CLIENT: 0, FROM_SERVER: 0}
    for number, asked in enumerate(("a.example", "b.example")):
        answer = reply(asked, number=number, address=bytes(3) + bytes((number,)))
        for up, message in ((FROM_CLIENT, question(asked, number=number)), (FROM_SERVER, answer)):
            octets = len(message).to_bytes(2) + message
            for at in range(0, len(octets), step):
                assert opening.octets(up, offsets[up], octets[at : at + step], NOON_NS) == BOTH
                offsets[up] += len(octets[at : at + step])
    for number, asked in enumerate(("a.example", "b.example")):
        assert openings.memory.name_of(MAC, bytes(3) + bytes((number,)), NOON_NS + NS) == (asked, ())
    assert opening.app == "dns"


def test_a_tcp_direction_that_is_no_dns_is_given_up(openings: Openings) -> None:
    assert dns_flow(openings, proto="tcp").octets(FROM_CLIENT, 0, b"\x00\x10" + b"\xff" * 16, NOON_NS) == DOWN


def test_more_open_questions_than_the_bound_forget_the_oldest(openings: Openings) -> None:
    opening = dns_flow(openings)
    for number in range(MAX_QUESTIONS + 1):
        opening.octets(FROM_CLIENT, 0, question("school.example", number=number), NOON_NS)
    opening.octets(FROM_SERVER, 0, reply("school.example", number=0), NOON_NS)
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is None
    opening.octets(FROM_SERVER, 0, reply("school.example", number=1), NOON_NS)
    assert openings.memory.name_of(MAC, SERVER, NOON_NS + NS) is not None


PIECES = [b"", question("a.example"), reply("a.example"), b"\x00\x1b" + question("a.example")]


@given(
    st.sampled_from(["tcp", "udp"]),
    st.lists(
        st.tuples(st.booleans(), st.integers(-300, 300), st.sampled_from(PIECES), st.binary(max_size=60)), max_size=20
    ),
)
def test_no_octets_make_an_opening_raise(
    proto: Literal["tcp", "udp"], said: list[tuple[bool, int, bytes, bytes]]
) -> None:
    openings = Openings(DnsMemory(), device_key=device_key)
    opening = dns_flow(openings, proto=proto)
    for up, offset, start, rest in said:
        assert opening.octets(up, offset, start + rest, NOON_NS) in range(4)
    assert all(count >= 0 for count in openings.counters.told().values())
