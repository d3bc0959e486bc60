"""Opens QUIC Initial packets, whose keys anybody on the path can derive, and returns their CRYPTO octets.

Compiled; the C types stand in quic.pxd.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector import slices
from collector.dissect.errors import DissectError

VERSION_1 = 0x00000001
VERSION_2 = 0x6B3343CF
MIN_CLIENT_CID_OCTETS = 8
"""A client's first destination connection id is at least this long (RFC 9000 section 7.2)."""
MAX_CID_OCTETS = 20
MAX_CRYPTO_OCTETS = 65_536
"""CRYPTO octets beyond this offset belong to no hello that is read."""
MAX_PACKETS = 8
"""Packets that are looked for in one datagram; four kinds exist."""

_SAMPLE_OCTETS = 16
_LONG_FORM = 0x80
_FIXED_BIT = 0x40
_MAX_CID = MAX_CID_OCTETS
_MAX_CRYPTO = MAX_CRYPTO_OCTETS
_MAX_PACKETS = MAX_PACKETS
_VERSION_2 = VERSION_2

_SALT_DRAFT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
_SALT_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_VERSION_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_VERSION_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")

_SHA256_BLOCK_OCTETS = 64
# Copying a fresh hash takes a third of the time that making one takes: OpenSSL looks its algorithm up each time.
_new_hash = sha256().copy
_ONE = 1  # compiled, of 64 bits: a literal would be shifted with 32
_ECB = modes.ECB()  # noqa: S305 -- RFC 9001 says so
_INNER_PAD = bytes(octet ^ 0x36 for octet in range(256))
_OUTER_PAD = bytes(octet ^ 0x5C for octet in range(256))


class PacketKind(IntEnum):
    """Kinds of long header packets, numbered as version 1 does (RFC 9000 section 17.2)."""

    INITIAL = 0
    ZERO_RTT = 1
    HANDSHAKE = 2
    RETRY = 3
    VERSION_NEGOTIATION = 4


# The same for compiled code, where these are C variables: comparing members of an enumeration costs more than the rest.
INITIAL, ZERO_RTT, HANDSHAKE, RETRY, VERSION_NEGOTIATION = 0, 1, 2, 3, 4


def _label(text: bytes, *, octets: int) -> bytes:
    """Return the HkdfLabel of RFC 8446 section 7.1, with the counter octet of HKDF's first and only block."""
    label = b"tls13 " + text
    return octets.to_bytes(2, "big") + bytes((len(label),)) + label + b"\x00\x01"


_CLIENT_IN = _label(b"client in", octets=32)
_LABELS_V1 = (_label(b"quic key", octets=16), _label(b"quic iv", octets=12), _label(b"quic hp", octets=16))
_LABELS_V2 = (_label(b"quicv2 key", octets=16), _label(b"quicv2 iv", octets=12), _label(b"quicv2 hp", octets=16))


def _pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and the outer pad of HMAC (RFC 2104) for a key of at most one block."""
    block = key.ljust(_SHA256_BLOCK_OCTETS, b"\x00")
    return block.translate(_INNER_PAD), block.translate(_OUTER_PAD)


def _salts() -> dict[int, tuple[bytes, bytes]]:
    """Return the pads of the salt of each version that is known."""
    salts = {VERSION_1: _SALT_VERSION_1, VERSION_2: _SALT_VERSION_2}
    for draft in range(22, 35):
        if draft == 22:
            salt = _SALT_DRAFT_22
        elif draft <= 28:
            salt = _SALT_DRAFT_23
        else:
            salt = _SALT_DRAFT_29 if draft <= 32 else _SALT_VERSION_1
        salts[0xFF000000 | draft] = salt
    # mvfst numbers its own builds; they follow draft 22 and draft 27.
    salts[0xFACEB001] = _SALT_DRAFT_22
    for build in range(2, 16):
        salts[0xFACEB000 | build] = _SALT_DRAFT_23
    return {version: _pads(salt) for version, salt in salts.items()}


_SALTS = _salts()


class Packet:
    """Where one long header packet lies in its datagram (RFC 9000 section 17.2). Read only; filled in by `packets`."""

    __slots__ = ("dcid", "end", "kind", "number_at", "start", "version")

    kind: int
    """What it is (`PacketKind`)."""
    version: int
    dcid: bytes
    """Destination connection id: the keys of a connection come from the first one that its client chose."""
    start: int
    """Offset of its first octet in the datagram."""
    number_at: int
    """Offset of the packet number; 0 where the kind has none."""
    end: int
    """Offset behind its last octet."""


class Cursor:
    """A place among octets, from which variable-length integers are read (RFC 9000 section 16)."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes, at: int) -> None:
        self.octets = octets
        self.at = at

    def varint(self) -> int:
        """Return the integer here and step behind it; raises IndexError when it is cut short."""
        octets = self.octets
        at = self.at
        value = octets[at]
        more = (1 << (value >> 6)) - 1
        value &= 0x3F
        for _ in range(more):
            at += 1
            value = (value << 8) | octets[at]
        self.at = at + 1
        return value


