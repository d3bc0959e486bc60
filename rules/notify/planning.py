"""What is told to whom, and when: from changes of cases to items of the outbox, and from those to messages. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rules.notify.hours import due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from rules.notify.docket import Change, Docket, Standing
    from rules.notify.hours import Quiet, Weekly

Audience = Literal["person", "program"]
"""Who reads a channel: a person is told what was seen, a program also what people do."""

NOT_TOLD: Final = frozenset({"noted", "carried_over", "not_reopened", "forgotten"})
"""A note is for those who work on the case; what is older than the log is told when a channel begins; what was ended
stays ended, and the desk shows that it changed; what was forgotten is not spoken of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that one channel has to tell."""

    name: str
    """Unique in the channel: planned twice, it is there once."""
    seq: int
    """Entry of the case log; 0: a digest."""
    case_id: str
    """The case; empty: a digest."""
    due_at: int
    """When it may be told, seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message: all that waits about one case, or one digest."""

    items: tuple[str, ...]
    """Names of the items that it covers."""
    seq: int
    """The last entry of the log that it covers; 0: a digest."""
    case_id: str
    """The case; empty: a digest."""
    seqs: tuple[int, ...]
    """All entries that it covers, by rising number."""


def tells(change: Change, audience: Audience) -> bool:
    """Return whether *audience* is told of *change*."""
    if change.kind in NOT_TOLD:
        return False
    if change.by_person:
        return audience == "program"
    return not (change.quiet and change.kind == "changed")


def plan(
    changes: Iterable[Change], *, audience: Audience, now: datetime, quiet: Quiet | None, zone: ZoneInfo
) -> list[Item]:
    """Return what a channel has to tell of *changes*."""
    return [
        _item(change.seq, case_id=change.case_id, at=due(now, quiet=quiet, severity=change.severity, zone=zone))
        for change in changes
        if tells(change, audience)
    ]


def begin(docket: Docket, *, now: datetime) -> list[Item]:
    """Return what a channel that is new has to tell: every open case that nobody has taken up, as it stands."""
    return [
        _item(standing.seen_at, case_id=standing.case_id, at=now)
        for standing in docket.standings()
        if standing.open and standing.quiet is None
    ]


def digest(weekly: Weekly | None, *, since: datetime, now: datetime, zone: ZoneInfo) -> list[Item]:
    """Return the digest whose moment has come, none where it lies before *since*, when the channel began."""
    if weekly is None:
        return []
    moment = weekly.last(now, zone=zone)
    if moment <= since:
        return []
    name = f"digest/{moment.astimezone(zone):%Y-%m-%d}"
    return [Item(name=name, seq=0, case_id="", due_at=int(moment.timestamp()))]


def messages(items: Iterable[Item], *, ready: Callable[[Item], bool]) -> list[Told]:
    """Return the messages that tell what waits: one for each case, in the order in which they began to wait.

    Args:
        items: everything that a channel has not told yet.
        ready: whether an item may be told now. When one of a case may, all of it is told: the older parts of the same
            story would make no sense afterwards.
    """
    by_subject: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: (item.seq, item.name)):
        by_subject.setdefault(item.case_id or item.name, []).append(item)
    return [
        Told(
            items=tuple(item.name for item in covered),
            seq=covered[-1].seq,
            case_id=covered[-1].case_id,
            seqs=tuple(item.seq for item in covered),
        )
        for covered in by_subject.values()
        if any(ready(item) for item in covered)
    ]


def event(kinds: Iterable[str]) -> str:
    """Return what a message that covers entries of these kinds is about, for example `opened`.

    Who hears of a case for the first time hears that it opened, whatever was added meanwhile.
    """
    told = ""
    for kind in kinds:
        if not (kind == "changed" and told in {"opened", "returned", "carried_over"}):
            told = kind
    return "opened" if told in {"carried_over", ""} else told


def about(standing: Standing) -> str:
    """Return how the case stands for a program: `open` or `resolved`."""
    return "open" if standing.open else "resolved"


def _item(seq: int, *, case_id: str, at: datetime) -> Item:
    return Item(name=f"entry/{seq}", seq=seq, case_id=case_id, due_at=int(at.timestamp()))
