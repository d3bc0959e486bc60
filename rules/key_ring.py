"""The keys of cases as a judging process holds them: asked for once, and given up when a case is forgotten.

Sealing takes place for every finding, so keys stay in memory; how many at most is bounded. What another process
forgets is learnt by `refresh`, a second later at the latest: what was sealed in between nobody can read, as it should
be.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from rules.case_keys import OF_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rules.case_keys import CaseKey, Kind

MOST_KEYS: Final = 100_000
"""Some 50 MB. A district has thousands of cases; whoever makes more reads keys again and again."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)


class KeyStore(Protocol):
    """Where keys lie."""

    def live_keys(self, ids: Sequence[str] | None = None) -> list[CaseKey]:
        """Return the keys of these cases that are there; None: of all."""
        ...

    def keys_for(self, ids: Sequence[str]) -> list[CaseKey]:
        """Return a key for each of these cases, made where a case has none."""
        ...

    def destroyed(self) -> Mapping[str, str]:
        """Return of every case that was forgotten up to when (ISO 8601 UTC) what was seen of it is forgotten."""
        ...


class KeyRing:
    """Seals and opens what goes through topics.

    Args:
        store: where keys lie.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys: dict[str, CaseKey] = {}
        self._missing: set[str] = set()
        self._until: dict[str, datetime] = {}
        self._learnt: list[str] = []
        self.forgotten = 0
        """Records passed over because their case was forgotten, or its key is not here."""
        self.refresh()
        self._add(key for key in store.live_keys() if not key.case_id.startswith(OF_DAYS))

    def refresh(self) -> frozenset[str]:
        """Learn which cases were forgotten, and return those that were not known to be.

        Raises:
            StoreError: the store cannot be read.
        """
        found = {case_id: datetime.fromisoformat(until) for case_id, until in self._store.destroyed().items()}
        fresh = frozenset(case_id for case_id, until in found.items() if self._until.get(case_id) != until)
        self._until = found
        self._missing = set()
        for case_id in fresh:
            self._keys.pop(case_id, None)
        self._learnt += sorted(fresh)
        return fresh

    @property
    def revision(self) -> int:
        """Grows whenever `refresh` learns of a case that was forgotten."""
        return len(self._learnt)

    def since(self, revision: int) -> frozenset[str]:
        """Return the cases that were learnt to be forgotten after that `revision`."""
        return frozenset(self._learnt[revision:])

    def need(self, ids: Iterable[str]) -> None:
        """Get the keys of these cases, made where they have none, in one go.

        Raises:
            StoreError: the store cannot be used.
        """
        wanted = sorted({*ids} - self._keys.keys())
        if wanted:
            self._add(self._store.keys_for(wanted))

    def seal(self, case_id: str, octets: bytes, *, kind: Kind) -> bytes:
        """Return *octets* sealed with the key of a case."""
        key = self._keys.get(case_id)
        if key is None:
            self.need([case_id])
            key = self._keys[case_id]
        return key.seal(octets, kind=kind)

    def open(self, case_id: str, sealed: bytes, *, kind: Kind) -> bytes | None:
        """Return what was sealed, None: the case was forgotten, or its key is not here; that is counted."""
        key = self._keys.get(case_id)
        if key is None and case_id not in self._missing:
            # Another process may have made it since.
            self._add(self._store.live_keys([case_id]))
            key = self._keys.get(case_id)
            if key is None:
                self._missing.add(case_id)
        found = None if key is None else key.open(sealed, kind=kind)
        self.forgotten += found is None
        return found

    def until(self, case_id: str) -> datetime:
        """Return the moment up to which what was seen of a case is forgotten; `NEVER`: it never was."""
        return self._until.get(case_id, NEVER)

    def _add(self, keys: Iterable[CaseKey]) -> None:
        if len(self._keys) > MOST_KEYS:
            self._keys = {}
        for key in keys:
            before = self._keys.get(key.case_id)
            if before is None or before.number < key.number:
                self._keys[key.case_id] = key