def packets(datagram: bytes) -> list[Packet]:
    """Return the long header packets of *datagram*, in order; a short header packet or padding ends them.

    Raises:
        DissectError: the first packet has no readable long header of a known version.

    Source: RFC 9000 sections 12.2 and 17.2; RFC 9369 section 3.2.
    """
    found: list[Packet] = []
    at = 0
    size = len(datagram)
    while at < size and datagram[at] & _LONG_FORM and len(found) < _MAX_PACKETS:
        try:
            packet = _packet(datagram, at)
        except (DissectError, IndexError) as broken:
            if found:
                break
            raise DissectError("no QUIC long header") from broken
        found.append(packet)
        at = packet.end
    if not found:
        raise DissectError("no QUIC long header")
    return found


def _packet(datagram: bytes, start: int) -> Packet:
    size = len(datagram)
    version = _number(datagram, start + 1, 4)
    at = start + 6 + datagram[start + 5]
    packet = Packet()
    packet.version = version
    packet.dcid = datagram[start + 6 : at]
    packet.start = start
    packet.number_at = 0
    packet.end = size
    at += 1 + datagram[at]
    if version == 0:
        packet.kind = VERSION_NEGOTIATION
        return packet
    if version not in _SALTS or not datagram[start] & _FIXED_BIT or len(packet.dcid) > _MAX_CID:
        raise DissectError(f"QUIC version {version:#010x} is not known")
    packet.kind = kind = (datagram[start] >> 4) & 3
    if version == _VERSION_2:
        # Version 2 deals the same kinds out in another order (RFC 9369 section 3.2).
        packet.kind = kind = (kind + 3) & 3
    if kind == RETRY:
        return packet
    cursor = Cursor(datagram, at)
    if kind == INITIAL:
        token = cursor.varint()
        cursor.at += min(token, size)
    length = cursor.varint()
    if length < 4 + _SAMPLE_OCTETS or length > size - cursor.at:
        raise DissectError("packet cut short")
    packet.number_at = cursor.at
    packet.end = cursor.at + length
    return packet


def _number(octets: bytes, at: int, size: int) -> int:
    """Return the *size* octets from *at* on as one number."""
    number = 0
    for index in range(at, at + size):
        number = (number << 8) | octets[index]
    return number


class InitialKeys:
    """The keys that protect a client's Initial packets.

    Args:
        version: QUIC version of the packet; one that `packets` knows.
        dcid: destination connection id of the client's first Initial, or of its first after a Retry.

    Source: RFC 9001 sections 5.2 to 5.4; RFC 9369 section 3.3.
    """

    __slots__ = ("_aead", "_iv", "_largest", "_mask", "dcid", "version")

    def __init__(self, version: int, dcid: bytes) -> None:
        self.version = version
        self.dcid = dcid
        key, iv, hp = initial_secrets(version, dcid)
        self._aead = AESGCM(key)
        self._iv = int.from_bytes(iv, "big")
        # ECB on one block is how header protection is defined (RFC 9001 section 5.4.3).
        self._mask = Cipher(algorithms.AES128(hp), _ECB).encryptor()
        self._largest = -1

    def payload(self, datagram: bytes, packet: Packet) -> bytes:
        """Return the frames of an Initial *packet* of *datagram*.

        Raises:
            DissectError: it was not protected with these keys, or it was changed on the way.
        """
        at = packet.number_at
        mask: bytes = self._mask.update(datagram[at + 4 : at + 4 + _SAMPLE_OCTETS])
        first = datagram[packet.start] ^ (mask[0] & 0x0F)
        size = (first & 3) + 1
        truncated = _number(datagram, at, size) ^ _number(mask, 1, size)
        header = bytes((first,)) + datagram[packet.start + 1 : at] + truncated.to_bytes(size, "big")
        number = packet_number(truncated, octets=size, largest=self._largest)
        try:
            frames = self._aead.decrypt(
                (self._iv ^ number).to_bytes(12, "big"), datagram[at + size : packet.end], header
            )
        except InvalidTag as wrong:
            raise DissectError("Initial does not open with these keys") from wrong
        self._largest = max(self._largest, number)
        return frames


