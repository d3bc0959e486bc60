"""What the store keeps, as plain facts: a position, a case, an entry of the case log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rules.life_cycle import NEW

if TYPE_CHECKING:
    from datetime import date

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
    """What the evidence says: `open` or `withdrawn`; `forgotten`: nothing of it can be read."""
    body: bytes
    """The case as JSON (contract, section 5)."""
    evidence: str = ""
    """What it rests on as JSON (`rules.evidence`): days, windows, basis; empty: nothing was kept."""
    status: str = NEW
    """What people made of it (`rules.life_cycle.Status`)."""
    ending: Ending | None = None
    """What was known when a person ended it; None: it is not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A case of which nothing can be read: its key was destroyed, or is not here."""

    id: str
    """The case."""
    version: int
    """Version of its evidence: what is seen later goes on from it."""
    at: str | None
    """When it was forgotten, ISO 8601 UTC; None: its key is not here, a backup was restored without it."""
    by: str
    """Who forgot it; empty: nobody did."""
    reason: str
    """Why, in their words. Untrusted: escape before showing."""

    @property
    def words(self) -> str:
        """Everything that there is to say of it."""
        if self.at is None:
            return "cannot be read: its key is not in this store; restore the backup together with its file of keys"
        return f"forgotten on {self.at[:10]} by {self.by}: {self.reason}"


class FindingRow(NamedTuple):
    """One finding as it is handed to the store."""

    agreement: str
    """Agreement id; empty: none."""
    case_id: str
    """The case that it belongs to."""
    body: bytes
    """The finding as JSON."""
    open_day: date | None = None
    """Its local day, when that is not over: it is of a device. None: it is of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One row of the case log as it lies there, all its columns."""

    seq: int
    """1, 2, ... without a gap."""
    case_id: str
    """The case that it is about."""
    version: int
    """Version of the case's evidence at that moment."""
    kind: str
    """`opened`, `changed`, `withdrawn`, `returned`, `not_reopened`, `carried_over`, `forgotten`, `resealed`, `purged`,
    `certified`, or what a person did (`Act`)."""
    at: str
    """When it was written, ISO 8601 UTC; of what was seen only the quarter of an hour, so that it can be handed out."""
    entry: str
    """What was told, sealed with the key of the case (`rules.store.sealing`); `forgotten`, `resealed`, `purged`
    and `certified` are not."""
    previous: str
    """Hash of the row before; 64 zeros in the first row."""
    hash: str
    """Hash of all other columns (`rules.store.chain`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One row of the case log, opened."""

    seq: int
    """As in `LogRow`."""
    case_id: str
    """As in `LogRow`."""
    version: int
    """As in `LogRow`."""
    kind: str
    """As in `LogRow`."""
    at: str
    """As in `LogRow`."""
    entry: str
    """What was told, as JSON; `UNREADABLE`: its key is gone. Holds names from the network: untrusted, escape it."""
    previous: str
    """As in `LogRow`."""
    hash: str
    """As in `LogRow`."""
    sealed: str
    """The entry as it lies there: this is under the hash."""
    salt: str
    """With it `entry` is shown to be what was sealed (`rules.store.sealing`), hexadecimal; empty: it was not sealed."""

    def row(self) -> LogRow:
        """Return the row as it lies there."""
        return LogRow(
            seq=self.seq, case_id=self.case_id, version=self.version, kind=self.kind, at=self.at, entry=self.sealed,
            previous=self.previous, hash=self.hash,
        )  # fmt: skip
