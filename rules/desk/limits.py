"""How often somebody may try: a fixed amount of memory, whatever names and addresses are tried."""

from __future__ import annotations

import secrets
import threading
from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS: Final = 4096
"""Keys share this many places by a hash with a key of our own: nobody can choose whose place to fill."""


class Limiter:
    """Lets each key act *burst* times at once, then once in *interval_s* seconds.

    The generic cell rate algorithm: of each key only the moment is kept up to which its tries are used up.

    Args:
        burst: tries at once.
        interval_s: seconds in which one more try comes.
        clock: seconds that never go back.
    """

    def __init__(self, *, burst: int, interval_s: float, clock: Callable[[], float]) -> None:
        self._reach_s = (burst - 1) * interval_s
        self._interval_s = interval_s
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._used_until = array("d", bytes(8 * SLOTS))
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Use one try of *key* and return 0, or return the seconds until there is one again."""
        place = self._place(key)
        with self._lock:
            now = self._clock()
            until = max(self._used_until[place], now)
            wait_s = until - now - self._reach_s
            if wait_s > 0:
                return wait_s
            self._used_until[place] = until + self._interval_s
            return 0.0

    def give_back(self, key: str) -> None:
        """Give *key* one try back."""
        place = self._place(key)
        with self._lock:
            self._used_until[place] -= self._interval_s

    def forgive(self, key: str) -> None:
        """Give *key* all its tries back."""
        place = self._place(key)
        with self._lock:
            self._used_until[place] = 0.0

    def _place(self, key: str) -> int:
        digest = blake2b(key.encode(errors="surrogatepass"), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) % SLOTS
