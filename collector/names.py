"""Remembers, for each device, which names it was given addresses for: the names of flows that say none themselves.

Compiled; the C types stand in names.pxd.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

MAX_DEVICES = 16_384
"""Devices whose answers are remembered; one more makes the one that asked least recently be forgotten."""
MAX_ADDRESSES = 1_024
"""Addresses remembered of one device."""
MAX_NAMES = 1_024
"""Names remembered of one device."""
MAX_HISTORY = 16
"""Answers remembered of one address, or of one name, of one device."""
MAX_WEIGHT = 1_048_576
"""Answers remembered of all devices together: a quarter of a gigabyte. Beyond, the most silent devices are forgotten:
each bound above is generous, and all of them at once would be many gigabytes."""
CHAIN_OCTETS = 256
"""So many octets of a CNAME chain count as one more answer."""
# Addresses are shared: the older an answer, the likelier the connection is about another name on that address. In two
# school days with known truth the last name asked for was right for 99 of 100 flows within a second of the answer, for
# 7 of 10 within five minutes, and for 2 of 23 beyond ten minutes. Browsers were seen to connect up to 204 s after their
# look-up. So: ten minutes, or as long as the answer itself says.
ADDRESS_LIFETIME_S = 600
"""Seconds for which an answer names flows to its addresses, unless its own time to live is longer."""
CHAIN_LIFETIME_S = 3_600
"""Same for the CNAME chain of a name: the name is known there, so nothing can be mixed up, and caches last."""
MAX_TTL_S = 86_400
"""No answer counts for longer, whatever it says: the key of a device lives a day."""
SLACK_NS = 1_000_000
"""An answer this much younger than the flow still names it: two packets of one moment may be captured the wrong way
round."""
# A flow is named when its first part ends: five minutes at most, and some idle time.
GRACE_NS = 900 * 1_000_000_000
"""How long an answer outlives its lifetime in memory, so that flows that ended meanwhile still find it."""
FINISHED_GRACE_NS = 86_400 * 1_000_000_000
"""Same where the records come from a finished log: its writer may have been hours of its time late with a flow, and
nothing is gained by haste. A sensor that reads a capture is: a day passes in seconds, and its thread for flows lags."""
_NS = 1_000_000_000

# The same for compiled code, where these are C variables.
_MOST_ADDRESSES = MAX_ADDRESSES
_MOST_NAMES = MAX_NAMES
_MOST_HISTORY = MAX_HISTORY
_MOST_WEIGHT = MAX_WEIGHT
_CHAIN_OCTETS = CHAIN_OCTETS
_ADDRESS_LIFETIME = ADDRESS_LIFETIME_S
_CHAIN_LIFETIME = CHAIN_LIFETIME_S
_MOST_TTL = MAX_TTL_S
_SLACK = SLACK_NS

_Key = TypeVar("_Key", bytes, str)


class _Span:
    """The same answer, given once or again and again; it leads to the answer before it."""

    __slots__ = ("chain", "first_ns", "name", "older", "until_ns")

    name: str
    chain: tuple[str, ...]
    first_ns: int
    until_ns: int
    older: _Span | None


class _Device:
    __slots__ = ("addresses", "look_ns", "names", "until_ns", "weight")

    def __init__(self) -> None:
        self.until_ns = 0
        # How much its answers count for.
        self.weight = 0
        # When to look for what is old.
        self.look_ns = 0
        # The newest answer under each address and each name.
        self.addresses: dict[bytes, _Span] = {}
        self.names: dict[str, _Span] = {}


class DnsMemory:
    """Answers that devices were given, each kept for a while, so that a flow can be named when it ends.

    Args:
        grace_ns: how long an answer is kept beyond its lifetime.
    """

    __slots__ = ("_devices", "_grace", "_silent_ns", "_weight", "devices_forgotten", "histories_cut", "names_forgotten")

    def __init__(self, *, grace_ns: int = GRACE_NS) -> None:
        self._grace = grace_ns
        self._devices: OrderedDict[bytes, _Device] = OrderedDict()
        # When the most silent device may be forgotten.
        self._silent_ns = 0
        self._weight = 0
        self.devices_forgotten = 0
        """Devices forgotten before their answers were old, because too many others asked."""
        self.names_forgotten = 0
        """Addresses and names forgotten before they were old, because their device asked for too many others."""
        self.histories_cut = 0
        """Answers forgotten before they were old, because too many others came for the same address or name."""

    @property
    def taken(self) -> float:
        """Share of the room that is taken: for answers, or for the devices that got them if less of that is left."""
        return max(self._weight / MAX_WEIGHT, len(self._devices) / MAX_DEVICES)

    def learn(
        self,
        device: bytes,
        name: str,
        chain: tuple[str, ...],
        addresses: tuple[bytes, ...],
        ttl_s: int,
        at_ns: int,
    ) -> None:
        """Remember an answer.

        Args:
            device: opaque key of the device that asked.
            name: what it asked for, a host name.
            chain: CNAME targets from there on, in order.
            addresses: what it was given, 4 or 16 octets each; may be empty.
            ttl_s: seconds for which the answer may be kept.
            at_ns: when it was given, nanoseconds since the epoch.
        """
        known = self._device(device, at_ns)
        weight = known.weight
        ttl_s = min(ttl_s, _MOST_TTL)
        until_ns = at_ns + max(ttl_s, _ADDRESS_LIFETIME) * _NS
        for address in addresses:
            spans = self._taken(known, known.addresses, address, _MOST_ADDRESSES)
            known.addresses[address] = self._appended(known, spans, name, chain, at_ns, until_ns)
        until_ns = at_ns + max(ttl_s, _CHAIN_LIFETIME) * _NS
        known.until_ns = max(known.until_ns, until_ns)
        spans = self._taken(known, known.names, name, _MOST_NAMES)
        known.names[name] = self._appended(known, spans, name, chain, at_ns, until_ns)
        if at_ns > known.look_ns:
            known.look_ns = min(
                _forget_old(known, known.addresses, at_ns, self._grace),
                _forget_old(known, known.names, at_ns, self._grace),
            )
        self._weight += known.weight - weight
        while self._weight > _MOST_WEIGHT and len(self._devices) > 1:  # the last of them is the one that asks
            silent = next(iter(self._devices))
            oldest = self._devices.pop(silent)
            self._weight -= oldest.weight
            self.devices_forgotten += 1

    def name_of(self, device: bytes, address: bytes, at_ns: int) -> tuple[str, tuple[str, ...]] | None:
        """Return the last name for which *device* was given *address* before that time, and its CNAME chain.

        None: it was given none, or too long ago.
        """
        known = self._devices.get(device)
        if known is None:
            return None
        span = _last(known.addresses.get(address), at_ns)
        return None if span is None else (span.name, span.chain)

    def chain_of(self, device: bytes, name: str, at_ns: int) -> tuple[str, ...]:
        """Return the CNAME chain that *device* was last given for *name* before that time; empty: none."""
        known = self._devices.get(device)
        if known is None:
            return ()
        span = _last(known.names.get(name), at_ns)
        return () if span is None else span.chain

    def _device(self, device: bytes, at_ns: int) -> _Device:
        """Return what is remembered of *device*, and forget one that has been silent for long enough."""
        known = self._devices.get(device)
        if known is None:
            known = self._devices[device] = _Device()
        else:
            self._devices.move_to_end(device)
        if at_ns > self._silent_ns or len(self._devices) > MAX_DEVICES:
            self._forget_silent(device, at_ns)
        return known

    def _forget_silent(self, device: bytes, at_ns: int) -> None:
        """Forget the device that has been silent longest, unless it is the one that asks."""
        silent = next(iter(self._devices))
        oldest = self._devices[silent]
        self._silent_ns = oldest.until_ns + self._grace
        old = self._silent_ns < at_ns
        if silent != device and (old or len(self._devices) > MAX_DEVICES):
            del self._devices[silent]
            self._weight -= oldest.weight
            self.devices_forgotten += not old
            self._silent_ns = 0

    def _taken(self, known: _Device, table: dict[_Key, _Span], key: _Key, most: int) -> _Span | None:
        """Take the answers under *key* out, to be put back as the newest; if there are none the oldest makes room."""
        spans = table.pop(key, None)
        if spans is None and len(table) >= most:
            known.weight -= _weight_of(table.pop(next(iter(table))))
            self.names_forgotten += 1
        return spans

    def _appended(
        self, known: _Device, newest: _Span | None, name: str, chain: tuple[str, ...], at_ns: int, until_ns: int
    ) -> _Span:
        """Return the newest of the answers, which is that of now."""
        if newest is not None:
            if newest.name == name and newest.chain == chain and newest.first_ns <= at_ns <= newest.until_ns:
                newest.until_ns = max(newest.until_ns, until_ns)
                return newest
            span = newest
            for _place in range(_MOST_HISTORY - 2):
                if span.older is None:
                    break
                span = span.older
            if span.older is not None:
                self.histories_cut += span.older.until_ns >= at_ns
                known.weight -= _weight_of(span.older)
                span.older = None
        known.weight += _weight(chain)
        made: _Span = _Span.__new__(_Span)
        made.name = name
        made.chain = chain
        made.first_ns = at_ns
        made.until_ns = until_ns
        made.older = newest
        return made


def _weight(chain: tuple[str, ...]) -> int:
    """Return how much an answer with this chain counts for."""
    octets = 0
    for name in chain:
        octets += len(name)
    return 1 + octets // _CHAIN_OCTETS


def _weight_of(span: _Span | None) -> int:
    """Return how much an answer and those before it count for."""
    weight = 0
    while span is not None:
        weight += _weight(span.chain)
        span = span.older
    return weight


def _forget_old(known: _Device, table: dict[_Key, _Span], at_ns: int, grace_ns: int) -> int:
    """Forget what is old, and return the time at which the next one is."""
    while table:
        key = next(iter(table))
        span = table[key]
        if span.until_ns + grace_ns >= at_ns:
            return span.until_ns + grace_ns
        known.weight -= _weight_of(span)
        del table[key]
    return at_ns


def _last(span: _Span | None, at_ns: int) -> _Span | None:
    while span is not None:
        if span.first_ns <= at_ns + _SLACK:
            return span if at_ns <= span.until_ns else None
        span = span.older
    return None