def initial_secrets(version: int, dcid: bytes) -> tuple[bytes, bytes, bytes]:
    """Return key, initialization vector and header protection key of a client's Initial packets.

    Source: RFC 9001 section 5.2; RFC 9369 section 3.3.
    """
    inner, outer = _SALTS[version]
    inner, outer = _pads(_hmac(inner, outer, dcid))
    inner, outer = _pads(_hmac(inner, outer, _CLIENT_IN))
    key, iv, hp = _LABELS_V2 if version == VERSION_2 else _LABELS_V1
    return _hmac(inner, outer, key)[:16], _hmac(inner, outer, iv)[:12], _hmac(inner, outer, hp)[:16]


def _hmac(inner: bytes, outer: bytes, message: bytes) -> bytes:
    """Return the HMAC of RFC 2104 over SHA-256 with these pads.

    `hmac.digest` looks its algorithm up at each call, which takes most of the time; here are five calls a connection.
    Nothing is secret about these keys: anybody who sees the packet can derive them.
    """
    within = _new_hash()
    within.update(inner + message)
    whole = _new_hash()
    whole.update(outer + within.digest())
    return whole.digest()


def packet_number(truncated: int, octets: int, largest: int) -> int:
    """Return the whole packet number of which *truncated* are the last *octets* octets.

    Args:
        truncated: what the packet carries.
        octets: how many octets it takes there, 1 to 4.
        largest: largest packet number received so far; -1: none.

    Source: RFC 9000 appendix A.3.
    """
    window = _ONE << (8 * octets)
    expected = largest + 1
    candidate = (expected & ~(window - 1)) | truncated
    if candidate <= expected - window // 2 and candidate < (_ONE << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


def crypto_frames(frames: bytes) -> list[tuple[int, bytes]]:
    """Return the CRYPTO frames among the *frames* of an Initial packet: offset and octets of each, as they come.

    Browsers cut a hello into a dozen frames and shuffle them.

    Raises:
        DissectError: a frame that no Initial may carry, or one cut short.

    Source: RFC 9000 sections 12.4 and 19.
    """
    try:
        return _found(frames)
    except IndexError as cut:
        raise DissectError("frame cut short") from cut


def _found(frames: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    cursor = Cursor(frames, 0)
    at = 0
    size = len(frames)
    while at < size:
        at = slices.behind_zeros(frames, at)  # PADDING, by the thousand
        if at == size:
            break
        kind = frames[at]
        at += 1
        if kind == 0x01:  # PING
            continue
        if kind == 0x06:
            cursor.at = at
            offset = cursor.varint()
            length = cursor.varint()
            at = cursor.at
            if length > size - at or offset + length > _MAX_CRYPTO:
                raise DissectError("CRYPTO frame runs past its bounds")
            found.append((offset, frames[at : at + length]))
            at += length
        elif kind == 0x02 or kind == 0x03:  # noqa: PLR1714 -- compiled to two comparisons
            cursor.at = at
            _skip_ack(cursor, 3 if kind == 0x03 else 0)
            at = cursor.at
        elif kind == 0x1C:
            break
        else:
            raise DissectError(f"frame {kind:#04x} in an Initial packet")
    return found


def _skip_ack(cursor: Cursor, counts: int) -> None:
    """Step behind an ACK frame (RFC 9000 section 19.3); *counts*: ECN counts at its end."""
    cursor.varint()
    cursor.varint()
    ranges = cursor.varint()
    # Each range takes two octets at least: more of them than octets is a lie that must not cost a loop.
    if 2 * ranges > len(cursor.octets) - cursor.at:
        raise DissectError("ACK frame cut short")
    for _ in range(1 + 2 * ranges + counts):
        cursor.varint()
