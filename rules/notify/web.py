"""One HTTP request with a JSON body: certificates are checked, redirects are an answer like any other.

The standard library's client: it trusts what the system trusts, goes through no proxy, and follows nobody elsewhere.
"""

from __future__ import annotations

import http.client
import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rules.notify.channel import ChannelDownError
from rules.notify.wording import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of each step.
TIMEOUT_S: Final = 10.0
# A list of some thousand silences; what is longer is not from an Alertmanager.
LONGEST_ANSWER: Final = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered."""

    status: int
    """HTTP status."""
    body: bytes
    """Untrusted."""

    @property
    def good(self) -> bool:
        """Whether it did what it was asked for."""
        return 200 <= self.status < 300

    def words(self) -> str:
        """Return status and the beginning of the body on one line."""
        return plain(" ".join([str(self.status), *self.body[:200].decode(errors="replace").split()]))


def ask(
    address: str,
    *,
    method: str,
    trust: ssl.SSLContext,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return what the server at *address* answers.

    Args:
        address: http or https.
        method: for example `POST`.
        trust: checks the certificate.
        body: JSON; None: none.
        headers: more of them.

    Raises:
        ChannelDownError: there is no answer.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=trust)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"User-Agent": "schoolgate", **({"Content-Type": "application/json"} if body else {}), **(headers or {})}
    try:
        with closing(connection):
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(status=answer.status, body=answer.read(LONGEST_ANSWER))
    except ssl.SSLCertVerificationError as error:
        raise ChannelDownError(f"the certificate of {host} does not hold ({error.verify_message})") from error
    except (OSError, http.client.HTTPException) as error:
        raise ChannelDownError(f"{parts.netloc}: {plain(str(error) or type(error).__name__)}") from error
