"""The parts of the configuration file that the rules, the store, the desk and the notifier read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from collector.fields import Record


class Desk(Record):
    """The case desk."""

    listen: str = "127.0.0.1:8080"
    """HOST:PORT."""
    users: str | None = None
    """File of users; None: loopback only, with a one-time sign-in address."""


class Mail(Record):
    """Mail to the privacy officer."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    sender: str
    to: Annotated[list[str], Field(min_length=1)]


class Notify(Record):
    """Who is told."""

    alertmanager: list[str] = Field(default_factory=list)
    mail: Mail | None = None
    webhook: list[str] = Field(default_factory=list)


class RulesSettings(Record):
    """Everything the rules side reads."""

    agreements: str = "agreements"
    """Folder of agreement files."""
    parties: list[str] = Field(default_factory=list)
    """The district's own party files."""
    location: str | None = None
    """MaxMind-format country database, supplied by the district."""
    store: str = "sqlite:///schoolgate.db"
    """The case store, as a database address."""
    desk: Desk = Desk()
    notify: Notify = Notify()
