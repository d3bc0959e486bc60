"""collector/dissect/libcrypto.py: OpenSSL called by compiled code and `cryptography` say the same of every Initial."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from collector.dissect import libcrypto, quic
from collector.dissect.errors import DissectError
from collector.flows import COMPILED
from tests.fuzz.sealing import DCID, sealed

SALTS = {
    quic.VERSION_1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    quic.VERSION_2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    0xFF00001B: bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
    0xFF00001D: bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"),
}
VERSIONS = st.sampled_from(list(SALTS))
DCIDS = st.binary(max_size=quic.MAX_CID_OCTETS)
# Opens Initials in a process whose OpenSSL is built into Python, so that nobody can call it.
ELSEWHERE = """
import json, sys, _hashlib
del _hashlib.__file__
from collector.dissect import quic
from collector.dissect.errors import DissectError
told = [quic.CALLS_LIBCRYPTO, "collector.dissect.libcrypto" in sys.modules]
for datagram in map(bytes.fromhex, sys.argv[1:]):
    (packet,) = quic.packets(datagram)
    try:
        told.append(quic.InitialKeys(version=packet.version, dcid=packet.dcid).payload(datagram, packet).hex())
    except DissectError:
        told.append(None)
json.dump(told, sys.stdout)
"""


def label(text: bytes, octets: int) -> bytes:
    return octets.to_bytes(2) + bytes((6 + len(text),)) + b"tls13 " + text + b"\0"


def by_cryptography(datagram: bytes, packet: quic.Packet) -> bytes | None:
    """Return the frames of a first Initial, opened by the functions that serve uncompiled code."""
    secrets = b"".join(quic.initial_secrets(version=packet.version, dcid=packet.dcid))
    start, at, end = packet.start, packet.number_at, packet.end
    mask = libcrypto.mask(None, secrets, datagram, at + 4)
    first = datagram[start] ^ ((mask >> 32) & 15)
    size = (first & 3) + 1
    number = int.from_bytes(datagram[at : at + size]) ^ ((mask & 0xFFFFFFFF) >> (32 - 8 * size))
    return libcrypto.unsealed(None, secrets, first, number, datagram, start, at, end)


def test_compiled_code_calls_the_openssl_that_python_has_loaded_where_that_is_version_3_and_shared() -> None:
    import _hashlib  # noqa: PLC0415 -- only here

    lent = getattr(_hashlib, "__file__", None)
    version = getattr(ctypes.CDLL(lent), "OpenSSL_version_num", None) if lent else None

    assert (COMPILED and version is not None and version() >> 28 == 3) == quic.CALLS_LIBCRYPTO


@given(version=VERSIONS, dcid=DCIDS)
def test_keys_are_those_of_hkdf(version: int, dcid: bytes) -> None:
    prefix = b"quicv2" if version == quic.VERSION_2 else b"quic"
    labels = [(b"client in", 32), (prefix + b" key", 16), (prefix + b" iv", 12), (prefix + b" hp", 16)]
    initial = HKDF.extract(SHA256(), SALTS[version], dcid)
    client = HKDFExpand(SHA256(), 32, label(*labels[0])).derive(initial)
    expected = tuple(HKDFExpand(SHA256(), size, label(text, size)).derive(client) for text, size in labels[1:])
    first, key, iv, hp = (label(*each) + b"\x01" for each in labels)

    assert quic.initial_secrets(version=version, dcid=dcid) == expected
    assert libcrypto.secrets(None, SALTS[version], dcid, (first, key, iv, hp)) == b"".join(expected)


@given(version=VERSIONS, dcid=DCIDS, number=st.integers(0, 2**31), frames=st.binary(max_size=1_300))
def test_what_was_sealed_opens_both_ways(version: int, dcid: bytes, number: int, frames: bytes) -> None:
    datagram = sealed(frames, number=number, version=version, dcid=dcid) + b"behind"
    packet = quic.packets(datagram)[0]

    assert quic.InitialKeys(version=version, dcid=dcid).payload(datagram, packet) == frames.ljust(40, b"\0")
    assert by_cryptography(datagram, packet) == frames.ljust(40, b"\0")


@given(at=st.integers(0, 77), bit=st.integers(0, 7))
def test_what_was_changed_in_one_bit_opens_neither_way(at: int, bit: int) -> None:
    datagram = bytearray(sealed(b""))
    assert len(datagram) == 78
    datagram[at] ^= 1 << bit
    try:
        packet = quic.packets(bytes(datagram))[0]
    except DissectError:
        return
    if packet.kind != quic.PacketKind.INITIAL:
        return

    assert by_cryptography(bytes(datagram), packet) is None
    with pytest.raises(DissectError):
        quic.InitialKeys(version=packet.version, dcid=packet.dcid).payload(bytes(datagram), packet)


def test_an_initial_of_nothing_but_its_tag_opens_both_ways() -> None:
    """RFC 9000 section 12.4 forbids a packet without frames, and somebody will send one."""
    key, iv, hp = quic.initial_secrets(version=quic.VERSION_1, dcid=DCID)
    header = b"\xc3\x00\x00\x00\x01\x08" + DCID + b"\x00\x00\x14\x00\x00\x00\x00"
    datagram = bytearray(header + AESGCM(key).encrypt(iv, b"", header))
    mask = libcrypto.mask(None, key + iv + hp, bytes(datagram), len(header)).to_bytes(5)
    datagram[0] ^= mask[0] & 15
    datagram[len(header) - 4 : len(header)] = mask[1:]
    (packet,) = quic.packets(bytes(datagram))

    assert quic.InitialKeys(version=quic.VERSION_1, dcid=DCID).payload(bytes(datagram), packet) == b""
    assert by_cryptography(bytes(datagram), packet) == b""


def test_keys_of_a_connection_that_has_ended_do_not_open_the_next_one() -> None:
    ours, others = sealed(b"ours", dcid=DCID), sealed(b"theirs", dcid=DCID[::-1])
    keys = {dcid: quic.InitialKeys(version=quic.VERSION_1, dcid=dcid) for dcid in (DCID, DCID[::-1])}
    for _again in range(3):
        assert keys[DCID].payload(ours, quic.packets(ours)[0]).startswith(b"ours")
        assert keys[DCID[::-1]].payload(others, quic.packets(others)[0]).startswith(b"theirs")
        with pytest.raises(DissectError):
            keys[DCID].payload(others, quic.packets(others)[0])


def test_a_packet_beyond_its_datagram_is_never_read() -> None:
    datagram = sealed(b"")
    (packet,) = quic.packets(datagram)
    keys = quic.InitialKeys(version=quic.VERSION_1, dcid=DCID)
    for octets in range(len(datagram)):
        with pytest.raises(IndexError):
            keys.payload(datagram[:octets], packet)
        with pytest.raises(IndexError):
            by_cryptography(datagram[:octets], packet)


def test_a_python_with_openssl_inside_opens_the_same_with_cryptography() -> None:
    opens, changed = sealed(b"frames", number=5), bytearray(sealed(b"frames", number=5))
    changed[-1] ^= 1
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, opens.hex(), changed.hex()], capture_output=True, check=True, timeout=60
    )

    assert json.loads(done.stdout) == [False, True, b"frames".ljust(40, b"\0").hex(), None]
