"""State of one task on its way to its topic and back: what tells of the devices of an open day is sealed.

The key is random, of task and local day, and lies in the store alone. It is there before the first record that is
sealed with it, and is destroyed once the transaction is committed in which the task ended the day. From then on nobody
reads what was ever written of that day: not the old value that compaction has not taken yet, nor a copy of the
broker's disk. An entry whose key is gone counts as one that compaction took (docs/decisions/0041).
"""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from rules.case_keys import task_day_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from rules.case_keys import CaseKey

    DayOf = Callable[[bytes, bytes], date | None]
    State = Mapping[bytes, bytes | None]

# Then the date, a stroke, and what `CaseKey.seal` made. State of releases before begins so in one of 2^120 cases.
MARK: Final = b"schoolgate/day/"
_HEAD: Final = len(MARK) + len("2026-10-14/")

UNREADABLE_KEY: Final = b"unreadable"
"""In no topic: tells a core of which local days something is gone, dates between blanks."""
MOST_REWRITTEN: Final = 5_000
"""Entries that one portion writes for no reason of its own: a million of them are no transaction."""


class DayKeys(Protocol):
    """Where keys lie."""

    def keys_of_task(self, task: str) -> list[CaseKey]:
        """Return the keys of the days of this task that are there."""
        ...

    def keys_for(self, ids: Sequence[str]) -> list[CaseKey]:
        """Return a key for each of these days, made where there is none."""
        ...

    def destroy(self, keys: Sequence[CaseKey]) -> None:
        """Destroy just these keys; a later one of the same day stays."""
        ...


class SealedDays:
    """The open days of one task, and the keys that its state is sealed with. All but `sealed` may ask the store.

    Args:
        task: its state topic and partition, as `schoolgate.engine-state/3`.
        keys: where keys lie.
        day_of: returns the local day of whose devices an entry tells (`rules.state_days`), None: of none.
    """

    def __init__(self, task: str, *, keys: DayKeys, day_of: DayOf) -> None:
        self._task = task
        self._store = keys
        self._day_of = day_of
        self._keys: dict[date, CaseKey] = {}
        self._rest: dict[bytes, bytes | None] = {}

    def opened(self, state: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return the newest value of each key in *state*, opened; without what nobody can open any more.

        Of which days that is stands under `UNREADABLE_KEY`: the store was restored, or is another.

        Raises:
            StoreError: the store cannot be read.
        """
        keys = self._store.keys_of_task(self._task)
        self._keys = {date.fromisoformat(key.case_id.rpartition("/")[2]): key for key in keys}
        # A million values are of three days: the head says which, and nothing else is made of it.
        boxes = {_head(day): key for day, key in self._keys.items()}
        self._rest = {}
        unreadable: set[bytes] = set()
        found: dict[bytes, bytes] = {}
        for key, value in state.items():
            if not value.startswith(MARK):
                found[key] = value
                if self._day_of(key, value) is not None:
                    self._rest[key] = value
                continue
            box = boxes.get(value[:_HEAD])
            text = None if box is None else box.open(value[_HEAD:], kind="state")
            if text is None:
                self._rest[key] = None
                unreadable.add(value[len(MARK) : _HEAD - 1])
            else:
                found[key] = text
        if unreadable:
            found[UNREADABLE_KEY] = b" ".join(sorted(unreadable))
        return found

    @property
    def waits(self) -> bool:
        """Whether anything is to be sealed that a release before left plain, or taken away that nobody can open."""
        return bool(self._rest)

    def due(self, state: State, *, open_days: Collection[date]) -> State:
        """Return what is to be written: *state*, and before it some of what `opened` came upon.

        Args:
            state: what a portion changes.
            open_days: of any other day nothing is written anew.
        """
        for key in state:
            self._rest.pop(key, None)
        some = {key: self._rest.pop(key) for key in tuple(islice(self._rest, MOST_REWRITTEN))}
        return {
            **{key: value for key, value in some.items() if value is None or self._day_of(key, value) in open_days},
            **state,
        }

    def days_in(self, state: State) -> dict[bytes, date]:
        """Return state key -> local day of what is to be sealed in *state*."""
        day_of = self._day_of
        return {
            key: day for key, value in state.items() if value is not None and (day := day_of(key, value)) is not None
        }

    def lacks(self, days: Iterable[date]) -> bool:
        """Return whether the key of any of these days is yet to be made."""
        return not self._keys.keys() >= {*days}

    def need(self, days: Iterable[date]) -> None:
        """Get the keys of these days, made where there are none.

        Raises:
            StoreError: the store cannot be used.
        """
        wanted = {task_day_id(self._task, day): day for day in {*days} - self._keys.keys()}
        self._keys |= {wanted[key.case_id]: key for key in self._store.keys_for(sorted(wanted))}

    def sealed(self, state: State, *, days: Mapping[bytes, date]) -> State:
        """Return *state* as it goes into the topic.

        Args:
            state: what changes; None: to be forgotten.
            days: as `days_in` told it; `need` got their keys.
        """
        heads = {day: _head(day) for day in {*days.values()}}
        found: dict[bytes, bytes | None] = {}
        for key, value in state.items():
            day = days.get(key)
            if day is None or value is None:
                found[key] = value
            else:
                found[key] = heads[day] + self._keys[day].seal(value, kind="state")
        return found

    def spent(self, open_days: Collection[date]) -> list[CaseKey]:
        """Return the keys of days that are not open any more."""
        return [key for day, key in self._keys.items() if day not in open_days]

    def destroy(self, spent: Sequence[CaseKey]) -> None:
        """Destroy these keys: what was sealed with them is committed as ended.

        Raises:
            StoreError: the store cannot be used; whoever opens the task next destroys them.
        """
        self._store.destroy(spent)
        gone = {key.case_id for key in spent}
        self._keys = {day: key for day, key in self._keys.items() if key.case_id not in gone}


def open_value(value: bytes, *, task: str, keys: Mapping[str, CaseKey]) -> bytes | None:
    """Return what is sealed in a value of the state of *task*, None: it is not sealed so, or its key is gone.

    Args:
        value: as it lies in the topic.
        task: as in `SealedDays`.
        keys: by the id of what they are of (`rules.case_keys.task_day_id`).
    """
    if not value.startswith(MARK):
        return None
    key = keys.get(task_day_id(task, date.fromisoformat(value[len(MARK) : _HEAD - 1].decode())))
    return None if key is None else key.open(value[_HEAD:], kind="state")


def unreadable_days(state: Mapping[bytes, bytes]) -> set[date]:
    """Return the local days of which something in *state*, as `SealedDays.opened` gave it, is gone."""
    return {date.fromisoformat(day.decode()) for day in state.get(UNREADABLE_KEY, b"").split()}


def _head(day: date) -> bytes:
    return b"%b%b/" % (MARK, day.isoformat().encode())
