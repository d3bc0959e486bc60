"""First words of TLS and QUIC, as browsers of 2026 say them, and DNS messages. Octets only: no time, no addresses."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.sample.chance import Chance

HANDSHAKE: Final = 22
CHANGE_CIPHER_SPEC: Final = 20
APPLICATION_DATA: Final = 23

# RFC 8701: values that mean nothing, sent so that servers learn to ignore what they do not know.
_GREASE = tuple(value * 0x1010 + 0x0A0A for value in range(16))
_X25519, _X25519MLKEM768 = 0x001D, 0x11EC
_TLS12_SUITES = bytes.fromhex("c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
_TLS13_SUITES = bytes.fromhex("130113021303")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for in its hello."""

    name: str | None
    """Server name; None: the hello carries none."""
    modern: bool
    """A browser of 2026 (post-quantum key share of 1.2 KB, ECH as grease, shuffled); else an older tablet."""
    alpn: tuple[str, ...]
    """Protocols offered, best first."""
    quic: bool = False
    """The hello travels in QUIC."""


def record(kind: int, *, body: bytes, version: bytes = b"\x03\x03") -> bytes:
    """Return *body* as one TLS record (RFC 8446 section 5.1)."""
    return bytes([kind]) + version + struct.pack(">H", len(body)) + body


def client_hello(wish: Wish, *, chance: Chance) -> bytes:
    """Return a ClientHello handshake message (RFC 8446 section 4.1.2)."""
    grease = chance.shuffled(_GREASE)
    extensions = _client_extensions(wish, grease=grease[0], chance=chance)
    if wish.modern:
        extensions = chance.shuffled(extensions)
    extensions = [_extension(grease[1], b""), *extensions, _extension(grease[2], b"\0")]
    suites = struct.pack(">H", grease[3]) + _TLS13_SUITES + (b"" if wish.quic else _TLS12_SUITES)
    session = b"" if wish.quic else chance.octets(32)
    body = b"\x03\x03" + chance.octets(32) + bytes([len(session)]) + session
    body += struct.pack(">H", len(suites)) + suites + b"\x01\0" + _sized(b"".join(extensions))
    return b"\x01" + len(body).to_bytes(3, "big") + body


def _client_extensions(wish: Wish, *, grease: int, chance: Chance) -> list[bytes]:
    groups = [grease, *([_X25519MLKEM768] if wish.modern else []), _X25519, 0x17, 0x18]
    shares = struct.pack(">HH", grease, 1) + b"\0"
    if wish.modern:
        # A real share is noise from end to end. Nobody computes with this one, and repeated noise keeps the file small.
        shares += struct.pack(">HH", _X25519MLKEM768, 1216) + chance.octets(64) * 19
    shares += struct.pack(">HH", _X25519, 32) + chance.octets(32)
    protocols = b"".join(bytes([len(one)]) + one.encode() for one in wish.alpn)
    versions = struct.pack(">HH", grease, 0x0304) + (b"" if wish.quic else b"\x03\x03")
    extensions = [
        _extension(10, _sized(struct.pack(f">{len(groups)}H", *groups))),
        _extension(13, _sized(bytes.fromhex("04030804040105030805050108060601"))),
        _extension(16, _sized(protocols)),
        _extension(43, bytes([len(versions)]) + versions),
        _extension(45, b"\x01\x01"),
        _extension(51, _sized(shares)),
    ]
    if wish.name is not None:
        name = wish.name.encode("ascii")
        extensions.append(_extension(0, _sized(b"\0" + _sized(name))))
    if wish.modern:
        # RFC 9849 section 6.2: grease and the real thing look alike, which is the point of it.
        sealed = b"\0\0\x01\0\x01" + chance.octets(1) + _sized(chance.octets(32)) + _sized(chance.octets(176))
        extensions += [_extension(0xFE0D, sealed), _extension(27, b"\x02\0\x02")]
    if wish.quic:
        # RFC 9000 section 18: idle timeout, data limits, and an initial source connection id of no octets.
        extensions.append(_extension(57, bytes.fromhex("01048000753004048010000005048008000008024064") + b"\x0f\0"))
    else:
        legacy = ((5, b"\x01\0\0\0\0"), (11, b"\x01\0"), (18, b""), (23, b""), (35, b""), (0xFF01, b"\0"))
        extensions += [_extension(kind, body) for kind, body in legacy]
    return extensions


def server_hello(*, tls13: bool, quic: bool, chance: Chance) -> bytes:
    """Return a ServerHello that agrees on TLS 1.3 with X25519, or on TLS 1.2 (RFC 8446 section 4.1.3)."""
    session = b"" if quic else chance.octets(32)
    if tls13:
        suite = b"\x13\x01"
        extensions = _extension(43, b"\x03\x04")
        extensions += _extension(51, struct.pack(">HH", _X25519, 32) + chance.octets(32))
    else:
        suite = b"\xc0\x2f"
        extensions = _extension(0xFF01, b"\0") + _extension(16, _sized(b"\x02h2")) + _extension(11, b"\x01\0")
    body = b"\x03\x03" + chance.octets(32) + bytes([len(session)]) + session + suite + b"\0" + _sized(extensions)
    return b"\x02" + len(body).to_bytes(3, "big") + body


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


