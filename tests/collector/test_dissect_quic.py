"""QUIC Initials open with the keys that anybody can derive: published vectors of RFC 9001 and RFC 9369, appendix A."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect import quic, tls
from collector.dissect.errors import DissectError
from collector.streams import stream

DCID = bytes.fromhex("8394c8f03e515708")
# The CRYPTO frame of both appendices.
CRYPTO = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c"
    "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
    "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4"
    "7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ff"
    "ff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
VECTORS = [
    pytest.param(
        quic.VERSION_1,
        "c300000001088394c8f03e5157080000449e00000002",
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
        "e221af44860018ab0856972e194cd934",
        id="RFC 9001 A.2",
    ),
    pytest.param(
        quic.VERSION_2,
        "d36b3343cf088394c8f03e5157080000449e00000002",
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
        "a18b2faa745b6fe189cf772a9f84cbfc",
        id="RFC 9369 A.2",
    ),
]


def protect(header: bytes, frames: bytes, *, version: int, dcid: bytes = DCID) -> bytes:
    """Return the Initial with this header (four octets of packet number at its end) and these frames."""
    key, iv, hp = quic.initial_secrets(version=version, dcid=dcid)
    number = int.from_bytes(header[-4:])
    sealed = AESGCM(key).encrypt((int.from_bytes(iv) ^ number).to_bytes(12), frames, header)
    mask = Cipher(algorithms.AES128(hp), modes.ECB()).encryptor().update(sealed[:16])  # noqa: S305 -- RFC 9001 says so
    packet = bytearray(header + sealed)
    packet[0] ^= mask[0] & 0x0F
    for at in range(4):
        packet[len(header) - 4 + at] ^= mask[1 + at]
    return bytes(packet)


def initial(frames: bytes, *, number: int = 0, dcid: bytes = DCID, key_dcid: bytes = DCID) -> bytes:
    length = (4 + len(frames) + 16) | 0x4000
    header = (
        b"\xc3\x00\x00\x00\x01" + bytes((len(dcid),)) + dcid + b"\x00\x00" + length.to_bytes(2) + number.to_bytes(4)
    )
    return protect(header, frames, version=quic.VERSION_1, dcid=key_dcid)


def test_keys_of_version_1_are_those_of_the_appendix() -> None:
    assert [part.hex() for part in quic.initial_secrets(version=quic.VERSION_1, dcid=DCID)] == [
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    ]


def test_keys_of_version_2_are_those_of_the_appendix() -> None:
    assert [part.hex() for part in quic.initial_secrets(version=quic.VERSION_2, dcid=DCID)] == [
        "8b1a0bc121284290a29e0971b5cd045d",
        "91f73e2351d8fa91660e909f",
        "45b95e15235d6f45a6b19cbcb0294ba9",
    ]


@pytest.mark.parametrize(("version", "header", "head", "tail"), VECTORS)
def test_the_client_initial_of_the_appendix_opens_and_names_its_server(
    version: int, header: str, head: str, tail: str
) -> None:
    datagram = protect(bytes.fromhex(header), CRYPTO.ljust(1162, b"\x00"), version=version)
    assert (datagram.hex()[: len(head)], datagram.hex()[-32:], len(datagram)) == (head, tail, 1200)
    (packet,) = quic.packets(datagram)
    assert (packet.kind, packet.dcid, packet.end) == (quic.PacketKind.INITIAL, DCID, 1200)
    frames = quic.InitialKeys(version=version, dcid=DCID).payload(datagram, packet)
    ((offset, data),) = quic.crypto_frames(frames)
    hello = tls.client_hello(data)
    assert offset == 0
    assert hello is not None
    assert (hello.server_name, hello.alpn, hello.version) == ("example.com", ("alpn",), 0x0304)


@pytest.mark.parametrize(
    ("retry", "version"),
    [
        ("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba", quic.VERSION_1),
        ("cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6", quic.VERSION_2),
    ],
)
def test_the_retry_of_the_appendix_is_a_retry(retry: str, version: int) -> None:
    (packet,) = quic.packets(bytes.fromhex(retry))
    assert (packet.kind, packet.version) == (quic.PacketKind.RETRY, version)


def test_one_changed_octet_keeps_an_initial_shut() -> None:
    datagram = bytearray(initial(CRYPTO.ljust(1162, b"\x00")))
    datagram[700] ^= 1
    (packet,) = quic.packets(bytes(datagram))
    with pytest.raises(DissectError):
        quic.InitialKeys(version=quic.VERSION_1, dcid=DCID).payload(bytes(datagram), packet)


def test_packets_in_one_datagram_are_found_one_after_another() -> None:
    handshake = b"\xe0\x00\x00\x00\x01\x08" + DCID + b"\x00" + b"\x40\x20" + bytes(32)
    datagram = initial(CRYPTO) + handshake + b"\x00" * 60
    kinds = [packet.kind for packet in quic.packets(datagram)]
    assert kinds == [quic.PacketKind.INITIAL, quic.PacketKind.HANDSHAKE]


def test_a_list_of_versions_is_known_by_its_zero() -> None:
    (packet,) = quic.packets(b"\x80\x00\x00\x00\x00\x08" + DCID + b"\x00" + b"\x00\x00\x00\x01")
    assert packet.kind == quic.PacketKind.VERSION_NEGOTIATION


@pytest.mark.parametrize("datagram", [b"", b"\x40" + bytes(40), b"\xc0\x12\x34\x56\x78\x08" + bytes(60), b"\xc0\0\0"])
def test_what_has_no_known_long_header_is_refused(datagram: bytes) -> None:
    with pytest.raises(DissectError):
        quic.packets(datagram)


def test_a_packet_number_is_completed_as_the_appendix_shows() -> None:
    # RFC 9000 appendix A.3: 0xa82f30ea was the largest, 0x9b32 in two octets is 0xa82f9b32.
    assert quic.packet_number(0x9B32, octets=2, largest=0xA82F30EA) == 0xA82F9B32
    assert quic.packet_number(0, octets=1, largest=255) == 256
    assert quic.packet_number(0xFF, octets=1, largest=256) == 255
    assert quic.packet_number(2, octets=4, largest=-1) == 2


def test_frames_that_an_initial_may_carry_are_stepped_over() -> None:
    ack = bytes.fromhex("02") + b"\x05\x00\x01\x00" + b"\x01\x01"
    ack_with_counts = bytes.fromhex("03") + b"\x05\x00\x00\x00" + b"\x01\x01\x01"
    frames = b"\x00\x00\x01" + ack + b"\x06\x05\x02hi" + ack_with_counts + b"\x00" * 40 + b"\x06\x40\x00\x01a"
    assert quic.crypto_frames(frames) == [(0, b"a"), (5, b"hi")]


def test_frames_that_adjoin_are_one_piece_whatever_their_order() -> None:
    assert quic.crypto_frames(b"\x06\x02\x02cd" + b"\x06\x06\x01g" + b"\x06\x00\x02ab") == [(0, b"abcd"), (6, b"g")]


def test_frames_that_overlap_stay_as_they_came_for_the_first_of_them_wins() -> None:
    frames = b"\x06\x02\x02cd" + b"\x06\x00\x03abX" + b"\x06\x04\x01e"
    assert quic.crypto_frames(frames) == [(2, b"cd"), (0, b"abX"), (4, b"e")]


@pytest.mark.parametrize(("count", "pieces"), [(quic.MAX_SORTED, 1), (quic.MAX_SORTED + 1, quic.MAX_SORTED + 1)])
def test_a_packet_of_very_many_frames_is_not_put_in_order(count: int, pieces: int) -> None:
    frames = b"".join(bytes((6, 0x40 | number >> 8, number & 255, 1, number)) for number in reversed(range(count)))
    found = quic.crypto_frames(frames)
    assert len(found) == pieces
    assert b"".join(octets for _, octets in sorted(found)) == bytes(range(count))


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=6)), max_size=12))
def test_a_stream_fills_up_alike_with_pieces_in_order_or_as_they_came(cut: list[tuple[int, bytes]]) -> None:
    in_order, as_they_came = stream(), stream()
    for offset, octets in quic.crypto_frames(b"".join(bytes((6, at, len(held))) + held for at, held in cut)):
        in_order.add(offset, octets)
    for offset, octets in cut:
        as_they_came.add(offset, octets)
    assert in_order.octets == as_they_came.octets


def test_a_frame_whose_octets_end_in_zeros_keeps_them_though_padding_follows() -> None:
    assert quic.crypto_frames(b"\x06\x05\x02f\x00" + b"\x00" * 9) == [(5, b"f\x00")]
    assert quic.crypto_frames(b"\x06\x00\x03\x00\x00\x00") == [(0, b"\x00\x00\x00")]
    assert quic.crypto_frames(b"\x06\x00\x00\x00") == [(0, b"")]


def test_a_closing_frame_ends_the_reading() -> None:
    assert quic.crypto_frames(b"\x06\x00\x01a" + b"\x1c\x00\x00\x00" + b"\x06\x01\x01b") == [(0, b"a")]


@pytest.mark.parametrize(
    "frames", [b"\x06\x00\x05ab", b"\x08", b"\x06", b"\x02\x00\x00\xbf\xff\xff\xff\x00", b"\x06\x80\x01\x00\x00\x01a"]
)
def test_frames_cut_short_or_out_of_place_are_refused(frames: bytes) -> None:
    with pytest.raises(DissectError):
        quic.crypto_frames(frames)


def test_drafts_and_the_build_numbers_of_mvfst_are_known() -> None:
    for version in (*range(0xFF000016, 0xFF000023), 0xFACEB001, 0xFACEB002, 0xFACEB00E):
        header = b"\xc3" + version.to_bytes(4) + b"\x08" + DCID + b"\x00\x00\x44\x9e\x00\x00\x00\x02"
        datagram = protect(header, CRYPTO.ljust(1162, b"\x00"), version=version)
        (packet,) = quic.packets(datagram)
        assert quic.crypto_frames(quic.InitialKeys(version=version, dcid=DCID).payload(datagram, packet))


@given(st.binary(max_size=200), st.sampled_from(["", "c000000001", "c300000001088394c8f03e5157080000", "d36b3343cf08"]))
def test_no_datagram_raises_anything_but_a_dissect_error(octets: bytes, start: str) -> None:
    datagram = bytes.fromhex(start) + octets
    try:
        found = quic.packets(datagram)
    except DissectError:
        return
    for packet in found:
        assert packet.start < packet.end <= len(datagram)
        if packet.kind == quic.PacketKind.INITIAL:
            with pytest.raises(DissectError):
                quic.InitialKeys(version=packet.version, dcid=packet.dcid).payload(datagram, packet)


@given(st.binary(max_size=200))
def test_no_frames_raise_anything_but_a_dissect_error(frames: bytes) -> None:
    try:
        quic.crypto_frames(frames)
    except DissectError:
        return
