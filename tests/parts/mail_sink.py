"""A mail server for the tests: takes mail by SMTP, with or without encryption and log-in, or refuses it."""

from __future__ import annotations

import argparse
import asyncio
import email
import email.policy
import ssl
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.parts.sink import Sink, keep

if TYPE_CHECKING:
    from collections.abc import Sequence

USER, PASSWORD = "schoolgate", "a pass word"


class MailSink(Sink):
    """A mail server; what it took has envelope and time.

    Args:
        folder: gets what it prints and what it takes.
        certificate: PEM file with key and chain; None: no encryption.
        implicit: TLS from the first octet, and not after STARTTLS.
        login: it takes nothing without a login.
        refuse: it refuses every mail that holds this word.
        full: it refuses every mail to this address.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Path | None = None,
        implicit: bool = False,
        login: bool = False,
        refuse: str = "",
        full: str = "",
    ) -> None:
        options = ["--certificate", str(certificate)] if certificate else []
        options += ["--implicit"] if implicit else []
        options += ["--login"] if login else []
        options += ["--refuse", refuse] if refuse else []
        options += ["--full", full] if full else []
        super().__init__("tests.parts.mail_sink", folder=folder, options=options)

    def mails(self, *, to: str = "") -> list[EmailMessage]:
        """Return what it took, the oldest first.

        Args:
            to: for this address alone; empty: all.
        """
        return [read_mail(each["data"]) for each in self.taken() if not to or to in each["to"]]


def read_mail(data: str) -> EmailMessage:
    """Return a mail."""
    found = email.message_from_string(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


class _Handler:
    def __init__(self, box: Path, *, refuse: str, full: str) -> None:
        self._box = box
        self._refuse = refuse
        self._full = full

    async def handle_RCPT(  # noqa: N802 -- the library's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address == self._full:
            return "452 4.2.2 the mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- likewise
        data = envelope.content.decode("utf-8", errors="surrogateescape")
        if self._refuse and self._refuse in data:
            return "554 5.7.1 this mail is not liked"
        told = {
            "at": time.time(), "from": envelope.mail_from, "to": envelope.rcpt_tos, "data": data,
            "encrypted": server.transport.get_extra_info("ssl_object") is not None,
            "login": bool(session.authenticated),
        }  # fmt: skip
        keep(self._box, told)
        return "250 OK"


async def _serve(asked: argparse.Namespace) -> None:
    from aiosmtpd.smtp import SMTP, AuthResult  # noqa: PLC0415 -- only the process itself needs it

    def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        right = given.login == USER.encode() and given.password == PASSWORD.encode()
        return AuthResult(success=right, handled=False)

    context = None
    if asked.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked.certificate)
    handler = _Handler(Path(asked.box), refuse=asked.refuse, full=asked.full)

    def server() -> Any:
        return SMTP(
            handler,
            hostname="mail.example",
            tls_context=None if asked.implicit else context,
            require_starttls=context is not None and not asked.implicit,
            authenticator=knows if asked.login else None,
            auth_required=asked.login,
            auth_require_tls=asked.login and not asked.implicit,
        )

    loop = asyncio.get_running_loop()
    made = await loop.create_server(server, "127.0.0.1", asked.port, ssl=context if asked.implicit else None)
    await made.serve_forever()


def main(words: Sequence[str]) -> None:
    """Serve until killed."""
    told = argparse.ArgumentParser()
    told.add_argument("--port", type=int, required=True)
    for name in ("--box", "--certificate", "--refuse", "--full"):
        told.add_argument(name, default="")
    told.add_argument("--implicit", action="store_true")
    told.add_argument("--login", action="store_true")
    asyncio.run(_serve(told.parse_args(words)))


if __name__ == "__main__":
    main(sys.argv[1:])
