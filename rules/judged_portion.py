"""What one portion of flow events comes to: outputs and state, and what its task knows anew once it is committed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules.days import FreshDays
from rules.partition_contacts import FreshContacts
from rules.records import Portion

if TYPE_CHECKING:
    from datetime import date, datetime

    from rules.coverage import Coverage
    from rules.shares import Share
    from rules.watermarks import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPortion(Portion):
    """A portion of flow events, with what changes in the task once it is committed."""

    coverage: Coverage
    """What was seen in this portion alone."""
    repeats: int
    """Records dropped because the collector had sent them before."""
    duplicates: int
    """Events dropped because their id had been judged before, from another record."""
    late: int
    """Events that ended before their collector's watermark; judged all the same."""
    gaps: int
    """Times that a collector told that it had to drop events."""
    lost: int
    """Sums that found no room."""
    unremembered: int
    """Events that were judged but found no room in the memory for repeats."""
    unweighed: int
    """Contacts that found no room, and are missing in attribution."""
    forgotten: int
    """Sums of cases that were forgotten: what was seen before counts no more."""
    watermark: datetime | None
    """Time that every collector at work has passed after this portion."""
    held: Held
    """What the task knows after this portion, as far as it is new."""


@dataclass(slots=True, kw_only=True)
class PortionCounts:
    """What was counted in a portion; see JudgedPortion."""

    repeats: int = 0
    duplicates: int = 0
    late: int = 0
    gaps: int = 0
    lost: int = 0
    unremembered: int = 0
    forgotten: int = 0


@dataclass(slots=True, kw_only=True)
class Held:
    """What the task knows after a portion, as far as it is new; filled while the portion is judged."""

    findings: dict[str, bytes] = field(default_factory=dict)
    """Id -> sealed sum, the portion added to what was known."""
    agreements: dict[str, bytes] = field(default_factory=dict)
    """Id of a finding -> the agreement that it is told under."""
    kept: list[str] = field(default_factory=list)
    """Ids of findings that can still grow."""
    share: Share
    """What the partition tells of coverage."""
    changed: bool = False
    """The share says something else than before."""
    told: bool = False
    """The share goes out with this portion."""
    offset: int
    """Of the portion's first record."""
    at: datetime | None
    """Time of the newest record, by the broker; None: there was none yet."""
    standings: dict[str, Standing]
    """Collector -> its watermark."""
    sent: dict[str, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))
    """Collector -> marks of the records that came."""
    days: FreshDays = field(default_factory=FreshDays)
    """Events and keys of local days."""
    over: tuple[date, ...] = ()
    """Local days of which nothing comes any more."""
    contacts: FreshContacts = field(default_factory=FreshContacts)
    """Contacts for attribution."""
    renewed: tuple[bytes, ...] | None = None
    """State keys that are written again; None: it is not time."""
    counts: PortionCounts = field(default_factory=PortionCounts)
    """What was counted."""
