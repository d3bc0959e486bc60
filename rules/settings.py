"""The parts of the configuration file that the rules, the store, the desk and the notifier read."""

from __future__ import annotations

import re
from datetime import time
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from collector.documents import Fault
from collector.fields import Clock, Listed, Record, Secret, refusal
from collector.problems import shown
from collector.segments import Weekday
from collector.server_tls import ServerTls
from rules.desk.address import address_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# RFC 5321 section 4.1.2 without quoted names, ASCII; a name may stand before it (RFC 5322 section 3.4).
_MAILBOX = re.compile(
    r"(?:[^<>\x00-\x1f\x7f]{0,120}<)?([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.:\[\]-]{1,253})(>?)"
)


def _mailbox(value: str) -> str:
    found = _MAILBOX.fullmatch(value)
    if found is None or ("<" in value) != bool(found[2]):
        raise refusal(f"{shown(value)} is not a mail address", remedy="write one such as privacy@district.example")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or not value.isascii() or not value.isprintable():
        raise refusal(f"{shown(value)} is not a web address", remedy="write one such as http://127.0.0.1:9093")
    if parts.username is not None or parts.fragment or " " in value:
        raise refusal("a web address here holds no login, fragment or blank", remedy="write host, port and path alone")
    return value.rstrip("/")


Mailbox = Annotated[str, AfterValidator(_mailbox)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class Desk(Record):
    """The case desk."""

    listen: str = "127.0.0.1:8080"
    """HOST:PORT."""
    users: str | None = None
    """File of users; None: loopback only, with a one-time sign-in address."""
    address: WebAddress | None = None
    """Address that people use, such as `https://desk.district.example`, where a proxy stands before the desk; None: the
    one it listens on."""
    tls: ServerTls | None = None
    """Certificate and key; None: over HTTP, for this machine or behind a proxy."""

    def faults(self) -> Iterator[Fault]:
        """It listens somewhere, and to nobody else without passwords."""
        yield from address_faults(self.listen, users=self.users, public=self.address, tls=self.tls is not None)


class Mail(Record):
    """Mail to the privacy officer."""

    host: str
    """Name or address of the mail server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Its port."""
    sender: Mailbox
    """Address from which the mail comes, with or without a name before it."""
    to: Annotated[list[Mailbox], Field(min_length=1)]
    """Who gets it; each one a mail of their own."""
    security: Literal["starttls", "tls", "none"] | None = None
    """`starttls`: refuse a server without it. None: `tls` on port 465, `none` on loopback, else `starttls`."""
    ca: str | None = None
    """File of the authority that vouches for the server (PEM); None: those that the system trusts."""
    user: str | None = None
    """Login name; None: no login."""
    password: Secret | None = None
    """Password of the login, or the file that holds it."""

    def faults(self) -> Iterator[Fault]:
        """A login is whole, and its password goes over no open line."""
        if (self.user is None) != (self.password is None):
            yield Fault(
                at=(), what="a login needs `user` and `password`", remedy="write password: {file: mail.password}"
            )
        elif self.user is not None and self.security == "none":
            remedy = "write security: starttls, or take the login out"
            yield Fault(at=("security",), what="a password would go over an open line", remedy=remedy)


class Webhook(Record):
    """One address that gets each case as JSON."""

    url: WebAddress
    """Where to."""
    secret: Secret | None = None
    """Signs what is sent, or the file that holds it; None: not signed."""
    ca: str | None = None
    """File of the authority that vouches for the server (PEM); None: those that the system trusts."""


class AlertmanagerPlace(Record):
    """One Alertmanager."""

    url: WebAddress
    """Where it is."""
    ca: str | None = None
    """File of the authority that vouches for it (PEM); None: those that the system trusts."""


class QuietHours(Record):
    """When nobody is told anything; in the district's time zone."""

    from_: Clock = Field(alias="from", examples=["18:00"])
    """When they begin."""
    to: Clock = Field(examples=["07:00"])
    """When they end; what arose inside is told then. May lie after midnight."""
    except_: Literal["critical"] | None = Field(default=None, alias="except", examples=["critical"])
    """`critical`: such cases are told at once all the same."""

    def faults(self) -> Iterator[Fault]:
        """They do not begin when they end."""
        if self.from_ == self.to:
            remedy = "write two different times, or take `quiet_hours` out"
            yield Fault(at=("to",), what="quiet hours that end when they begin are none", remedy=remedy)


class Digest(Record):
    """A weekly mail with every open case; in the district's time zone."""

    weekday: Weekday = Field(examples=["mon"])
    """Day."""
    at: Clock = Field(default=time(7), examples=["07:00"])
    """Time of day."""


class Notify(Record):
    """Who is told."""

    alertmanager: Listed[AlertmanagerPlace] = ()
    """Each one is told of every open case; an address alone is one whose certificate the system trusts."""
    mail: Mail | None = None
    """None: no mail."""
    webhook: Listed[Webhook] = ()
    """Each one gets every case; an address alone is a webhook without a secret."""
    quiet_hours: QuietHours | None = None
    """For mail and webhooks; Alertmanager has times of its own. None: none."""
    digest: Digest | None = None
    """None: no weekly mail."""
    templates: str | None = None
    """Folder of the district's own mail templates, each in place of the bundled one of its name."""
    runbooks_url: WebAddress = "https://schoolgate.example/runbooks"
    """Where the runbooks are served."""

    @field_validator("alertmanager", "webhook", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [{"url": each} if isinstance(each, str) else each for each in value]

    def faults(self) -> Iterator[Fault]:
        """A digest is a mail, and nobody is told twice."""
        if self.digest is not None and self.mail is None:
            yield Fault(at=("digest",), what="a digest needs `mail`", remedy="add `mail`, or take `digest` out")
        places: tuple[tuple[str, Sequence[AlertmanagerPlace | Webhook]], ...]
        places = (("alertmanager", self.alertmanager), ("webhook", self.webhook))
        for key, each in places:
            named = [one.url for one in each]
            for place, url in enumerate(named):
                if url in named[:place]:
                    yield Fault(at=(key, place), what=f"{shown(url)} is listed twice", remedy="keep one of the two")


class RulesSettings(Record):
    """Everything the rules side reads."""

    agreements: str = "agreements"
    """Folder of agreement files."""
    parties: list[str] = Field(default_factory=list)
    """The district's own party files."""
    rules: list[str] = Field(default_factory=list)
    """Files of the district's own rules."""
    location: str | None = None
    """MaxMind-format country database, supplied by the district."""
    store: str = Field(default="sqlite:///schoolgate.db", repr=False)
    """The case store, as a database address; it may hold a password."""
    desk: Desk = Desk()
    notify: Notify = Notify()
