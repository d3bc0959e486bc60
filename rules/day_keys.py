"""One random key for each local day: what turns a device into a token in findings, and is destroyed with its day.

With the key gone nobody can tell any more which findings were of one device, not even who still holds its pseudonym.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date


class DayKeys:
    """The keys of the days that are still open.

    A day is made by an event, and events are of 2000 at the earliest and of tomorrow at the latest: some ten thousand
    keys of 32 octets at most.

    Args:
        make_key: returns 32 fresh random octets.
        keys: keys of open days from an earlier run.
        agree: given a day and a fresh key, keeps it, or returns the one that is kept for it; None: nobody keeps keys.
    """

    def __init__(
        self,
        make_key: Callable[[], bytes],
        *,
        keys: Mapping[date, bytes] | None = None,
        agree: Callable[[date, bytes], bytes] | None = None,
    ) -> None:
        self._make_key = make_key
        self._agree = agree
        self._keys = dict(keys or {})
        self.changed = False
        """True: a key was made or destroyed since `snapshot` was last taken."""

    def of(self, day: date) -> bytes:
        """Return the key of *day*, made at first use."""
        key = self._keys.get(day)
        if key is None:
            fresh = self._make_key()
            key = self._keys[day] = fresh if self._agree is None else self._agree(day, fresh)
            self.changed = True
        return key

    def destroy_before(self, day: date) -> int:
        """Destroy the keys of all days before *day*; return how many."""
        old = [each for each in self._keys if each < day]
        for each in old:
            del self._keys[each]
        self.changed = self.changed or bool(old)
        return len(old)

    def snapshot(self) -> dict[date, bytes]:
        """Return the open keys, for the sealed file."""
        self.changed = False
        return dict(self._keys)
