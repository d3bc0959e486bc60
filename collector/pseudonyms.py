"""Turns a device into a keyed pseudonym that nobody can recompute once the key of its period is destroyed.

HMAC-SHA256 under a random key per period and site, cut to 64 bits. A plain or constant-salt hash of an address can be
undone by trying all 2^32 addresses; a random key that no longer exists cannot.

Compiled; the C types stand in pseudonyms.pxd.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if __file__.endswith(".py"):  # compiled, libcrypto.pxd stands in for it
    from collector.dissect import libcrypto

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.periods import Period, Periods

KEY_OCTETS = 32
PSEUDONYM_HEX_DIGITS = 16
MAX_REMEMBERED = 65_536
_PSEUDONYM_OCTETS = PSEUDONYM_HEX_DIGITS // 2
_LIBRARY = libcrypto.library()


class KeyRing:
    """The keys of the periods that are still open.

    Args:
        make_key: returns 32 fresh random octets.
        keys: keys of open periods from an earlier run, by period name.
        agree: given the name of a period and a fresh key, returns the key that all collectors of the site use for it;
            None: nobody else does.
    """

    def __init__(
        self,
        make_key: Callable[[], bytes],
        *,
        keys: dict[str, bytes] | None = None,
        agree: Callable[[str, bytes], bytes] | None = None,
    ) -> None:
        self._make_key = make_key
        self._agree = agree
        # Arrays, for they can be overwritten when a key is destroyed; octets lie about until the memory is used again.
        self._keys = {name: bytearray(key) for name, key in (keys or {}).items()}
        self.changed = False
        """True: a key was made or destroyed since `snapshot` was last taken."""

    @property
    def oldest(self) -> str | None:
        """Name of the oldest open period; None: there is no key. From any thread."""
        # Copied at one stroke: the thread that serves metrics asks while another makes and destroys keys.
        return min(list(self._keys), default=None)

    def key(self, period: Period) -> bytearray:
        """Return the key of *period*, made at first use. It is overwritten when it is destroyed."""
        key = self._keys.get(period.name)
        if key is None:
            fresh = self._make_key()
            key = bytearray(fresh if self._agree is None else self._agree(period.name, fresh))
            self._keys[period.name] = key
            self.changed = True
        return key

    def destroy_before(self, period: Period) -> int:
        """Destroy the keys of all periods before *period*; return how many."""
        old = [name for name in self._keys if name < period.name]
        for name in old:
            key = self._keys.pop(name)
            key[:] = bytes(len(key))
        self.changed = self.changed or bool(old)
        return len(old)

    def snapshot(self) -> dict[str, bytes]:
        """Return the open keys by period name, for the sealed file."""
        self.changed = False
        return {name: bytes(key) for name, key in self._keys.items()}


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
        # By period name, then by device; a period is begun by its first device.
        self._known: dict[str, dict[bytes, str]] = {}
        # What the last question was about; so is the next one, mostly.
        self._last: dict[bytes, str] = {}
        self._last_from_ns = 0
        self._last_until_ns = 0

    def of(self, device: bytes, at_ns: int) -> str:
        """Return the pseudonym of *device* (opaque octets) in the period of *at_ns*: 16 hexadecimal digits."""
        if self._last_from_ns <= at_ns < self._last_until_ns:
            known = self._last.get(device)
            if known is not None:
                return known
        period = self._periods.of(at_ns)
        if self._remembered() >= MAX_REMEMBERED:
            self._known.clear()
        devices = self._known.setdefault(period.name, {})
        self._last = devices
        self._last_from_ns = period.start_ns
        self._last_until_ns = period.end_ns
        pseudonym = devices.get(device)
        if pseudonym is None:
            key = self._keys.key(period)
            said = self._site + b"\0" + device
            # A key of 32 octets and the short name of a site are hashed at a tenth of what the other way costs.
            mac = libcrypto.mac(_LIBRARY, key, said) or hmac.digest(key, said, "sha256")
            pseudonym = devices[device] = mac[:_PSEUDONYM_OCTETS].hex()
        return pseudonym

    def end_ns(self, at_ns: int) -> int:
        """Return the first nanosecond after the period of *at_ns*."""
        return self._periods.of(at_ns).end_ns

    def device_of(self, pseudonym: str, at_ns: int) -> bytes | None:
        """Return the device whose pseudonym this is in the period of *at_ns*; None: none that was seen. Any thread.

        Looked for one by one among those that `of` remembers anyway: there is no second table, and none that lasts.
        """
        # Copied at one stroke: another thread goes on giving pseudonyms.
        devices = dict(self._known.get(self._periods.of(at_ns).name, {}))
        return next((device for device, known in devices.items() if known == pseudonym), None)

    def _remembered(self) -> int:
        count = 0
        for devices in self._known.values():
            count += len(devices)
        return count

    @property
    def oldest_key_ns(self) -> int | None:
        """First nanosecond of the oldest period whose key is still held; None: no key is. From any thread."""
        oldest = self._keys.oldest
        return None if oldest is None else self._periods.start_ns(oldest)

    def forget_before(self, at_ns: int) -> int:
        """Destroy all keys and pseudonyms of periods before that of *at_ns*; return the number of keys destroyed."""
        period = self._periods.of(at_ns)
        destroyed = self._keys.destroy_before(period)
        self._known = {name: devices for name, devices in self._known.items() if name >= period.name}
        if self._last_until_ns <= period.start_ns:
            self._last = {}
            self._last_until_ns = 0
        return destroyed
