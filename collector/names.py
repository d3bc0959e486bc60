"""Remembers, for each device, which names it was given addresses for: the names of flows that say none themselves."""

from __future__ import annotations

from typing import TypeVar

MAX_DEVICES = 16_384
"""Devices whose answers are remembered; one more makes the one that asked least recently be forgotten."""
MAX_ADDRESSES = 1_024
"""Addresses remembered of one device."""
MAX_NAMES = 1_024
"""Names remembered of one device."""
MAX_HISTORY = 16
"""Answers remembered of one address, or of one name, of one device."""
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
_NS = 1_000_000_000

_Key = TypeVar("_Key", bytes, str)


class _Span:
    """The same answer, given once or again and again."""

    __slots__ = ("chain", "first_ns", "name", "until_ns")

    def __init__(self, *, name: str, chain: tuple[str, ...], first_ns: int, until_ns: int) -> None:
        self.name = name
        self.chain = chain
        self.first_ns = first_ns
        self.until_ns = until_ns


class _Device:
    __slots__ = ("addresses", "names", "until_ns")

    def __init__(self) -> None:
        self.until_ns = 0
        self.addresses: dict[bytes, list[_Span]] = {}
        self.names: dict[str, list[_Span]] = {}


class DnsMemory:
    """Answers that devices were given, each kept for a while, so that a flow can be named when it ends."""

    __slots__ = ("_devices", "devices_forgotten", "histories_cut", "names_forgotten")

    def __init__(self) -> None:
        self._devices: dict[bytes, _Device] = {}
        self.devices_forgotten = 0
        """Devices forgotten before their answers were old, because too many others asked."""
        self.names_forgotten = 0
        """Addresses and names forgotten before they were old, because their device asked for too many others."""
        self.histories_cut = 0
        """Answers forgotten before they were old, because too many others came for the same address or name."""

    def learn(
        self,
        device: bytes,
        *,
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
        ttl_s = min(ttl_s, MAX_TTL_S)
        until_ns = at_ns + max(ttl_s, ADDRESS_LIFETIME_S) * _NS
        for address in addresses:
            spans = self._spans(known.addresses, address, most=MAX_ADDRESSES, at_ns=at_ns)
            self._append(spans, name=name, chain=chain, at_ns=at_ns, until_ns=until_ns)
        until_ns = at_ns + max(ttl_s, CHAIN_LIFETIME_S) * _NS
        known.until_ns = max(known.until_ns, until_ns)
        spans = self._spans(known.names, name, most=MAX_NAMES, at_ns=at_ns)
        self._append(spans, name=name, chain=chain, at_ns=at_ns, until_ns=until_ns)

    def name_of(self, device: bytes, address: bytes, at_ns: int) -> tuple[str, tuple[str, ...]] | None:
        """Return the last name for which *device* was given *address* before that time, and its CNAME chain.

        None: it was given none, or too long ago.
        """
        known = self._devices.get(device)
        span = _last(known.addresses.get(address), at_ns) if known is not None else None
        return None if span is None else (span.name, span.chain)

    def chain_of(self, device: bytes, name: str, at_ns: int) -> tuple[str, ...]:
        """Return the CNAME chain that *device* was last given for *name* before that time; empty: none."""
        known = self._devices.get(device)
        span = _last(known.names.get(name), at_ns) if known is not None else None
        return () if span is None else span.chain

    def _device(self, device: bytes, at_ns: int) -> _Device:
        """Return what is remembered of *device*, and forget one that has been silent for long enough."""
        devices = self._devices
        known = devices.pop(device, None)
        if known is None:
            known = _Device()
        if devices:
            # Dictionaries keep their order: the first one is the one that has been silent longest.
            silent = next(iter(devices))
            old = devices[silent].until_ns + GRACE_NS < at_ns
            if old or len(devices) >= MAX_DEVICES:
                del devices[silent]
                self.devices_forgotten += not old
        devices[device] = known
        return known

    def _spans(self, table: dict[_Key, list[_Span]], key: _Key, *, most: int, at_ns: int) -> list[_Span]:
        """Return the history under *key*, made the newest of its table; the oldest makes room once it is old."""
        spans = table.pop(key, None)
        if spans is None:
            spans = []
            if table:
                oldest = next(iter(table))
                old = table[oldest][-1].until_ns + GRACE_NS < at_ns
                if old or len(table) >= most:
                    del table[oldest]
                    self.names_forgotten += not old
        table[key] = spans
        return spans

    def _append(self, spans: list[_Span], *, name: str, chain: tuple[str, ...], at_ns: int, until_ns: int) -> None:
        if spans:
            last = spans[-1]
            if last.name == name and last.chain == chain and last.first_ns <= at_ns <= last.until_ns:
                last.until_ns = max(last.until_ns, until_ns)
                return
            if len(spans) >= MAX_HISTORY:
                self.histories_cut += spans[0].until_ns >= at_ns
                del spans[0]
        spans.append(_Span(name=name, chain=chain, first_ns=at_ns, until_ns=until_ns))


def _last(spans: list[_Span] | None, at_ns: int) -> _Span | None:
    if spans is not None:
        for span in reversed(spans):
            if span.first_ns <= at_ns + SLACK_NS:
                return span if at_ns <= span.until_ns else None
    return None
