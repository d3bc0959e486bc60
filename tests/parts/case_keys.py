"""Keys of cases in memory: what a store is to a judging process, but for the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Self

from rules.case_keys import KEY_OCTETS, TASK_DAY, CaseKey, task_day_id
from rules.key_ring import KeyRing


class MemoryKeys:
    """Keys that live as long as this."""

    def __init__(self) -> None:
        self._keys: dict[str, CaseKey] = {}
        self._until: dict[str, str] = {}

    def live_keys(self, ids: Sequence[str] | None = None) -> list[CaseKey]:
        """Return the keys that are there."""
        return [key for key in self._keys.values() if ids is None or key.case_id in ids]

    def keys_for(self, ids: Sequence[str]) -> list[CaseKey]:
        """Return a key for each of these cases."""
        for case_id in ids:
            if case_id not in self._keys:
                number = 2 if case_id in self._until else 1
                octets = os.urandom(KEY_OCTETS)
                # One nonce for all: the same is sealed to the same octets, so that tests can compare portions.
                self._keys[case_id] = CaseKey(case_id=case_id, number=number, octets=octets, draw=bytes)
        return [self._keys[case_id] for case_id in ids]

    def keys_of_task(self, task: str) -> list[CaseKey]:
        """Return the keys of days of a task."""
        return [key for owner, key in self._keys.items() if owner.startswith(f"{TASK_DAY}{task}/")]

    def destroy(self, keys: Sequence[CaseKey]) -> None:
        """Destroy just these keys."""
        for key in keys:
            if self._keys.get(key.case_id) is key:
                del self._keys[key.case_id]

    def copy(self) -> Self:
        """Return others that are the same until now."""
        other = type(self)()
        other._keys, other._until = dict(self._keys), dict(self._until)
        return other

    def destroyed(self) -> dict[str, str]:
        """Return of every case that was forgotten up to when."""
        return dict(self._until)

    def forget(self, case_id: str, *, until: str) -> CaseKey | None:
        """Destroy a key, and return it: a test may try it."""
        self._until[case_id] = until
        return self._keys.pop(case_id, None)


class DerivedKeys:
    """A key for any case, the same in every process: for benches, whose processes share no store.

    Args:
        days: of these every task has a key from the beginning.
    """

    def __init__(self, days: Sequence[date] = ()) -> None:
        self._days = days

    def live_keys(self, ids: Sequence[str] | None = None) -> list[CaseKey]:
        """Return the keys of these cases."""
        return self.keys_for(ids or ())

    def keys_for(self, ids: Sequence[str]) -> list[CaseKey]:
        """Return a key for each of these cases."""
        return [CaseKey(case_id=each, number=1, octets=sha256(each.encode()).digest()) for each in ids]

    def keys_of_task(self, task: str) -> list[CaseKey]:
        """Return the keys of the days that every task has."""
        return self.keys_for([task_day_id(task, day) for day in self._days])

    def destroy(self, keys: Sequence[CaseKey]) -> None:
        """Do nothing: there is a key for anything."""

    def destroyed(self) -> dict[str, str]:
        """Return nothing: no case was ever forgotten."""
        return {}


_SHARED = MemoryKeys()


def a_ring(keys: MemoryKeys | None = None) -> KeyRing:
    """Return a ring over *keys*; None: over keys that all rings of this kind share."""
    return KeyRing(_SHARED if keys is None else keys)