def _sized(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


# QUIC version 1 -------------------------------------------------------------------------------------------------------

# RFC 9001 section 5.2.
_INITIAL_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
# RFC 9000 section 14.1 asks for 1,200 at least; browsers send 1,250.
_DATAGRAM = 1250
_HEADER_AND_TAG = 1 + 4 + 1 + 8 + 1 + 1 + 2 + 1 + 16
_CRYPTO_HEADER = 5


def quic_client_initials(hello: bytes, *, connection: bytes, chance: Chance) -> list[bytes]:
    """Return the datagrams that carry *hello*, its pieces shuffled within and between them.

    *connection* is the destination connection id that the client made up, of which all keys follow.
    Source: RFC 9000 sections 17.2.2 and 19.6, RFC 9001 section 5.
    """
    cuts = sorted({0, *(chance.between(1, high=len(hello) - 1) for _ in range(6)), len(hello)})
    pieces = chance.shuffled([(start, hello[start:end]) for start, end in itertools.pairwise(cuts)])
    room = _DATAGRAM - _HEADER_AND_TAG - 40
    first: list[tuple[int, bytes]] = []
    second: list[tuple[int, bytes]] = []
    for start, piece in pieces:
        fits = max(0, min(len(piece), room - _CRYPTO_HEADER))
        if fits:
            first.append((start, piece[:fits]))
            room -= fits + _CRYPTO_HEADER
        if fits < len(piece):
            second.append((start + fits, piece[fits:]))
    datagrams = []
    for number, part in enumerate((first, second), start=1):
        if part:
            frames = b"".join(_crypto(start, piece) + b"\x01" for start, piece in part)
            datagrams.append(
                _initial(b"client in", connection=connection, ids=(connection, b""), number=number, frames=frames)
            )
    return datagrams


def quic_server_initial(hello: bytes, *, connection: bytes, own: bytes) -> bytes:
    """Return the server's Initial with *hello*; *own* is the connection id that the server chose."""
    frames = bytes.fromhex("0201000000") + _crypto(0, hello)
    return _initial(b"server in", connection=connection, ids=(b"", own), number=0, frames=frames, pad_to=0)


def _crypto(start: int, piece: bytes) -> bytes:
    return b"\x06" + _varint(start) + _varint(len(piece)) + piece


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 64 else struct.pack(">H", value | 0x4000)


def _expand(secret: bytes, *, label: bytes, length: int) -> bytes:
    full = b"tls13 " + label
    info = struct.pack(">HB", length, len(full)) + full + b"\0"
    return hmac.new(secret, info + b"\x01", hashlib.sha256).digest()[:length]


def _initial(
    side: bytes, *, connection: bytes, ids: tuple[bytes, bytes], number: int, frames: bytes, pad_to: int = _DATAGRAM
) -> bytes:
    secret = _expand(hmac.new(_INITIAL_SALT, connection, hashlib.sha256).digest(), label=side, length=32)
    key, mask_key = (_expand(secret, label=label, length=16) for label in (b"quic key", b"quic hp"))
    vector = _expand(secret, label=b"quic iv", length=12)
    target, source = ids
    head = b"\xc0\0\0\0\x01" + bytes([len(target)]) + target + bytes([len(source)]) + source + b"\0"
    frames = frames.ljust(pad_to - len(head) - 2 - 1 - 16, b"\0")
    head += struct.pack(">H", 0x4000 | 1 + len(frames) + 16) + bytes([number])
    nonce = (int.from_bytes(vector, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, head)
    # Header protection takes its sample four octets after the start of the packet number (RFC 9001 section 5.4.2).
    # ECB of a single block is what that section prescribes.
    mask = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor().update(sealed[3:19])  # noqa: S305 -- RFC 9001
    return bytes([head[0] ^ (mask[0] & 0x0F)]) + head[1:-1] + bytes([head[-1] ^ mask[1]]) + sealed


# DNS ------------------------------------------------------------------------------------------------------------------

A: Final = 1
CNAME: Final = 5
AAAA: Final = 28
HTTPS: Final = 65
_TTL_S = 300

# RFC 9460 section 7.1: this very name, reachable by HTTP/3 and HTTP/2.
HTTPS_H3: Final = b"\0\x01\0" + struct.pack(">HH", 1, 6) + b"\x02h3\x02h2"


def dns_question(name: str, *, kind: int, number: int) -> bytes:
    """Return a query for *name* with the usual EDNS record (RFC 1035 section 4, RFC 6891)."""
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1) + _labels(name) + struct.pack(">HH", kind, 1) + _EDNS


def dns_answer(name: str, *, kind: int, number: int, chain: Sequence[str], records: Sequence[bytes]) -> bytes:
    """Return the answer: the CNAME *chain* from *name* on, then the *records* of the last name (none: no such data)."""
    octets = struct.pack(">HHHHHH", number, 0x8180, 1, len(chain) + len(records), 0, 1)
    owner_at = len(octets)
    octets += _labels(name) + struct.pack(">HH", kind, 1)
    for alias in chain:
        target = _labels(alias)
        octets += struct.pack(">HHHIH", 0xC000 | owner_at, CNAME, 1, _TTL_S, len(target))
        owner_at = len(octets)
        octets += target
    for content in records:
        octets += struct.pack(">HHHIH", 0xC000 | owner_at, kind, 1, _TTL_S, len(content)) + content
    return octets + _EDNS


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".")) + b"\0"


_EDNS = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
