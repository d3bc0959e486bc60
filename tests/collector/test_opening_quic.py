"""How QUIC connections open: hellos over several Initials, Retry, changed ids and versions, and noise."""

from __future__ import annotations

from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect import quic
from collector.names import DnsMemory
from collector.opening import Openings
from collector.opening_facts import BOTH, DOWN, Opening
from collector.opening_quic import MAX_ATTEMPTS, MAX_FAILURES_PER_SECOND

NS = 1_000_000_000
NOON_NS = 1_790_000_000 * NS
CLIENT = bytes((10, 1, 0, 7))
SERVER = bytes((192, 0, 2, 1))
MAC = b"\x02\x00\x00\x00\x00\x07"
FROM_CLIENT = True
FROM_SERVER = False
DCID = bytes.fromhex("8394c8f03e515708")


def device_key(mac: bytes | None, address: bytes, at_ns: int) -> bytes:
    del at_ns
    return mac or address


@pytest.fixture
def openings() -> Openings:
    return Openings(DnsMemory(), device_key=device_key)


def opened(openings: Openings, *, client_port: int = 50_000, server_port: int = 443) -> Opening:
    opening = openings.open(
        proto="udp",
        client=CLIENT,
        server=SERVER,
        client_port=client_port,
        server_port=server_port,
        mac=MAC,
        server_mac=None,
        at_ns=NOON_NS,
    )
    assert opening is not None
    return opening


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def hello(name: str | None = "school.example", *, more: bytes = b"", padding: int = 1_500) -> bytes:
    extensions = more + extension(43, b"\x04\x03\x04\x03\x03") + extension(16, b"\x00\x03\x02h2")
    extensions = extension(51, bytes(padding)) + extensions
    if name is not None:
        entry = b"\x00" + len(name).to_bytes(2) + name.encode()
        extensions += extension(0, len(entry).to_bytes(2) + entry)
    body = (
        b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(extensions).to_bytes(2) + extensions
    )
    return b"\x01" + len(body).to_bytes(3) + body


def initial(
    frames: bytes, *, number: int = 0, dcid: bytes = DCID, key_dcid: bytes = DCID, version: int = quic.VERSION_1
) -> bytes:
    frames = frames.ljust(40, b"\x00")
    first = 0xD3 if version == quic.VERSION_2 else 0xC3
    header = bytes((first,)) + version.to_bytes(4) + bytes((len(dcid),)) + dcid + b"\x00\x00"
    header += ((4 + len(frames) + 16) | 0x4000).to_bytes(2) + number.to_bytes(4)
    key, iv, hp = quic.initial_secrets(version=version, dcid=key_dcid)
    sealed = AESGCM(key).encrypt((int.from_bytes(iv) ^ number).to_bytes(12), frames, header)
    mask = Cipher(algorithms.AES128(hp), modes.ECB()).encryptor().update(sealed[:16])  # noqa: S305 -- RFC 9001 says so
    packet = bytearray(header + sealed)
    packet[0] ^= mask[0] & 0x0F
    for at in range(4):
        packet[len(header) - 4 + at] ^= mask[1 + at]
    return bytes(packet)


def crypto(octets: bytes, *cuts: int) -> list[bytes]:
    """Return CRYPTO frames that hold *octets*, cut there."""
    edges = [0, *cuts, len(octets)]
    return [
        b"\x06" + (start | 0x4000).to_bytes(2) + ((end - start) | 0x4000).to_bytes(2) + octets[start:end]
        for start, end in pairwise(edges)
    ]


SERVER_INITIAL = b"\xc0\x00\x00\x00\x01\x00\x08serverid\x00\x40\x40" + bytes(64)


@pytest.mark.parametrize("version", [quic.VERSION_1, quic.VERSION_2])
def test_a_hello_over_several_initials_in_any_order_names_its_server(openings: Openings, version: int) -> None:
    frames = crypto(hello(), 300, 700, 900, 1_400)
    opening = opened(openings)
    first = initial(frames[3] + b"\x01" + frames[1], number=1, version=version)
    assert opening.octets(FROM_CLIENT, 0, first, NOON_NS) == BOTH
    assert opening.octets(FROM_CLIENT, 0, first, NOON_NS) == BOTH
    second = initial(frames[4] + frames[0] + b"\x00" * 9 + frames[2], number=0, version=version)
    assert opening.octets(FROM_CLIENT, 0, second, NOON_NS) == DOWN
    assert (opening.server_name, opening.name_source, opening.app) == ("school.example", "quic_sni", "quic")
    assert (opening.tls_version, opening.tls_version_offered, opening.alpn) == ("1.3", True, "h2")
    assert opening.octets(FROM_SERVER, 0, SERVER_INITIAL, NOON_NS) == 0
    assert (opening.tls_version_offered, opening.reversed) == (False, False)


