"""What the store keeps, as plain facts: a position, a case, an entry of the case log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rules.life_cycle import NEW

if TYPE_CHECKING:
    from rules.life_cycle import Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one input has been judged."""

    sha256: str
    """Hash of the capture's octets."""
    name: str
    """File name, for people."""
    events: int
    """Events judged and committed."""
    finished: bool
    """True: all of it."""


class CaseMark(NamedTuple):
    """What shows that a case changed; tens of thousands are read at once."""

    id: str
    version: int
    """Version of its evidence."""
    state: str
    """What the evidence says: `open` or `withdrawn`."""
    status: str
    """What people made of it."""
    ended_at: str | None
    """When a person ended it, ISO 8601 UTC; None: it is not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case as stored."""

    id: str
    version: int
    """1, 2, ...: grows with every change of the evidence; what people do about the case is in the case log."""
    state: str
    """What the evidence says: `open` or `withdrawn`."""
    body: bytes
    """The case as JSON (contract, section 5)."""
    evidence: str = ""
    """What it rests on as JSON (`rules.evidence`): days, windows, basis; empty: nothing was kept."""
    status: str = NEW
    """What people made of it (`rules.life_cycle.Status`)."""
    ending: Ending | None = None
    """What was known when a person ended it; None: it is not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One row of the case log, all its columns."""

    seq: int
    """1, 2, ... without a gap."""
    case_id: str
    """The case that it is about."""
    version: int
    """Version of the case's evidence at that moment."""
    kind: str
    """`opened`, `changed`, `withdrawn`, `returned`, `not_reopened`, `carried_over`, or what a person did (`Act`)."""
    at: str
    """When it was written, ISO 8601 UTC; of what was seen only the quarter of an hour, so that it can be handed out."""
    entry: str
    """What was told, as JSON. Holds names from the network: untrusted, escape before showing."""
    previous: str
    """Hash of the row before; 64 zeros in the first row."""
    hash: str
    """Hash of all other columns (`rules.store.chain`)."""
