"""What one portion of findings comes to: outputs and state, and what the case store must learn of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules.counted_contacts import FreshEdges
from rules.records import Portion

if TYPE_CHECKING:
    from rules.findings import Case
    from rules.versions import CaseVersion, ReportPart


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePortion(Portion):
    """A portion of findings, with what the case store must learn once it is committed."""

    rows: tuple[CaseVersion, ...]
    """Cases that changed."""
    parts: tuple[ReportPart, ...]
    """Parts of the report that changed; what they say of single promises is sealed."""
    news: tuple[ReportPart, ...] = ()
    """The same parts, not sealed: what the task remembers."""
    opened: tuple[Case, ...] = ()
    """Cases that were not open before."""
    lost: int = 0
    """Findings that found no room."""
    forgotten: int = 0
    """Findings of cases that were forgotten."""
    edges: FreshEdges = field(default_factory=FreshEdges)
    """What attribution says anew."""
