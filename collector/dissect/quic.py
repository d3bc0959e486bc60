"""Opens QUIC Initial packets, whose keys anybody on the path can derive, and returns their CRYPTO octets.

Compiled; the C types stand in quic.pxd.
"""

from __future__ import annotations

from array import array
from enum import IntEnum

from collector import slices
from collector.dissect.errors import DissectError

if __file__.endswith(".py"):  # compiled, libcrypto.pxd stands in for it
    from collector.dissect import libcrypto

VERSION_1 = 0x00000001
VERSION_2 = 0x6B3343CF
MIN_CLIENT_CID_OCTETS = 8
"""A client's first destination connection id is at least this long (RFC 9000 section 7.2)."""
MAX_CID_OCTETS = 20
MAX_CRYPTO_OCTETS = 65_536
"""CRYPTO octets beyond this offset belong to no hello that is read."""
MAX_SORTED = 64
"""CRYPTO frames of one packet that are put in order."""
MAX_PACKETS = 8
"""Packets that are looked for in one datagram; four kinds exist."""

_SAMPLE_OCTETS = 16
_LONG_FORM = 0x80
_FIXED_BIT = 0x40
_MAX_CID = MAX_CID_OCTETS
_MAX_CRYPTO = MAX_CRYPTO_OCTETS
_MAX_PACKETS = MAX_PACKETS
_MOST_SORTED = MAX_SORTED
# Offset, place and length of the CRYPTO frames of the packet in hand; no call leaves anything here for the next.
_PLACES = memoryview(array("q", bytes(8 * 3 * MAX_SORTED)))
_VERSION_2 = VERSION_2

_SALT_DRAFT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")
_SALT_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_VERSION_1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_VERSION_2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")

_ONE = 1  # compiled, of 64 bits: a literal would be shifted with 32
_LIBRARY = libcrypto.library()
CALLS_LIBCRYPTO = libcrypto.is_there(_LIBRARY)
"""Keys are made and packets opened by the OpenSSL that Python has loaded; else by `cryptography`."""


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


def _labels(prefix: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return the labels of the client's secret and of the keys that come of it."""
    return (
        _label(b"client in", octets=32),
        _label(prefix + b" key", octets=16),
        _label(prefix + b" iv", octets=12),
        _label(prefix + b" hp", octets=16),
    )


_LABELS_V1 = _labels(b"quic")
_LABELS_V2 = _labels(b"quicv2")


def _salts() -> dict[int, bytes]:
    """Return the salt of each version that is known."""
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
    return salts


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

    __slots__ = ("_largest", "_secrets", "dcid", "version")

    def __init__(self, version: int, dcid: bytes) -> None:
        self.version = version
        self.dcid = dcid
        self._secrets = _secrets(version, dcid)
        self._largest = -1

    def payload(self, datagram: bytes, packet: Packet) -> bytes:
        """Return the frames of an Initial *packet* of *datagram*.

        Raises:
            DissectError: it was not protected with these keys, or it was changed on the way.
        """
        at = packet.number_at
        mask = libcrypto.mask(_LIBRARY, self._secrets, datagram, at + 4)
        first = datagram[packet.start] ^ ((mask >> 32) & 0x0F)
        size = (first & 3) + 1
        truncated = _number(datagram, at, size) ^ ((mask & 0xFFFFFFFF) >> (32 - 8 * size))
        number = packet_number(truncated, octets=size, largest=self._largest)
        frames = libcrypto.unsealed(_LIBRARY, self._secrets, first, number, datagram, packet.start, at, packet.end)
        if frames is None:
            raise DissectError("Initial does not open with these keys")
        self._largest = max(self._largest, number)
        return frames


def _secrets(version: int, dcid: bytes) -> bytes:
    labels = _LABELS_V2 if version == VERSION_2 else _LABELS_V1
    return libcrypto.secrets(_LIBRARY, _SALTS[version], dcid, labels)


def initial_secrets(version: int, dcid: bytes) -> tuple[bytes, bytes, bytes]:
    """Return key, initialization vector and header protection key of a client's Initial packets.

    Source: RFC 9001 section 5.2; RFC 9369 section 3.3.
    """
    secrets = _secrets(version, dcid)
    return secrets[:16], secrets[16:28], secrets[28:]


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
    """Return what the CRYPTO frames among the *frames* of an Initial packet hold: pieces, each with its offset.

    Browsers cut a hello into a dozen frames and shuffle them: they are put in order here, and those that adjoin become
    one piece. Where frames overlap, or are more than MAX_SORTED, each is a piece, in the order in which they came.

    Raises:
        DissectError: a frame that no Initial may carry, or one cut short.

    Source: RFC 9000 sections 12.4 and 19.
    """
    try:
        count = _walk(frames, None)
        if count <= _MOST_SORTED:
            _sort(count)
            if not _overlap(count):
                return _joined(frames, count)
        found: list[tuple[int, bytes]] = []
        _walk(frames, found)
    except IndexError as cut:
        raise DissectError("frame cut short") from cut
    return found


def _walk(frames: bytes, found: list[tuple[int, bytes]] | None) -> int:
    """Put the pieces into *found* or, without it, where they lie into `_PLACES`; return how many there are."""
    cursor = Cursor(frames, 0)
    at = 0
    count = 0
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
            if found is not None:
                found.append((offset, frames[at : at + length]))
            elif count < _MOST_SORTED:
                _PLACES[3 * count] = offset
                _PLACES[3 * count + 1] = at
                _PLACES[3 * count + 2] = length
            count += 1
            at += length
        elif kind == 0x02 or kind == 0x03:  # noqa: PLR1714 -- compiled to two comparisons
            cursor.at = at
            _skip_ack(cursor, 3 if kind == 0x03 else 0)
            at = cursor.at
        elif kind == 0x1C:
            break
        else:
            raise DissectError(f"frame {kind:#04x} in an Initial packet")
    return count


def _sort(count: int) -> None:
    """Put the first *count* of the places into the order of their offsets; they are few."""
    for number in range(1, count):
        offset = _PLACES[3 * number]
        at = _PLACES[3 * number + 1]
        length = _PLACES[3 * number + 2]
        before = 3 * number - 3
        while before >= 0 and _PLACES[before] > offset:
            _PLACES[before + 3] = _PLACES[before]
            _PLACES[before + 4] = _PLACES[before + 1]
            _PLACES[before + 5] = _PLACES[before + 2]
            before -= 3
        _PLACES[before + 3] = offset
        _PLACES[before + 4] = at
        _PLACES[before + 5] = length


def _overlap(count: int) -> bool:
    """Say whether a piece, in order of offsets, reaches into the next."""
    for place in range(3, 3 * count, 3):  # noqa: SIM110 -- compiled, a loop over C numbers
        if _PLACES[place - 3] + _PLACES[place - 1] > _PLACES[place]:
            return True
    return False


def _joined(frames: bytes, count: int) -> list[tuple[int, bytes]]:
    """Return the pieces in order, and as one those that adjoin."""
    found: list[tuple[int, bytes]] = []
    place = 0
    while place < 3 * count:
        begin = place
        end = _PLACES[place] + _PLACES[place + 2]
        place += 3
        while place < 3 * count and _PLACES[place] == end:
            end += _PLACES[place + 2]
            place += 3
        found.append((_PLACES[begin], slices.joined(frames, _PLACES, begin, place)))
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
