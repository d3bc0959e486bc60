"""Destroys what lies in the key file although its time is over, whoever made it; by the clock, which comes in.

A collector destroys the keys that it holds by the time of what it reads. One that died cannot, and whoever shares the
file with it may never have held its keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.keyfile import DAY_KEYS, KeyFileError
from collector.watch import KEY_OVERDUE_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.keyfile import KeyFile
    from collector.periods import Periods


class OverdueKeys:
    """The keys in a file, by their age.

    Args:
        file: the file.
        periods: how days are cut.
        held_ns: returns the start of the oldest period whose key is held in memory, nanoseconds since the epoch; None:
            no key is.
        say: told in one sentence what an operator should know.
    """

    def __init__(
        self, file: KeyFile, *, periods: Periods, held_ns: Callable[[], int | None], say: Callable[[str], None]
    ) -> None:
        self._file = file
        self._periods = periods
        self._held_ns = held_ns
        self._say = say
        self._told = ""

    def destroy(self, now_ns: int) -> None:
        """Destroy every key whose period ended `KEY_OVERDUE_NS` before *now_ns* (nanoseconds since the epoch).

        Whoever reads a past day, a log that was not followed for hours, keeps its key in memory and goes on with it.
        """
        limit = self._periods.of(now_ns - KEY_OVERDUE_NS).name

        def overdue(name: str) -> bool:
            begun = name.removeprefix(DAY_KEYS)
            # A key of tokens is of a whole day, and has a shorter name.
            return begun < limit[: len(begun)]

        try:
            self._file.destroy(overdue)
        except (KeyFileError, OSError) as error:
            # A tap is not left for it: it is tried again at the next look, and metrics show the age.
            if str(error) != self._told:
                self._say(f"{error}; keys that are overdue are not destroyed until this is put right")
            self._told = str(error)
        else:
            self._told = ""

    @property
    def oldest_ns(self) -> int | None:
        """First nanosecond of the oldest period whose pseudonym key is in the file or in memory. From any thread."""
        try:
            names = [name for name in self._file.names() if not name.startswith(DAY_KEYS)]
        except (KeyFileError, OSError):
            names = []
        starts = [self._periods.start_ns(min(names))] if names else []
        held = self._held_ns()
        return min(starts if held is None else [*starts, held], default=None)
