"""The parts of the report that one task tells, as last committed; what they say of single promises leaves it sealed."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rules.sealed_rows import WAIVED, open_report, seal_report
from rules.versions import ReportPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rules.key_ring import KeyRing

PART_KEYS = b"part/"

_parts = msgspec.json.Decoder(ReportPart)


class ReportParts:
    """What was last committed of each part, opened.

    Args:
        state: the state topic's newest value of each key of this partition.
        keys: what single promises are sealed with.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, keys: KeyRing) -> None:
        self._keys = keys
        kept = (_parts.decode(body) for key, body in state.items() if key.startswith(PART_KEYS))
        self._known = {part.name: self._opened(part) for part in kept}

    def content(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a part that is a list; none where it was never told."""
        part = self._known.get(name)
        rows: list[dict[str, Any]] = json.loads(part.body) if part else []
        return rows

    def changed(self, told: Mapping[str, Any]) -> list[ReportPart]:
        """Return, each as a new version, the parts of *told* (name -> content) that say something else than before."""
        changed = []
        for name, content in told.items():
            body, before = json.dumps(content, separators=(",", ":")), self._known.get(name)
            if before is None or before.body != body:
                changed.append(ReportPart(name=name, version=before.version + 1 if before else 1, body=body))
        return changed

    def committed(self, parts: Iterable[ReportPart]) -> None:
        """Take *parts*, not sealed, for written down."""
        self._known |= {part.name: part for part in parts}

    def sealed(self, part: ReportPart) -> ReportPart:
        """Return a part with what it says of single promises sealed."""
        return _with(part, change=partial(seal_report, seal=partial(self._keys.seal, kind="row")))

    def all_sealed(self) -> tuple[ReportPart, ...]:
        """Return every part as last committed, sealed."""
        return tuple(map(self.sealed, self._known.values()))

    def _opened(self, part: ReportPart) -> ReportPart:
        return _with(part, change=partial(open_report, opener=partial(self._keys.open, kind="row")))


def _with(part: ReportPart, *, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> ReportPart:
    told = json.loads(part.body)
    changed = change(told) if isinstance(told, dict) else change({WAIVED: told})[WAIVED]
    return msgspec.structs.replace(part, body=json.dumps(changed, separators=(",", ":")))
