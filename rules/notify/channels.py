"""All ways of telling that a configuration names: secrets read, templates tried, authorities loaded."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from collector.fields import SecretFile
from collector.problems import DocumentError, Problem
from collector.segments import WEEKDAYS
from rules.notify.alertmanager import Alertmanager
from rules.notify.channel import ChannelDownError
from rules.notify.hours import Quiet, Weekly
from rules.notify.mail import Letters, MailChannel, MailServer
from rules.notify.templating import Templates
from rules.notify.webhook import WebhookChannel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.fields import Secret
    from rules.notify.channel import Channel
    from rules.notify.mail import Security
    from rules.notify.wording import Place
    from rules.settings import Mail, Notify

SMTPS_PORT: Final = 465  # RFC 8314 section 7.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """All ways of telling."""

    messages: tuple[Channel, ...]
    """Mail and webhooks: each case once."""
    alertmanagers: tuple[Alertmanager, ...]
    """Each is told again and again how all cases stand."""
    quiet: Quiet | None
    """Quiet hours of the messages."""
    weekly: Weekly | None
    """When people get an overview."""
    place: Place
    """Whose cases they are."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all of them."""
        return (*(one.name for one in self.messages), *(one.name for one in self.alertmanagers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying one channel."""

    name: str
    """The channel."""
    works: bool
    """Whether it would take a case."""
    words: str
    """What was found, and what to do where that is known. Holds what servers said: escape before showing."""


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def open_channels(settings: Notify, *, folder: Path, place: Place, clock: Callable[[], datetime] = now) -> Channels:
    """Return the channels that *settings* name; none is connected to yet.

    Args:
        settings: the part `notify` of the configuration.
        folder: where relative paths in it start.
        place: whose cases they are.
        clock: tells the time that messages carry.

    Raises:
        DocumentError: a secret, an authority or a template cannot be used.
    """
    system = ssl.create_default_context()
    messages: list[Channel] = []
    if settings.mail is not None:
        templates = Templates(folder / settings.templates if settings.templates else None)
        server = _mail_server(settings.mail, folder=folder, system=system)
        letters = Letters(templates=templates, place=place, clock=clock)
        # Each recipient is a channel of their own: one whose mailbox is full keeps nothing from the others.
        recipients = dict.fromkeys(settings.mail.to)
        messages += (MailChannel(server, recipient=recipient, letters=letters) for recipient in recipients)
    for hook in settings.webhook:
        secret = _secret(hook.secret, folder=folder) if hook.secret is not None else None
        messages.append(
            WebhookChannel(
                hook.url,
                secret=secret.encode() if secret is not None else None,
                trust=_trust(hook.ca, folder=folder, system=system),
                place=place,
                clock=clock,
            )
        )
    hours, weekly = settings.quiet_hours, settings.digest
    return Channels(
        messages=tuple(messages),
        alertmanagers=tuple(
            Alertmanager(each.url, trust=_trust(each.ca, folder=folder, system=system), place=place)
            for each in settings.alertmanager
        ),
        quiet=None if hours is None else Quiet(start=hours.from_, end=hours.to, but_critical=hours.except_ is not None),
        weekly=None if weekly is None else Weekly(weekday=WEEKDAYS.index(weekly.weekday), at=weekly.at),
        place=place,
    )


def try_channels(channels: Channels) -> list[Trial]:
    """Try each channel without telling a case, and return what came of it.

    It logs in to the mail server and names sender and recipient, posts a body of kind `test` to each webhook, and asks
    each Alertmanager for its version.
    """
    trials = []
    everything: list[Channel | Alertmanager] = [*channels.messages, *channels.alertmanagers]
    for channel in everything:
        try:
            trials.append(Trial(name=channel.name, works=True, words=channel.trial()))
        except ChannelDownError as error:
            trials.append(Trial(name=channel.name, works=False, words=str(error)))
    return trials


def _mail_server(mail: Mail, *, folder: Path, system: ssl.SSLContext) -> MailServer:
    security = mail.security or _usual_security(mail)
    password = _secret(mail.password, folder=folder) if mail.password is not None else None
    if mail.user is not None and security == "none":
        what, remedy = "a password would go over an open line", "write security: starttls under `notify.mail`"
        raise DocumentError([Problem(path="notify.mail", line=1, what=what, remedy=remedy)])
    return MailServer(
        host=mail.host,
        port=mail.port,
        security=security,
        trust=None if security == "none" else _trust(mail.ca, folder=folder, system=system),
        login=(mail.user, password) if mail.user is not None and password is not None else None,
        sender=mail.sender,
    )


def _usual_security(mail: Mail) -> Security:
    if mail.port == SMTPS_PORT:
        return "tls"
    try:
        here = ip_address(mail.host).is_loopback
    except ValueError:
        here = mail.host == "localhost"
    return "none" if here and mail.user is None else "starttls"


def _secret(secret: Secret, *, folder: Path) -> str:
    if not isinstance(secret, SecretFile):
        return secret.get_secret_value()
    path = folder / secret.file
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _problem(path, what=f"the file of a secret cannot be read ({error})") from None
    # Editors end the last line; no secret does.
    return text.rstrip("\r\n")


def _trust(ca: str | None, *, folder: Path, system: ssl.SSLContext) -> ssl.SSLContext:
    if ca is None:
        return system
    path = folder / ca
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:  # ssl.SSLError is one, too
        raise _problem(path, what=f"this is no readable PEM file ({error.strerror or error})") from None


def _problem(path: Path, *, what: str) -> DocumentError:
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy="give a readable file")])
