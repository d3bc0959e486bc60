"""The findings that one partition of stage two holds: under which state keys, of which cases and days."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rules.case_keys import case_of
from rules.closed_findings import is_closed, is_past
from rules.kept_sums import FINDING_KEYS
from rules.sealed_records import is_sealed, open_finding, says_closed, seal_finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import date

    from rules.cases import Closing
    from rules.findings import Finding
    from rules.key_ring import KeyRing


class HeldFindings:
    """Knows what is held; what each finding says, cases know.

    Args:
        keys: what findings are sealed with, each with the key of its case.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._cases: dict[bytes, str] = {}
        self._days: defaultdict[date, set[bytes]] = defaultdict(set)
        self.open_on: dict[date, set[str]] = {}
        """Local day -> ids of its findings that are of devices."""

    def __len__(self) -> int:
        return len(self._cases)

    def __contains__(self, finding: Finding) -> bool:
        return FINDING_KEYS + finding.id.encode() in self._cases

    @property
    def days(self) -> set[date]:
        """The local days of which any finding is held."""
        return {day for day, held in self._days.items() if held}

    @property
    def open_days(self) -> set[date]:
        """The local days of which any finding of a device is held."""
        return {day for day, ids in self.open_on.items() if ids}

    def restore(self, state: Mapping[bytes, bytes], *, dirty: dict[bytes, bytes | None]) -> Iterator[Finding]:
        """Yield the findings of the state that can be read; the others go from it."""
        for key, body in state.items():
            if key.startswith(FINDING_KEYS):
                case_id, finding = open_finding(body, keys=self._keys)
                if finding is None or is_past(finding, until=self._keys.until(case_id)):
                    dirty[key] = None
                    continue
                self.hold(finding, case_id=case_id)
                if not is_sealed(body) or (is_closed(finding) and not says_closed(body)):
                    dirty[key] = seal_finding(finding, case_id=case_id, keys=self._keys)
                yield finding

    def hold(self, finding: Finding, *, case_id: str) -> bytes:
        """Note that a finding is held, and return its state key."""
        key = FINDING_KEYS + finding.id.encode()
        self._cases[key] = case_id
        self._days[finding.day].add(key)
        if not is_closed(finding):
            self.open_on.setdefault(finding.day, set()).add(finding.id)
        return key

    def replace(self, closing: Closing, *, days: Iterable[date]) -> dict[bytes, bytes | None]:
        """Hold what is left of the findings of days that are over; return the state keys that change."""
        changed = self._drop([FINDING_KEYS + gone.encode() for gone in closing.dropped])
        for day in days:
            self.open_on.pop(day, None)
        self._keys.need(map(case_of, closing.written))
        for finding in closing.written:
            owner = case_of(finding)
            key = self.hold(finding, case_id=owner)
            changed[key] = seal_finding(finding, case_id=owner, keys=self._keys)
        return changed

    def forget(self, cases: Collection[str]) -> dict[bytes, bytes | None]:
        """Let go of what was seen of *cases* (ids); return the state keys that change."""
        return self._drop([key for key, owner in self._cases.items() if owner in cases])

    def let_go(self, days: Iterable[date]) -> dict[bytes, bytes | None]:
        """Let go of these local days; return the state keys that change."""
        return self._drop([key for day in days for key in self._days.get(day, ())])

    def _drop(self, gone: Collection[bytes]) -> dict[bytes, bytes | None]:
        ids = {key.removeprefix(FINDING_KEYS).decode() for key in gone}
        for key in gone:
            self._cases.pop(key, None)
        for held in self._days.values():
            held.difference_update(gone)
        for known in self.open_on.values():
            known.difference_update(ids)
        return dict.fromkeys(gone)
