"""Certificates as files: when the first of a chain ends, and whether a key is that of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


def valid_until(path: Path) -> datetime:
    """Return when the first certificate in *path* (PEM, any number of them) ends: from then on none of it is believed.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no certificate.

    Source: RFC 5280 section 4.1.2.5 (notAfter).
    """
    return min(each.not_valid_after_utc for each in load_pem_x509_certificates(path.read_bytes()))


def is_key_of(key: Path, *, certificate: Path) -> bool:
    """Return whether the private key in *key* (PEM, no passphrase) belongs to the first certificate of *certificate*.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file holds something else.
        TypeError: the key asks for a passphrase.
    """
    ours, form = load_pem_private_key(key.read_bytes(), None), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    first = load_pem_x509_certificates(certificate.read_bytes())[0]
    return ours.public_key().public_bytes(*form) == first.public_key().public_bytes(*form)
