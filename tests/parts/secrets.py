"""What must not be found, in every form in which somebody may have written it, and hashes of it under any guess."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import blake2b, blake2s, md5, sha1, sha256, sha512
from ipaddress import IPv4Address, IPv6Address
from itertools import permutations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MARK: Final = 8
"""Octets of a hash that are looked for: pseudonyms are cut to as many."""
JOINTS: Final = (b"", b"\0", b":", b"/", b"|", b"\x1f")
"""What may stand between a key and what is hashed, or between two parts of a key."""
BLAKE_SIZES: Final = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One thing about one device."""

    name: str
    """What it is, for whoever reads that it was found."""
    texts: tuple[str, ...] = ()
    """How it is spelled; upper and lower case are one."""
    octets: tuple[bytes, ...] = ()
    """How it stands on the wire; four octets at least."""
    hashed: tuple[bytes, ...] = ()
    """Further octets that somebody may hash instead."""
    enumerable: bool = False
    """There are so few of its kind that all could be hashed: each hash of it is as good as itself."""
    is_number: bool = False
    """Its text stands alone, between characters that are neither letters nor digits."""


def ipv4(name: str, address: str) -> Secret:
    """Return an IPv4 address: with dots, hexadecimal, as a number, reversed for the DNS, either end first."""
    told = IPv4Address(address)
    texts = (
        address,
        told.packed.hex(),
        str(int(told)),
        told.reverse_pointer,
        ".".join(f"{octet:03}" for octet in told.packed),
    )
    return Secret(
        name=name,
        texts=texts,
        octets=(told.packed, told.packed[::-1]),
        hashed=(b"a" + told.packed, int(told).to_bytes(8, "big"), b"::ffff:" + address.encode()),
        enumerable=True,
    )


def ipv6(name: str, address: str) -> Secret:
    """Return an IPv6 address: short, whole, reversed for the DNS, and its interface identifier alone."""
    told = IPv6Address(address)
    own = ":".join(told.exploded.split(":")[4:])
    return Secret(
        name=name,
        texts=(told.compressed, told.exploded, told.reverse_pointer, own),
        octets=(told.packed, told.packed[8:]),
        hashed=(b"a" + told.packed,),
        enumerable=True,
    )


def mac(name: str, octets: bytes) -> Secret:
    """Return a MAC address in the spellings of Linux, Windows and Cisco, and as part of an IPv6 address (EUI-64)."""
    modified = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    dotted = ".".join(octets.hex()[at : at + 4] for at in (0, 4, 8))
    texts = (octets.hex(":"), octets.hex("-"), octets.hex(), dotted, str(int.from_bytes(octets, "big")))
    return Secret(
        name=name, texts=texts, octets=(octets, octets[::-1], modified), hashed=(b"m" + octets,), enumerable=True
    )


def host(name: str, *names: str) -> Secret:
    """Return host names: as text and as labels of the DNS."""
    labels = tuple(
        b"".join(bytes([len(label)]) + label.encode() for label in each.split(".")) + b"\0" for each in names
    )
    return Secret(name=name, texts=names, octets=labels, hashed=tuple(each.encode() + b"." for each in names))


def marks(secrets: Iterable[Secret], *, words: Sequence[str]) -> dict[bytes, str]:
    """Return the first octets of every hash that somebody may have made without a secret key.

    Args:
        secrets: what is hashed.
        words: what lies about and may have served as key or salt: names of site, sensor and schools, dates.
    """
    single = [b"", *(word.encode() for word in words)]
    paired = [joint.join(pair) for pair in permutations(single[1:], 2) for joint in (b"", b"\0", b"/")]
    found: dict[bytes, str] = {}
    for secret in secrets:
        keys = [*single, *paired] if secret.enumerable else single
        for octets in _hashable(secret):
            for key in keys:
                salts = _salted(octets, key=key, joints=JOINTS if secret.enumerable and key in single else JOINTS[:2])
                for digest in (*_keyed(octets, key=key), *(plain for salted in salts for plain in _plain(salted))):
                    found.setdefault(digest[:MARK], f"hash of {secret.name}")
    return found


def _hashable(secret: Secret) -> list[bytes]:
    spelled = {form.encode() for text in secret.texts for form in (text, text.upper(), text.lower())}
    return sorted({*spelled, *secret.octets, *secret.hashed})


def _salted(octets: bytes, *, key: bytes, joints: Iterable[bytes]) -> Iterator[bytes]:
    if not key:
        yield octets
        return
    for joint in joints:
        yield key + joint + octets
        yield octets + joint + key


_ALGORITHMS: tuple[Callable[[bytes], bytes], ...] = (
    lambda octets: md5(octets, usedforsecurity=False).digest(),
    lambda octets: sha1(octets, usedforsecurity=False).digest(),
    lambda octets: sha256(octets).digest(),
    lambda octets: blake2b(octets, digest_size=8).digest(),
    lambda octets: blake2b(octets, digest_size=16).digest(),
    lambda octets: blake2b(octets, digest_size=32).digest(),
    lambda octets: blake2b(octets).digest(),
    lambda octets: blake2s(octets).digest(),
    lambda octets: sha512(octets).digest(),
)


def _plain(octets: bytes) -> Iterator[bytes]:
    for algorithm in _ALGORITHMS:
        yield algorithm(octets)


def _keyed(octets: bytes, *, key: bytes) -> Iterator[bytes]:
    for algorithm in ("md5", "sha1", "sha256"):
        yield hmac.digest(key, octets, algorithm)
    for size in BLAKE_SIZES:
        yield blake2b(octets, key=key[:64], digest_size=size).digest()