def test_after_a_retry_keys_come_from_the_new_connection_id(openings: Openings) -> None:
    frames = crypto(hello(), 800)
    opening = opened(openings)
    opening.octets(FROM_CLIENT, 0, initial(frames[0]), NOON_NS)
    retry = bytes.fromhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba")
    assert opening.octets(FROM_SERVER, 0, retry, NOON_NS) == BOTH
    chosen = bytes.fromhex("f067a5502a4262b5")
    for number, frame in enumerate(frames):
        opening.octets(FROM_CLIENT, 0, initial(frame, number=number, dcid=chosen, key_dcid=chosen), NOON_NS)
    assert (opening.server_name, opening.tls_version_offered) == ("school.example", True)


def test_a_connection_id_that_the_server_changed_keeps_the_first_keys(openings: Openings) -> None:
    frames = crypto(hello(), 800)
    opening = opened(openings)
    opening.octets(FROM_CLIENT, 0, initial(frames[0]), NOON_NS)
    opening.octets(FROM_CLIENT, 0, initial(frames[1], number=1, dcid=b"serverid", key_dcid=DCID), NOON_NS)
    assert opening.server_name == "school.example"


def test_a_version_that_the_server_changed_keeps_the_first_connection_id(openings: Openings) -> None:
    frames = crypto(hello(), 800)
    opening = opened(openings)
    opening.octets(FROM_CLIENT, 0, initial(frames[0]), NOON_NS)
    opening.octets(FROM_SERVER, 0, SERVER_INITIAL, NOON_NS)
    second = initial(frames[1], number=1, dcid=b"serverid", key_dcid=DCID, version=quic.VERSION_2)
    opening.octets(FROM_CLIENT, 0, second, NOON_NS)
    assert opening.server_name == "school.example"
    assert not opening.tls_version_offered


def test_quic_from_the_supposed_server_turns_the_flow_round(openings: Openings) -> None:
    opening = opened(openings, client_port=60_000, server_port=50_000)
    opening.octets(FROM_SERVER, 0, initial(crypto(hello())[0]), NOON_NS)
    assert (opening.reversed, opening.server_name) == (True, "school.example")


def test_noise_that_looks_like_initials_costs_one_flow_a_bounded_number_of_attempts(openings: Openings) -> None:
    opening = opened(openings)
    for number in range(MAX_ATTEMPTS + 10):
        noise = b"\xc0\x00\x00\x00\x01\x08" + number.to_bytes(8) + b"\x00\x00\x40\x40" + bytes(64)
        opening.octets(FROM_CLIENT, 0, noise, NOON_NS)
    assert openings.counters.quic_undecryptable == MAX_ATTEMPTS
    assert openings.counters.quic_attempts_capped == 10
    assert (opening.app, opening.tls_version) == ("quic", None)


def test_noise_on_many_flows_is_bounded_by_the_second_and_forgotten_in_the_next(openings: Openings) -> None:
    noise = b"\xc0\x00\x00\x00\x01\x08" + bytes(8) + b"\x00\x00\x40\x40" + bytes(64)
    for _ in range(MAX_FAILURES_PER_SECOND + 5):
        opened(openings).octets(FROM_CLIENT, 0, noise, NOON_NS)
    assert openings.counters.quic_undecryptable == MAX_FAILURES_PER_SECOND
    good = initial(crypto(hello())[0])
    late, in_time = opened(openings), opened(openings)
    late.octets(FROM_CLIENT, 0, good, NOON_NS)
    in_time.octets(FROM_CLIENT, 0, good, NOON_NS + NS)
    assert (late.server_name, in_time.server_name) == (None, "school.example")


PIECES = [b"", initial(crypto(hello(padding=5))[0]), SERVER_INITIAL, b"\xc0\x00\x00\x00\x01\x08" + DCID]


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


