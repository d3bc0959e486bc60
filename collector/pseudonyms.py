"""Turns a device into a keyed pseudonym that nobody can recompute once the key of its period is destroyed.

HMAC-SHA256 under a random key per period and site, cut to 64 bits. A plain or constant-salt hash of an address can be
undone by trying all 2^32 addresses; a random key that no longer exists cannot.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.periods import Period, Periods

KEY_OCTETS = 32
PSEUDONYM_HEX_DIGITS = 16
MAX_REMEMBERED = 65_536


class KeyRing:
    """The keys of the periods that are still open.

    Args:
        make_key: returns 32 fresh random octets.
        keys: keys of open periods from an earlier run, by period name.
    """

    def __init__(self, make_key: Callable[[], bytes], *, keys: dict[str, bytes] | None = None) -> None:
        self._make_key = make_key
        self._keys = dict(keys or {})
        self.changed = False
        """True: a key was made or destroyed since `snapshot` was last taken."""

    def key(self, period: Period) -> bytes:
        """Return the key of *period*, made at first use."""
        key = self._keys.get(period.name)
        if key is None:
            key = self._keys[period.name] = self._make_key()
            self.changed = True
        return key

    def destroy_before(self, period: Period) -> int:
        """Destroy the keys of all periods before *period*; return how many."""
        old = [name for name in self._keys if name < period.name]
        for name in old:
            del self._keys[name]
        self.changed = self.changed or bool(old)
        return len(old)

    def snapshot(self) -> dict[str, bytes]:
        """Return the open keys by period name, for the sealed file."""
        self.changed = False
        return dict(self._keys)


class Pseudonyms:
    """Gives each device one pseudonym a period.

    Args:
        keys: the open keys.
        periods: how days are cut.
        site: name of the site; collectors of one site share it and the keys.
    """

    def __init__(self, keys: KeyRing, *, periods: Periods, site: str) -> None:
        self._keys = keys
        self._periods = periods
        self._site = site.encode()
        self._known: dict[tuple[str, bytes], str] = {}

    def of(self, device: bytes, *, at_ns: int) -> str:
        """Return the pseudonym of *device* (opaque octets) in the period of *at_ns*: 16 hexadecimal digits."""
        period = self._periods.of(at_ns)
        known = self._known.get((period.name, device))
        if known is not None:
            return known
        mac = hmac.new(self._keys.key(period), self._site + b"\0" + device, hashlib.sha256)
        pseudonym = mac.hexdigest()[:PSEUDONYM_HEX_DIGITS]
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[period.name, device] = pseudonym
        return pseudonym

    def forget_before(self, at_ns: int) -> int:
        """Destroy all keys and pseudonyms of periods before that of *at_ns*; return the number of keys destroyed."""
        period = self._periods.of(at_ns)
        destroyed = self._keys.destroy_before(period)
        if destroyed:
            self._known = {known: value for known, value in self._known.items() if known[0] >= period.name}
        return destroyed
