"""One place in which something is held, as facts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One place."""

    place: str
    """`file`, `table`, `topic`, `state`, `key` or `log`."""
    name: str
    """Path, or name."""
    what: str
    """What is in it, in plain words."""
    count: int | None = None
    """How many; None: not counted, or nothing is there."""
    since: str | None = None
    """The oldest of it, ISO 8601; None: it is empty, or carries no time."""
    keep: str
    """Until when, by the policy, in plain words."""
    overdue: str = ""
    """What is wrong; empty: nothing."""
    unseen: str = ""
    """Why it could not be looked at; empty: it could."""
