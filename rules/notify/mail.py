"""The mail channel: one recipient, one mail a case, by SMTP.

The standard library's client: it blocks, and each channel has a thread of its own that may. An asynchronous one would
need an event loop for one connection at a time.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Final, Literal

from rules.notify.channel import CaseNotice, ChannelDownError, NoticeRefusedError
from rules.notify.templating import CASE, DIGEST, TemplateFaultError
from rules.notify.wording import digest_words, message_words, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rules.notify.channel import Notice
    from rules.notify.planning import Audience
    from rules.notify.templating import Templates
    from rules.notify.wording import Place

Security = Literal["starttls", "tls", "none"]

# Of each step; a server that needs longer is tried again later.
TIMEOUT_S: Final = 10.0
# A line of a list of mails shows less, and some servers refuse a header of a thousand octets.
LONGEST_SUBJECT: Final = 160
CLOSING: Final = 421  # RFC 5321 section 3.8: the server is about to hang up


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over, and as whom."""

    host: str
    """Name or address."""
    port: int
    """Its port."""
    security: Security
    """`starttls` is required where it is asked for."""
    trust: ssl.SSLContext | None
    """Checks the certificate; None: `security` is `none`."""
    login: tuple[str, str] | None = field(repr=False)
    """User and password; None: no login."""
    sender: str
    """Address that the mail comes from, with or without a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """Writes mails."""

    templates: Templates
    """In which words."""
    place: Place
    """For whom."""
    clock: Callable[[], datetime]
    """Tells the time that a mail carries."""

    def letter(self, notice: Notice, *, sender: str, recipient: str) -> EmailMessage:
        """Return the mail that tells *notice*.

        Raises:
            TemplateFaultError: a template of the district cannot be rendered.
        """
        if isinstance(notice, CaseNotice):
            words, names = message_words(notice.event, notice.standing, place=self.place), CASE
        else:
            words, names = digest_words(list(notice.standings), at=notice.at, place=self.place), DIGEST
        subject, text, html = (self.templates.render(name, words) for name in names)
        domain = parseaddr(sender)[1].rpartition("@")[2]
        mail = EmailMessage(policy=SMTP)
        mail["From"] = _address(sender)
        mail["To"] = _address(recipient)
        mail["Subject"] = _one_line(subject)
        mail["Date"] = format_datetime(self.clock())
        # The same for every repeat: mail servers and programs drop the second one, and people see that it is one.
        mail["Message-ID"] = f"<{notice.id}@{domain}>"
        if isinstance(notice, CaseNotice):
            thread = f"<{notice.standing.case_id}@{domain}>"
            mail["In-Reply-To"] = thread
            mail["References"] = thread
            mail["X-Schoolgate-Case"] = notice.standing.case_id
            mail["X-Schoolgate-Event"] = notice.event
        # RFC 3834 section 5 and RFC 2919: no program answers it, and people can sort it.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail["List-Id"] = f"Schoolgate cases <cases.schoolgate.{domain}>"
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return mail


class MailChannel:
    """Mail to one recipient.

    Args:
        server: where it is handed over.
        recipient: who gets it.
        letters: writes it.
    """

    audience: Audience = "person"

    def __init__(self, server: MailServer, *, recipient: str, letters: Letters) -> None:
        self.name = f"mail:{parseaddr(recipient)[1]}"
        self._server = server
        self._recipient = recipient
        self._letters = letters

    @contextlib.contextmanager
    def connect(self) -> Iterator[_MailSession]:
        """Open a connection to the mail server.

        Raises:
            ChannelDownError: it is away, or does not let us in.
        """
        smtp = _opened(self._server)
        try:
            yield _MailSession(smtp, server=self._server, recipient=self._recipient, letters=self._letters)
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def trial(self) -> str:
        """Log in and name sender and recipient, and send nothing.

        Raises:
            ChannelDownError: the server is away, or refuses.
        """
        with self.connect() as session:
            return session.trial()


class _MailSession:
    def __init__(self, smtp: smtplib.SMTP, *, server: MailServer, recipient: str, letters: Letters) -> None:
        self._smtp = smtp
        self._server = server
        self._recipient = recipient
        self._letters = letters

    def send(self, notice: Notice) -> None:
        """Hand one mail over."""
        try:
            mail = self._letters.letter(notice, sender=self._server.sender, recipient=self._recipient)
        except TemplateFaultError as error:
            raise NoticeRefusedError(str(error)) from error
        envelope = (parseaddr(self._server.sender)[1], [parseaddr(self._recipient)[1]])
        try:
            self._smtp.sendmail(*envelope, mail.as_bytes())
        except smtplib.SMTPDataError as error:
            if error.smtp_code == CLOSING:
                raise ChannelDownError(_said(error)) from error
            raise NoticeRefusedError(_said(error)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelDownError(_said(error)) from error

    def trial(self) -> str:
        """Name sender and recipient, and take both back."""
        try:
            for code, words in (
                self._smtp.mail(parseaddr(self._server.sender)[1]), self._smtp.rcpt(parseaddr(self._recipient)[1]),
            ):  # fmt: skip
                if code >= 300:
                    raise ChannelDownError(f"the server says {code} {plain(words.decode(errors='replace'))}")
            self._smtp.rset()
        except (smtplib.SMTPException, OSError) as error:
            raise ChannelDownError(_said(error)) from error
        how = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[self._server.security]
        return f"{self._server.host}:{self._server.port} takes mail for it ({how})"


def _opened(server: MailServer) -> smtplib.SMTP:
    try:
        smtp = _connected(server)
    except ssl.SSLCertVerificationError as error:
        raise ChannelDownError(
            f"the certificate of {server.host} does not hold ({error.verify_message}); "
            "name its authority under `notify.mail.ca`, or correct the server"
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise ChannelDownError(
            f"{_said(error)}; write `security: none` only if nobody can listen in between"
        ) from error
    except smtplib.SMTPAuthenticationError as error:
        raise ChannelDownError(f"the login is refused: {_said(error)}; look at `user` and `password`") from error
    except (smtplib.SMTPException, OSError) as error:
        raise ChannelDownError(f"{server.host}:{server.port}: {_said(error)}") from error
    return smtp


def _connected(server: MailServer) -> smtplib.SMTP:
    # A name of our own is asked of no name server: the address is what RFC 5321 section 4.1.3 has for such clients.
    if server.security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname="localhost", timeout=TIMEOUT_S, context=server.trust
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, local_hostname="localhost", timeout=TIMEOUT_S)
    try:
        own = smtp.sock.getsockname()[0] if smtp.sock else "127.0.0.1"
        smtp.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        if server.security == "starttls":
            smtp.starttls(context=server.trust)
        if server.login is not None:
            smtp.login(*server.login)
        smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _said(error: Exception) -> str:
    """Return what a server or the system said, on one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
        return plain(f"the recipient is refused: {code} {_text(answer)}")
    if isinstance(error, smtplib.SMTPResponseException):
        return plain(f"{error.smtp_code} {_text(error.smtp_error)}")
    return plain(str(error) or type(error).__name__)


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _address(mailbox: str) -> Address:
    name, address = parseaddr(mailbox)
    return Address(display_name=name, addr_spec=address)


def _one_line(subject: str) -> str:
    line = " ".join(subject.split())
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 3]}..."
