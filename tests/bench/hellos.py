"""Hellos as browsers and servers of today send them: TLS records and QUIC Initials, with their lengths and order."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RECORD_HANDSHAKE, RECORD_CHANGE, RECORD_DATA = 22, 20, 23
QUIC_1 = 1
QUIC_1_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
"""RFC 9001 section 5.2."""
INITIAL_OCTETS = 1_250
KEY_SHARE_HYBRID = 1_216
"""Octets of an X25519MLKEM768 key share: it makes a ClientHello longer than one segment."""
CIPHERS_TLS13 = bytes.fromhex("130113021303")
CIPHERS_TLS12 = bytes.fromhex("c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")


def made_random(seed: int) -> Random:
    """Return what decides in place of chance: the same seed decides alike."""
    return Random(seed)  # noqa: S311 -- nothing here is secret


def record(kind: int, body: bytes) -> bytes:
    """Return a TLS record."""
    return bytes((kind, 3, 3)) + len(body).to_bytes(2) + body


def extension(kind: int, body: bytes) -> bytes:
    """Return an extension of a hello."""
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def _listed(body: bytes, *, octets: int = 2) -> bytes:
    return len(body).to_bytes(octets) + body


def _reserved(random: Random) -> bytes:
    """Return a value that means nothing and must be stepped over (GREASE, RFC 8701)."""
    return bytes((random.randrange(16) << 4 | 10,)) * 2


def client_hello(random: Random, name: str, *, modern: bool, hybrid: bool, quic: bool = False) -> bytes:
    """Return the handshake message that asks for *name*.

    Args:
        random: decides what browsers leave to chance.
        name: the server's.
        modern: offers TLS 1.3.
        hybrid: carries a key share that takes more than a kilobyte.
        quic: goes into CRYPTO frames and not into records.
    """
    noise = _reserved(random)
    entry = b"\0" + _listed(name.encode())
    agreed = (b"\x02h3",) if quic else (b"\x02h2", b"\x08http/1.1")
    extensions = [
        extension(0, _listed(entry)),
        extension(10, _listed(noise + (b"\x11\xec" if hybrid else b"") + bytes.fromhex("001d00170018"))),
        extension(13, _listed(bytes.fromhex("0403080404010503080505010806"))),
        extension(16, _listed(b"".join(agreed))),
        extension(5, b"\1\0\0\0\0"),
        extension(23, b""),
        extension(0xFF01, b"\0"),
    ]
    if modern:
        shares = noise + b"\0\1\0"
        if hybrid:
            shares += b"\x11\xec" + _listed(random.randbytes(KEY_SHARE_HYBRID))
        shares += b"\0\x1d" + _listed(random.randbytes(32))
        extensions += [
            extension(43, _listed(b"\3\4" if quic else noise + b"\3\4\3\3", octets=1)),
            extension(51, _listed(shares)),
            extension(45, b"\1\1"),
            # What browsers send when they know no key of the server: it looks like Encrypted Client Hello.
            extension(0xFE0D, b"\0\0\1\0\1\7" + _listed(random.randbytes(32)) + _listed(random.randbytes(208))),
        ]
    random.shuffle(extensions)
    return _hello(
        1,
        random.randbytes(32) + _listed(b"" if quic else random.randbytes(32), octets=1),
        _listed(noise + CIPHERS_TLS13 + (b"" if quic else CIPHERS_TLS12) if modern else CIPHERS_TLS12) + b"\1\0",
        [extension(int.from_bytes(noise), b""), *extensions],
    )


def server_hello(random: Random, *, modern: bool, hybrid: bool, quic: bool = False) -> bytes:
    """Return the handshake message that answers; arguments as for `client_hello`."""
    if modern:
        share = b"\x11\xec" + _listed(random.randbytes(1_120)) if hybrid else b"\0\x1d" + _listed(random.randbytes(32))
        extensions = [extension(43, b"\3\4"), extension(51, share)]
    else:
        extensions = [extension(0xFF01, b"\0"), extension(16, b"\0\3\2h2")]
    session = _listed(b"" if quic else random.randbytes(32), octets=1)
    return _hello(2, random.randbytes(32) + session, b"\x13\1\0" if modern else b"\xc0\x2f\0", extensions)


def _hello(kind: int, begin: bytes, choices: bytes, extensions: Iterable[bytes]) -> bytes:
    body = b"\3\3" + begin + choices + _listed(b"".join(extensions))
    return bytes((kind,)) + _listed(body, octets=3)


def crypto(offset: int, octets: bytes) -> bytes:
    """Return a CRYPTO frame (RFC 9000 section 19.6)."""
    return b"\6" + (offset | 0x4000).to_bytes(2) + (len(octets) | 0x4000).to_bytes(2) + octets


def shuffled(random: Random, hello: bytes, *, room: int) -> tuple[bytes, bytes]:
    """Return frames for two Initials that carry *hello* cut to pieces and out of order, PING and PADDING between."""
    cuts = sorted(random.sample(range(20, len(hello) - 1), 5))
    pieces = [(at, hello[at:end]) for at, end in zip([0, *cuts], [*cuts, len(hello)], strict=True)]
    random.shuffle(pieces)
    packets: tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]] = ([], [])
    left = room
    for at, piece in pieces:
        fits = max(min(len(piece), left - 10), 0)
        if fits:
            packets[0].append((at, piece[:fits]))
            left -= fits + 10
        if fits < len(piece):
            packets[1].append((at + fits, piece[fits:]))
    first, second = (
        b"".join(crypto(at, piece) + random.choice((b"\1", b"", b"\0\0")) for at, piece in packet) for packet in packets
    )
    return first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialSeal:
    """What seals the Initials of one end of a connection."""

    aead: AESGCM
    iv: int
    mask: bytes
    """Key of header protection."""

    @classmethod
    def of(cls, dcid: bytes, *, side: bytes) -> InitialSeal:
        """Return that of *side* ("client in", "server in") for the first connection id of the client."""
        # Derived by the library and not by the code under test (RFC 9001 section 5.2).
        secret = _expand(hmac.digest(QUIC_1_SALT, dcid, "sha256"), side, octets=32)
        iv = int.from_bytes(_expand(secret, b"quic iv", octets=12))
        return cls(
            aead=AESGCM(_expand(secret, b"quic key", octets=16)), iv=iv, mask=_expand(secret, b"quic hp", octets=16)
        )

    def initial(self, frames: bytes, *, number: int, dcid: bytes, scid: bytes, octets: int = INITIAL_OCTETS) -> bytes:
        """Return an Initial with *frames*, padded to *octets*."""
        head = b"\xc1" + QUIC_1.to_bytes(4) + _listed(dcid, octets=1) + _listed(scid, octets=1) + b"\0"
        overhead = len(head) + 2 + 2 + 16
        frames = frames.ljust(max(octets - overhead, 4), b"\0")
        head += (len(frames) + 2 + 16 | 0x4000).to_bytes(2) + number.to_bytes(2)
        sealed = self.aead.encrypt((self.iv ^ number).to_bytes(12), frames, head)
        cipher = Cipher(algorithms.AES128(self.mask), modes.ECB()).encryptor()  # noqa: S305 -- RFC 9001 says so
        mask = cipher.update(sealed[2:18])
        first = head[0] ^ (mask[0] & 15)
        return bytes((first,)) + head[1:-2] + bytes((head[-2] ^ mask[1], head[-1] ^ mask[2])) + sealed


def _expand(secret: bytes, label: bytes, *, octets: int) -> bytes:
    info = octets.to_bytes(2) + _listed(b"tls13 " + label, octets=1) + b"\0"
    return HKDFExpand(hashes.SHA256(), octets, info).derive(secret)


def pieces(octets: bytes, *, size: int) -> Sequence[bytes]:
    """Return *octets* cut to pieces of *size*."""
    return [octets[at : at + size] for at in range(0, len(octets), size)]
