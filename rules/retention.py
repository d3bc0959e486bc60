"""How long what is kept, and since when each day's evidence is: the calendar by which it is let go. Pure.

What counts is when evidence was taken in and not when it happened, as for the records of a broker: whoever reads an old
capture today keeps what it says for as long as anything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOW_HOURS: Final = 72
"""Hours for which flow events, and all state that names devices, may be kept."""
FINDING_DAYS: Final = 90
"""Days for which findings, and counts of contacts, may be kept."""
TOLD_DAYS: Final = 400
"""Days for which it is kept what was told to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long what is kept."""

    finding_days: int = FINDING_DAYS
    """Days for findings, counts of contacts and the list of inputs."""
    case_days: int | None = None
    """Days for cases, from their end; None: until somebody forgets them."""
    told_days: int = TOLD_DAYS
    """Days for what was told to whom."""
    access_days: int = TOLD_DAYS
    """Days for who signed in."""


class DayLedger:
    """Since when evidence of each local day is held, and up to which day some was let go.

    Args:
        state: as `as_state` gave it; None: nothing is held yet.
    """

    def __init__(self, state: str | bytes | None = None) -> None:
        kept = json.loads(state) if state else {}
        self.since = {date.fromisoformat(day): date.fromisoformat(on) for day, on in kept.get("since", {}).items()}
        """Local day -> date (UTC) on which the first of it was taken in."""
        horizon = kept.get("horizon")
        self.horizon = date.fromisoformat(horizon) if horizon else None
        """Latest local day of which something was let go; None: of none."""

    def note(self, days: Iterable[date], *, on: date) -> bool:
        """Take down that evidence of *days* is held on the date *on* (UTC); return whether that was news."""
        news = [day for day in days if day not in self.since]
        self.since |= dict.fromkeys(news, on)
        return bool(news)

    def bring_back(self, *, on: date) -> bool:
        """Date on *on* (UTC) what is held since a day that is still to come; return whether there was any.

        A clock that was ahead dated it, and it would lie here for as much longer.
        """
        late = [day for day, since in self.since.items() if since > on]
        self.since |= dict.fromkeys(late, on)
        return bool(late)

    def due(self, on: date, *, keep_days: int) -> set[date]:
        """Return the days whose evidence has been held for *keep_days* on the date *on*."""
        return {day for day, since in self.since.items() if on - since >= timedelta(days=keep_days)}

    def begin(self, days: Iterable[date]) -> None:
        """Take down that evidence of *days* is going: what is left of it speaks for nothing any more."""
        self.horizon = max((*days, *([self.horizon] if self.horizon else [])), default=None)

    def let_go(self, days: Iterable[date]) -> None:
        """Take down that evidence of *days* is gone."""
        gone = list(days)
        self.begin(gone)
        for day in gone:
            self.since.pop(day, None)

    def as_state(self) -> str:
        """Return everything, ready to be kept."""
        since = {day.isoformat(): on.isoformat() for day, on in sorted(self.since.items())}
        return json.dumps({"since": since, "horizon": self.horizon.isoformat() if self.horizon else None})
