"""What a channel is: it takes notices one by one, and says whether it is the notice or the channel that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from rules.notify.docket import Standing
    from rules.notify.planning import Audience


class ChannelDownError(Exception):
    """Nothing gets through on this channel; the message says why, and what to do where that is known."""


class NoticeRefusedError(Exception):
    """The channel works and refuses this notice; others may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNotice:
    """What is to be told of one case."""

    seq: int
    """The last entry of the log that it covers."""
    event: str
    """What happened, for example `opened`."""
    standing: Standing
    """How the case stands."""

    @property
    def id(self) -> str:
        """The same whenever the same is told: a repeat can be known by it."""
        return f"{self.standing.case_id}.{self.seq}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestNotice:
    """The weekly overview."""

    name: str
    """The day for which it was planned, ISO 8601."""
    at: datetime
    """When it was due."""
    standings: tuple[Standing, ...]
    """The open cases."""

    @property
    def id(self) -> str:
        """The same whenever the same is told."""
        return f"digest.{self.name}"


Notice = CaseNotice | DigestNotice


class Session(Protocol):
    """A channel that is open."""

    def send(self, notice: Notice) -> None:
        """Tell it.

        Raises:
            NoticeRefusedError: this notice is refused.
            ChannelDownError: nothing gets through.
        """
        ...


class Channel(Protocol):
    """One way to one recipient."""

    @property
    def name(self) -> str:
        """Name under which the outbox keeps what it has to tell; holds no secret."""
        ...

    @property
    def audience(self) -> Audience:
        """Who reads it."""
        ...

    def connect(self) -> AbstractContextManager[Session]:
        """Open it.

        Raises:
            ChannelDownError: it cannot be opened.
        """
        ...

    def trial(self) -> str:
        """Try it without telling anything, and return what was found, in words.

        Raises:
            ChannelDownError: it does not work.
        """
        ...