@pytest.mark.parametrize("version", [0xFF00001D, 0xFF000020, 0xFF000022, quic.VERSION_1, quic.VERSION_2])
def test_a_hello_over_five_initials_in_reverse_names_its_server(openings: Openings, version: int) -> None:
    frames = crypto(hello(padding=5_000), 1_000, 2_000, 3_000, 4_000)
    opening = opened(openings)
    for number, frame in reversed(list(enumerate(frames))):
        opening.octets(FROM_CLIENT, 0, initial(frame, number=number, version=version), NOON_NS)
    assert (opening.server_name, opening.app) == ("school.example", "quic")


def test_a_client_that_is_told_other_versions_is_read_once_it_speaks_one_that_is_known(openings: Openings) -> None:
    opening = opened(openings)
    unknown = b"\xc0\x1a\x2a\x3a\x4a" + initial(crypto(hello())[0])[5:]
    assert opening.octets(FROM_CLIENT, 0, unknown, NOON_NS) == BOTH
    offered = b"\x80\0\0\0\0\x00\x08" + DCID + quic.VERSION_1.to_bytes(4) + b"\x0a\x0a\x0a\x0a"
    assert opening.octets(FROM_SERVER, 0, offered, NOON_NS) == BOTH
    assert opening.octets(FROM_CLIENT, 0, initial(crypto(hello())[0]), NOON_NS) == DOWN
    assert (opening.server_name, opening.tls_version_offered) == ("school.example", True)


def test_the_outer_name_of_encrypted_client_hello_is_kept_and_said_to_be_one(openings: Openings) -> None:
    opening = opened(openings)
    said = hello("front.example", more=extension(0xFE0D, b"\x00" + bytes(50)))
    opening.octets(FROM_CLIENT, 0, initial(crypto(said)[0]), NOON_NS)
    assert (opening.server_name, opening.ech) == ("front.example", True)


def test_dns_over_quic_and_over_http_3_are_known_as_such(openings: Openings) -> None:
    doq, doh = opened(openings, server_port=853), opened(openings)
    doq.octets(FROM_CLIENT, 0, initial(crypto(hello("resolver.example"))[0]), NOON_NS)
    doh.octets(FROM_CLIENT, 0, initial(crypto(hello("dns.google"))[0]), NOON_NS)
    assert (doq.app, doh.app) == ("dot", "doh")


NOISE = b"\xc0\x00\x00\x00\x01\x08" + bytes(8) + b"\x00\x00\x40\x40" + bytes(64)


def flooded(openings: Openings) -> None:
    for _ in range(MAX_FAILURES_PER_SECOND):
        opened(openings).octets(FROM_CLIENT, 0, NOISE, NOON_NS)


def test_amid_noise_a_hello_is_read_as_soon_as_its_server_answers(openings: Openings) -> None:
    flooded(openings)
    frames = crypto(hello(), 800)
    opening = opened(openings)
    for number, frame in enumerate(frames):
        assert opening.octets(FROM_CLIENT, 0, initial(frame, number=number), NOON_NS) == BOTH
    name_before = opening.server_name
    assert opening.octets(FROM_SERVER, 0, SERVER_INITIAL, NOON_NS + 1) == 0
    assert (name_before, opening.server_name, opening.tls_version_offered) == (None, "school.example", False)
    assert (openings.counters.quic_attempts_capped, openings.counters.quic_attempts_late) == (2, 2)


def test_amid_noise_what_was_put_off_is_read_in_the_next_second_with_what_comes_then(openings: Openings) -> None:
    flooded(openings)
    frames = crypto(hello(), 800)
    opening = opened(openings)
    opening.octets(FROM_CLIENT, 0, initial(frames[0]), NOON_NS)
    opening.octets(FROM_CLIENT, 0, initial(frames[1], number=1), NOON_NS + NS)
    assert opening.server_name == "school.example"


def test_noise_that_nobody_answers_is_never_opened(openings: Openings) -> None:
    flooded(openings)
    for _ in range(100):
        opened(openings).octets(FROM_CLIENT, 0, NOISE, NOON_NS)
    counters = openings.counters
    assert (counters.quic_undecryptable, counters.quic_attempts_capped) == (MAX_FAILURES_PER_SECOND, 100)
    assert counters.quic_attempts_late == 0
