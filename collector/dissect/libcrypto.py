"""The hashes and ciphers under QUIC's Initial packets, which are made for every connection. None are written here.

Not compiled: compiled code has libcrypto.pxd, which calls the OpenSSL that Python itself has loaded, and makes no
objects on the way. These functions serve uncompiled code, and compiled code where that library is not to be found; both
must say the same (tests/collector/test_dissect_libcrypto.py).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SAMPLE_OCTETS = 16
TAG_OCTETS = 16
KEY_OCTETS = 16
IV_OCTETS = 12
MAX_CONTEXTS = 256
"""Connections whose ciphers are kept: making them takes longer than opening a packet, and a hello is two packets."""

_SHA256_BLOCK_OCTETS = 64
# Copying a fresh hash takes a third of the time that making one takes: OpenSSL looks its algorithm up each time.
_new_hash = sha256().copy
_ECB = modes.ECB()  # noqa: S305 -- RFC 9001 says so
_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))


class Library:
    """OpenSSL's libcrypto, as compiled code calls it."""


def library() -> Library | None:
    """Return the library that this process has loaded; None: it is not called from here, or it cannot be."""
    return None


def is_there(library: Library | None) -> bool:
    """Say whether there is one."""
    return library is not None


def mac(library: Library | None, key: bytearray, message: bytes) -> bytes | None:  # noqa: ARG001 -- as below
    """Return HMAC-SHA256 of *message* under *key*; None: not from here, or one of them has more than 64 octets."""
    return None


def secrets(
    library: Library | None,  # noqa: ARG001 -- for compiled code
    salt: bytes,
    dcid: bytes,
    labels: tuple[bytes, bytes, bytes, bytes],
) -> bytes:
    """Return key (16 octets), initialization vector (12) and header protection key (16) of a client's Initials.

    Args:
        library: what `library` returned.
        salt: that of the version, at most 64 octets.
        dcid: destination connection id of the client's first Initial, or of its first after a Retry.
        labels: HkdfLabels of the client's secret and of these three, in order.

    Source: RFC 9001 section 5.2; RFC 5869.
    """
    secret = _hmac(_salt_pads(salt), dcid)
    client, key, iv, hp = labels
    pads = _pads(_hmac(_pads(secret), client))
    return _hmac(pads, key)[:KEY_OCTETS] + _hmac(pads, iv)[:IV_OCTETS] + _hmac(pads, hp)[:KEY_OCTETS]


def mask(library: Library | None, secrets: bytes, datagram: bytes, at: int) -> int:  # noqa: ARG001 -- as above
    """Return the first five octets of the mask of header protection, as one number.

    Args:
        library: what `library` returned.
        secrets: what the function of that name returned.
        datagram: holds the packet.
        at: where the sample lies; raises IndexError when it reaches beyond the datagram.

    Source: RFC 9001 section 5.4.3.
    """
    if not 0 <= at <= len(datagram) - SAMPLE_OCTETS:
        raise IndexError("a sample reaches beyond its datagram")
    octets: bytes = _block(secrets[KEY_OCTETS + IV_OCTETS :]).update(datagram[at : at + SAMPLE_OCTETS])
    return int.from_bytes(octets[:5], "big")


def unsealed(
    library: Library | None,  # noqa: ARG001 -- as above
    secrets: bytes,
    first: int,
    number: int,
    datagram: bytes,
    start: int,
    at: int,
    end: int,
) -> bytes | None:
    """Return what is sealed in a packet; None: it was not sealed with these secrets, or it was changed on the way.

    Args:
        library: what `library` returned.
        secrets: what the function of that name returned.
        first: first octet of the packet, without header protection; it says how long the packet number is.
        number: the whole packet number.
        datagram: holds the packet; raises IndexError when it does not.
        start: where the packet starts.
        at: where its number does.
        end: where the packet ends.

    Source: RFC 9001 section 5.3.
    """
    size = (first & 3) + 1
    if not 0 <= start < at <= end - size - TAG_OCTETS <= len(datagram) - size - TAG_OCTETS:
        raise IndexError("a packet reaches beyond its datagram")
    nonce = int.from_bytes(secrets[KEY_OCTETS : KEY_OCTETS + IV_OCTETS], "big") ^ number
    header = bytes((first,)) + datagram[start + 1 : at] + number.to_bytes(8, "big")[-size:]
    try:
        return _aead(secrets[:KEY_OCTETS]).decrypt(nonce.to_bytes(IV_OCTETS, "big"), datagram[at + size : end], header)
    except InvalidTag:
        return None


@lru_cache(maxsize=MAX_CONTEXTS)
def _aead(key: bytes) -> AESGCM:
    return AESGCM(key)


@lru_cache(maxsize=MAX_CONTEXTS)
def _block(key: bytes) -> CipherContext:
    # ECB on one block is how header protection is defined (RFC 9001 section 5.4.3).
    return Cipher(algorithms.AES128(key), _ECB).encryptor()


def _pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and the outer pad of HMAC (RFC 2104) for a key of at most one block."""
    block = key.ljust(_SHA256_BLOCK_OCTETS, b"\x00")
    return block.translate(_INNER_PAD), block.translate(_OUTER_PAD)


_salt_pads = lru_cache(maxsize=MAX_CONTEXTS)(_pads)


def _hmac(pads: tuple[bytes, bytes], message: bytes) -> bytes:
    """Return the HMAC of RFC 2104 over SHA-256 with these pads.

    `hmac.digest` looks its algorithm up at each call, which takes most of the time; here are five calls a connection.
    Nothing is secret about these keys: anybody who sees the packet can derive them.
    """
    inner, outer = pads
    within = _new_hash()
    within.update(inner + message)
    whole = _new_hash()
    whole.update(outer + within.digest())
    return whole.digest()
