"""How every case stands, read off the case log entry by entry; the same log always gives the same. Pure.

A case that somebody has taken up stays quiet as long as it does not get worse than it was then.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from rules.life_cycle import ENDED, STATUS_AFTER, TAKEN_UP
from rules.small_numbers import quarter
from rules.versions import FORGOTTEN, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rules.findings import Severity
    from rules.store.rows import LogEntry

WORST_FIRST: Final[tuple[Severity, ...]] = ("critical", "warning", "info")
SEEN: Final = frozenset({"opened", "changed", "returned", "not_reopened", "withdrawn", "carried_over"})
"""Kinds of entry that tell what was seen; the others tell what a person did."""
NOTHING: Final[dict[str, Any]] = {
    "agreement": None, "rule": "", "clause": "", "subject": "", "verdict": "", "severity": "info", "confidence": 0.0,
    "sure": "", "devices": "", "schools": [], "groups": [], "first_seen": None, "last_seen": None,
    "summary": "This case was forgotten.", "agreement_says": "", "cannot_see": "",
}  # fmt: skip
"""What is told of a case that was forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A time during which a case was open with one severity: one alert."""

    severity: Severity
    """How pressing it was."""
    since: str
    """When it began, ISO 8601 UTC, a quarter of an hour."""
    until: str | None
    """When it ended, likewise; None: it goes on."""
    seq: int
    """Entry of the log that began or ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one case stands after an entry of the log."""

    case_id: str
    """The case."""
    seq: int
    """The entry."""
    supported: bool
    """The evidence supports it."""
    status: str
    """What people made of it (`rules.life_cycle.Status`)."""
    quiet: Severity | None
    """It stays quiet up to this severity; None: nobody has taken it up."""
    view: dict[str, Any]
    """What is told of it (`rules.told`). Holds names from the network: untrusted, escape before showing."""
    seen_at: int
    """The entry that `view` is from."""
    spells: tuple[Spell, ...]
    """Its alerts, one for each severity that it has had, the one that goes on or ended last at the end."""
    because: tuple[str, ...] = ()
    """Why it came back by itself (`rules.life_cycle.Return`); empty: it did not."""

    @property
    def open(self) -> bool:
        """Whether the evidence supports it and nobody has ended it."""
        return self.supported and self.status not in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one entry of the log means for who is to be told."""

    seq: int
    """The entry."""
    case_id: str
    """The case."""
    kind: str
    """Kind of the entry."""
    severity: Severity
    """How pressing the case is after it."""
    by_person: bool
    """A person did it."""
    quiet: bool
    """Somebody has taken the case up and it is no worse than it was then, or it is open no more."""


class Docket:
    """All cases of a log, as far as it was read."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}
        self.seq = 0

    def read(self, entries: Iterable[LogEntry]) -> Iterator[Change]:
        """Take entries in by rising number, and yield what each one means; one that was read before means nothing."""
        for entry in entries:
            if entry.seq > self.seq:
                before = self._standings.get(entry.case_id)
                after = _after(before, entry)
                self.seq = entry.seq
                if after is None:
                    continue  # an act on a case that has no entry of its own: only a damaged log has that
                self._standings[entry.case_id] = after
                yield _change(before, after, entry=entry)

    def standing(self, case_id: str) -> Standing | None:
        """Return how a case stands, None: there is none of this id."""
        return self._standings.get(case_id)

    def standings(self) -> list[Standing]:
        """Return how every case stands, by id."""
        return [self._standings[key] for key in sorted(self._standings)]


def worse(one: Severity, other: Severity) -> bool:
    """Return whether *one* is more pressing than *other*."""
    return WORST_FIRST.index(one) < WORST_FIRST.index(other)


def _change(before: Standing | None, after: Standing, *, entry: LogEntry) -> Change:
    severity: Severity = after.view["severity"]
    taken_up = before is not None and before.quiet is not None and not worse(severity, before.quiet)
    return Change(
        seq=entry.seq,
        case_id=entry.case_id,
        kind=entry.kind,
        severity=severity,
        by_person=entry.kind not in SEEN,
        quiet=taken_up or entry.kind == FORGOTTEN or (entry.kind in {"changed", "not_reopened"} and not after.open),
    )


def _after(before: Standing | None, entry: LogEntry) -> Standing | None:
    if entry.kind == FORGOTTEN:
        return _forgotten(before, entry)
    told = json.loads(entry.entry)
    if entry.entry == UNREADABLE:
        return None  # the case was forgotten, or its key is not here
    if entry.kind in SEEN:
        seen = _seen(before, entry, told=told)
        return replace(seen, spells=_spells(before, seen, at=quarter(entry.at)))
    if before is None:
        return None
    acted = _acted(before, entry)
    return replace(acted, spells=_spells(before, acted, at=quarter(entry.at)))


def _seen(before: Standing | None, entry: LogEntry, *, told: dict[str, Any]) -> Standing:
    kind = entry.kind
    anew = before is None or kind == "returned"
    return Standing(
        case_id=entry.case_id,
        seq=entry.seq,
        supported=_supported(before, kind, told=told),
        status="new" if before is None or anew else before.status,
        quiet=None if before is None or anew or kind == "withdrawn" else before.quiet,
        view=told["case"],
        seen_at=entry.seq,
        spells=before.spells if before else (),
        because=tuple(map(str, told.get("because") or ())) if anew or before is None else before.because,
    )


def _forgotten(before: Standing | None, entry: LogEntry) -> Standing:
    """Return a standing whose alerts have ended, with nothing in it but what an Alertmanager knows them by."""
    kept = {} if before is None else {name: before.view.get(name) for name in ("rule", "agreement", "severity")}
    gone = Standing(
        case_id=entry.case_id, seq=entry.seq, supported=False, status=FORGOTTEN, quiet=None, seen_at=entry.seq,
        view=NOTHING | kept, spells=before.spells if before else (),
    )  # fmt: skip
    return replace(gone, spells=_spells(before, gone, at=quarter(entry.at)))


def _supported(before: Standing | None, kind: str, *, told: dict[str, Any]) -> bool:
    if kind in {"carried_over", "not_reopened"}:
        return bool(told["state"] == "open")
    # What changes about a case that was withdrawn does not bring it back.
    return before.supported if kind == "changed" and before is not None else kind != "withdrawn"


def _acted(before: Standing, entry: LogEntry) -> Standing:
    kind = entry.kind
    if kind in TAKEN_UP:
        return replace(before, seq=entry.seq, status=kind, quiet=before.view["severity"])
    if kind in STATUS_AFTER:
        return replace(before, seq=entry.seq, status=STATUS_AFTER[kind], quiet=None, because=())
    return replace(before, seq=entry.seq)


def _spells(before: Standing | None, after: Standing, *, at: str) -> tuple[Spell, ...]:
    """Return the alerts of a case after a change: at most one goes on, and of each severity there is one."""
    spells = before.spells if before else ()
    running = spells[-1] if spells and spells[-1].until is None else None
    severity: Severity = after.view["severity"]
    if running is not None and after.open and running.severity == severity:
        return spells
    if running is not None:
        # A clock that was set back must not make an alert end before it began.
        ended = replace(running, until=max(at, running.since), seq=after.seq)
        spells = (*spells[:-1], ended)
    if after.open:
        spells = tuple(spell for spell in spells if spell.severity != severity)
        spells = (*spells, Spell(severity=severity, since=at, until=None, seq=after.seq))
    return spells
