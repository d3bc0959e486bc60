"""What became of a case, from the case log, as lines for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rules.desk.words import LOGGED, TOLD
from rules.life_cycle import CODES, STATUS_AFTER
from rules.next_steps import RETURNS
from rules.versions import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.store.rows import LogEntry

WITHHELD: Final = "The text is for the privacy officer and auditors."
_SAID: Final = frozenset({*STATUS_AFTER, "noted", "forgotten"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line. Its text was typed by people, or quotes the network: untrusted, escape it."""

    at: str
    """When, ISO 8601 UTC."""
    kind: str
    """Kind of the entry, for the eye."""
    what: str
    """What happened."""
    by: str | None
    """Who did it; None: the monitor itself."""
    text: tuple[str, ...]
    """Lines of the reason or the note."""


def story_of(entries: Iterable[LogEntry], *, with_notes: bool) -> list[Event]:
    """Return what became of a case, the newest first; what cannot be read any more is left out.

    Args:
        entries: its part of the log, the oldest first.
        with_notes: whoever reads may see what people wrote.
    """
    return [_event(entry, with_notes=with_notes) for entry in reversed(list(entries)) if entry.entry != UNREADABLE]


def _event(entry: LogEntry, *, with_notes: bool) -> Event:
    said = json.loads(entry.entry)
    what = LOGGED.get(entry.kind, entry.kind)
    changed = [TOLD.get(name, name) for name in said.get("changed") or ()]
    if changed:
        what += f": {', '.join(changed)}"
    because = [RETURNS[name] for name in said.get("because") or () if name in RETURNS]
    if because:
        what += f" ({'; '.join(because)})"
    code = CODES.get(entry.kind, {}).get(str(said.get("reason")))
    if code:
        what += f": {code}"
    text = str(said.get("text") or "")
    shown = text if with_notes or not text else WITHHELD
    return Event(
        at=entry.at,
        kind=entry.kind,
        what=what,
        by=str(said["by"]) if entry.kind in _SAID and "by" in said else None,
        text=tuple(shown.splitlines()),
    )
