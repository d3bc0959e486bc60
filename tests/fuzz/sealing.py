"""Seals frames into Initials with the right keys, so that mutations reach what lies behind the encryption."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.dissect import quic

DCID = b"\x83\x94\xc8\xf0\x3e\x51\x57\x08"


@cache
def _keys(version: int, dcid: bytes) -> tuple[AESGCM, int, algorithms.AES128]:
    key, iv, hp = quic.initial_secrets(version=version, dcid=dcid)
    return AESGCM(key), int.from_bytes(iv, "big"), algorithms.AES128(hp)


def sealed(frames: bytes, *, number: int = 0, version: int = quic.VERSION_1, dcid: bytes = DCID) -> bytes:
    """Return an Initial with *frames*, padded to the least that header protection needs (RFC 9001 section 5.4.2)."""
    frames = frames.ljust(40, b"\x00")
    first = 0xD3 if version == quic.VERSION_2 else 0xC3
    header = bytes((first,)) + version.to_bytes(4, "big") + bytes((len(dcid),)) + dcid + b"\x00\x00"
    header += ((4 + len(frames) + 16) | 0x4000).to_bytes(2, "big") + number.to_bytes(4, "big")
    aead, iv, hp = _keys(version, dcid)
    body = aead.encrypt((iv ^ number).to_bytes(12, "big"), frames, header)
    mask = Cipher(hp, modes.ECB()).encryptor().update(body[:16])  # noqa: S305 -- RFC 9001 says so
    packet = bytearray(header + body)
    packet[0] ^= mask[0] & 0x0F
    for at in range(4):
        packet[len(header) - 4 + at] ^= mask[1 + at]
    return bytes(packet)
