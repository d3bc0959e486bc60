"""What an officer should not miss about a case that was ended, or came back: a sentence or two each. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rules.agreements.plain import written_day
from rules.checks.wording import listed
from rules.desk.words import TOLD
from rules.life_cycle import CODES, ENDED, FEWEST_AGAIN, STATUS_AFTER, VERIFIED, VERIFY_DAYS, verifiable_on
from rules.next_steps import returned_because
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from rules.store.rows import CaseRow, LogEntry

NOT_YET: Final = "The agreement does not yet say so: the rule still finds the case."


def notices(row: CaseRow, *, entries: Sequence[LogEntry], stands: str, last_seen: str, until: date | None) -> list[str]:
    """Return what should not be missed, the most important first; none: nothing is out of the ordinary.

    Args:
        row: the case as stored.
        entries: its part of the log, the oldest first.
        stands: how it stands (`rules.life_cycle.standing`).
        last_seen: the last sighting, ISO 8601 UTC; empty: not known.
        until: last day on which the network was judged; None: nothing was.
    """
    if row.state != OPEN:
        return []
    if row.status not in ENDED:
        return _back(entries)
    told = []
    if row.status == "declared":
        told.append(_declared(row, last_seen=last_seen))
    if row.status == "fixed":
        told.append(_fixed(row, stands=stands, last_seen=last_seen, until=until))
    if row.status == "disputed":
        told += _disputed(entries)
    return told + _changed_since(entries)


def _back(entries: Sequence[LogEntry]) -> list[str]:
    for entry in reversed(entries):
        if entry.kind in STATUS_AFTER:
            return []
        if entry.kind == "returned":
            said = returned_because(json.loads(entry.entry).get("because") or ())
            return [said] if said else []
    return []


def _declared(row: CaseRow, *, last_seen: str) -> str:
    since = row.ending is not None and last_seen and _moment(last_seen) > _moment(row.ending.at)
    return f"{NOT_YET} {'It was seen again since.' if since else 'It was not seen again since.'}"


def _fixed(row: CaseRow, *, stands: str, last_seen: str, until: date | None) -> str:
    if stands == VERIFIED:
        return f"The fix is verified: {VERIFY_DAYS} days passed without a new sighting."
    day = verifiable_on(row.ending, last_seen=last_seen)
    if day is None:
        return "The fix is not verified yet."
    watched = f"The network was judged up to {written_day(until)}." if until else "Nothing was judged yet."
    return f"The fix is not verified yet: it will be on {written_day(day)}, if nothing is seen until then. {watched}"


def _disputed(entries: Sequence[LogEntry]) -> list[str]:
    last = next((entry for entry in reversed(entries) if entry.kind == "disputed"), None)
    code = str(json.loads(last.entry).get("reason")) if last else ""
    return [f"Called a false positive: {CODES['disputed'][code]}."] if code in CODES["disputed"] else []


def _changed_since(entries: Sequence[LogEntry]) -> list[str]:
    """Say what changed of an ended case without opening it again: no suppression stays unseen."""
    names: set[str] = set()
    for entry in reversed(entries):
        if entry.kind in STATUS_AFTER:
            break
        if entry.kind == "not_reopened":
            names |= {TOLD.get(name, name) for name in json.loads(entry.entry).get("changed") or ()} or {"evidence"}
    if not names:
        return []
    why = f"no group of users is new, and the devices are fewer than twice as many, or than {FEWEST_AGAIN}"
    return [f"Since then it changed ({listed(names)}), and stays ended: {why}."]


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)
