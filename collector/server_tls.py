"""A door of ours that speaks TLS: its certificate as the configuration names it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from collector.fields import Record
from collector.problems import DocumentError, Problem

if TYPE_CHECKING:
    from pathlib import Path


class ServerTls(Record):
    """What a server shows of itself."""

    certificate: str
    """File of the certificate and those that vouch for it (PEM)."""
    key: str | None = None
    """File of its private key (PEM); None: it stands in the same file."""


def server_context(tls: ServerTls | None, *, folder: Path) -> ssl.SSLContext | None:
    """Return what *tls* comes to, TLS 1.2 and later; None: the door is to be open.

    Args:
        tls: as the configuration says.
        folder: where relative paths in it start.

    Raises:
        DocumentError: a file is none of a certificate and its key.
    """
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = folder / tls.certificate
    key = folder / tls.key if tls.key is not None else certificate
    try:
        # Without an answer to give, a key with a passphrase would be asked for on the terminal.
        context.load_cert_chain(certificate, key, password=b"")
    except OSError as error:  # ssl.SSLError is one, too
        what = f"this and {key.name} are no certificate with its key ({error.strerror or error})"
        remedy = "give readable PEM files that belong together, the key without a passphrase"
        raise DocumentError([Problem(path=str(certificate), line=1, what=what, remedy=remedy)]) from None
    return context
