"""Decides which names leave the collector: z-anonymity for every destination that nobody answers for.

A name that an agreement or a party list has leaves whole. Any other leaves as registrable domain, once so many devices
asked for it, and were answered, in the window, which is the lifetime of a pseudonym key; below that, and for what says
too much about a person, nothing of it leaves. Every event leaves: only its name does not, and with it the address where
it was found, also from a later flow of that device to there that says no name. Time comes with the events.

Source: Jha, Favale, Vassio, Trevisan, Mellia, "z-anonymity: Zero-Delay Anonymization for Data Streams" (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from collector.events import EVENT_VERSION, FlowEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.destinations import Destinations
    from collector.periods import Period, Periods

MAX_WAITING = 65_536
"""Names of all windows that too few devices asked for yet; beyond it the one that has waited longest begins anew."""
MAX_RELEASED = 262_144
"""Names of all windows that enough devices asked for; beyond it no further one is released."""
MAX_UNSAID = 262_144
"""Addresses of all windows, with the device, where a withheld name was found, some 20 MB; beyond it no flow without a
name has an address until its window ends."""
# Octets that a packet without payload has at most: IPv6, TCP, and the options of a SYN and ACK (RFC 8200, RFC 9293).
_HEADERS = 40 + 20 + 20
_NS = 1_000_000_000
_STAMP_LENGTH = len("2026-10-06T00:00:00.000000Z")


@dataclass(slots=True)
class ReleaseCounters:
    """What left without its name, and what met a bound: events, or names."""

    few_devices: int = 0
    """Events: too few devices asked for the name so far."""
    sensitive: int = 0
    """Events: the name says something about a person."""
    not_public: int = 0
    """Events: an internal name, a reverse look-up, an address, or a whole registry's name."""
    no_room: int = 0
    """Events: enough devices asked, and too many names are released already."""
    reduced: int = 0
    """Events that left with the registrable domain in place of the name."""
    names_forgotten: int = 0
    """Names whose devices were forgotten because too many others waited; they are counted from none again."""
    addresses: int = 0
    """Events that say no name, and left without the server's address: it may be that of a name that was withheld."""


class _Window:
    """What was asked for while one key lived."""

    __slots__ = ("begins", "ends", "full", "released", "unsaid", "waiting")

    def __init__(self, period: Period) -> None:
        # Times of events are text of one form, and text of that form sorts as time does.
        self.begins = _stamp(period.start_ns)
        self.ends = _stamp(period.end_ns)
        self.waiting: dict[str, set[str]] = {}
        self.released: set[str] = set()
        # Hashes of a device and an address that it was withheld to go to: a third of the room that the texts take, and
        # where two are alike an address too few leaves.
        self.unsaid: set[int] = set()
        self.full = False


class ReleaseRule:
    """Takes names out of events.

    Args:
        destinations: what may be said of a name.
        periods: how days are cut into lifetimes of keys.
        devices: how many must have asked for an unlisted name; 1 releases at first sight.
    """

    def __init__(self, destinations: Destinations, *, periods: Periods, devices: int) -> None:
        self._destinations = destinations
        self._periods = periods
        self._least = devices
        self._windows: dict[str, _Window] = {}
        self._last: _Window | None = None
        self._origin = ""
        self.counters = ReleaseCounters()
        """Totals since the start."""

    def begin(self, origin: str = "") -> None:
        """Count what comes next apart from what came before, if its pseudonyms are of other keys.

        Args:
            origin: whose keys they are; empty: ours.
        """
        self._origin = origin
        self._last = None

    def use(self, destinations: Destinations) -> None:
        """Judge later events by other lists; who asked for what is still known."""
        self._destinations = destinations

    def learn(self, events: Iterable[FlowEvent]) -> None:
        """Note who asked for what, ahead of giving these events out: a file is known as a whole."""
        for event in events:
            name = event.server_name
            if name is None:
                if event.withheld:
                    self._leave_unsaid(event)
                continue
            destination = self._destinations.of(name)
            if destination.kind == "unlisted":
                self._asked(destination.domain, event)
            if destination.kind != "listed" or event.withheld:
                self._leave_unsaid(event)

    def release(self, events: Iterable[FlowEvent]) -> list[FlowEvent]:
        """Return *events* as they may leave."""
        of, chain = self._destinations.of, self._destinations.chain
        leaving = []
        for event in events:
            name = event.server_name
            if name is None:
                leaving.append(self._nameless(event))
            elif (destination := of(name)).kind == "listed" and not event.withheld:
                if event.src_port is not None or event.src_ip is not None:
                    leaving.append(_copy(event, name=name, withheld=False, cnames=chain(event.cnames)))
                elif event.cnames and (links := chain(event.cnames)) != event.cnames:
                    leaving.append(_copy(event, name=name, withheld=False, cnames=links))
                else:
                    leaving.append(event)
            else:
                self._leave_unsaid(event)
                leaving.append(
                    _copy(event, name=self._said(destination.domain, destination.kind, event), withheld=True)
                )
        return leaving

    def forget_before(self, at_ns: int) -> None:
        """Forget who asked for what in the periods before that of *at_ns*: their keys are destroyed."""
        period = self._periods.of(at_ns)
        self._windows = {name: window for name, window in self._windows.items() if name >= period.name}
        self._last = None

    @property
    def names(self) -> int:
        """Names that are remembered, released or not."""
        return sum(len(window.waiting) + len(window.released) for window in self._windows.values())

    def _nameless(self, event: FlowEvent) -> FlowEvent:
        """Return an event that says no name as it may leave."""
        keeps = True
        if event.withheld:
            # A name was seen, and is none that can be told.
            self.counters.not_public += 1
            self._leave_unsaid(event)
        elif event.dst_ip is not None:
            window = self._window(event.started_at)
            keeps = not window.full and hash((event.device, event.dst_ip)) not in window.unsaid
            self.counters.addresses += not keeps
        # Nothing was resolved for it; what a file of events says beside that is not taken over.
        if keeps and not event.withheld and not event.cnames and event.src_port is None and event.src_ip is None:
            return event
        return _copy(event, name=None, withheld=event.withheld, keeps_address=keeps)

    def _leave_unsaid(self, event: FlowEvent) -> None:
        """Note where a withheld name was found; a connection that falls silent goes on as a flow without a name."""
        if event.dst_ip is None:
            return
        window = self._window(event.started_at)
        place = hash((event.device, event.dst_ip))
        if window.full or place in window.unsaid:
            return
        window.unsaid.add(place)
        if sum(len(each.unsaid) for each in self._windows.values()) >= MAX_UNSAID:
            window.full = True
            window.unsaid.clear()

    def _said(self, domain: str, kind: str, event: FlowEvent) -> str | None:
        if kind == "listed":
            # It came without its whole name already, from another collector: what that one released.
            return event.server_name
        if kind != "unlisted":
            if kind == "sensitive":
                self.counters.sensitive += 1
            else:
                self.counters.not_public += 1
            return None
        window = self._asked(domain, event)
        if domain in window.released:
            self.counters.reduced += 1
            return domain
        if len(window.waiting.get(domain, ())) >= self._least:
            self.counters.no_room += 1
        else:
            self.counters.few_devices += 1
        return None

    def _asked(self, domain: str, event: FlowEvent) -> _Window:
        window = self._window(event.started_at)
        # Only its first part counts a flow: after a change of keys later parts go under a pseudonym of their own.
        if domain in window.released or event.device is None or event.part:
            return window
        if self._least > 1 and not _is_visit(event):
            return window
        devices = window.waiting.get(domain)
        if devices is None:
            if self._least > 1:
                self._make_room()
            devices = window.waiting[domain] = set()
        if len(devices) < self._least:
            devices.add(event.device)
        if len(devices) >= self._least and sum(len(each.released) for each in self._windows.values()) < MAX_RELEASED:
            # From here on nobody needs to know who they were.
            del window.waiting[domain]
            window.released.add(domain)
        return window

    def _make_room(self) -> None:
        if sum(len(window.waiting) for window in self._windows.values()) < MAX_WAITING:
            return
        oldest = self._windows[min(name for name, window in self._windows.items() if window.waiting)]
        del oldest.waiting[next(iter(oldest.waiting))]
        self.counters.names_forgotten += 1

    def _window(self, started_at: str) -> _Window:
        last = self._last
        if last is not None and len(started_at) == _STAMP_LENGTH and last.begins <= started_at < last.ends:
            return last
        moment = datetime.fromisoformat(started_at)
        period = self._periods.of(int(moment.timestamp()) * _NS)
        # Names of periods sort by time, whatever stands behind them.
        key = f"{period.name} {self._origin}"
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(period)
        self._last = window
        return window


def _is_visit(event: FlowEvent) -> bool:
    """Say whether a device of a school was answered by the server.

    Anybody who can send can invent hellos of other devices: nobody answers to those, or with a handshake that stays
    without payload, since an invented sender acknowledges nothing (RFC 9293 section 3.5). Clients in no segment are
    none that the district knows of. Of UDP any answer counts.
    """
    if event.school is None or not event.packets_down:
        return False
    return (
        event.proto == "udp"
        or (event.tls_version is not None and not event.tls_version_offered)
        or event.bytes_down > _HEADERS * event.packets_down
    )


def _stamp(at_ns: int) -> str:
    """Return a whole second as the times of events are written (contract, section 2)."""
    return datetime.fromtimestamp(at_ns // _NS, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


class _Blank:
    """Of the layout of an event, and not frozen: a frozen dataclass sets its fields by a call each."""

    __slots__ = tuple(FlowEvent.__slots__)


def _copy(
    event: FlowEvent, *, name: str | None, withheld: bool, keeps_address: bool = True, cnames: tuple[str, ...] = ()
) -> FlowEvent:
    """Return *event* with another name, no client, and no server's address where its name is withheld."""
    # Field by field: `dataclasses.replace` takes thrice as long, and every tenth event comes by here.
    blank: Any = _Blank()
    blank.v = EVENT_VERSION
    blank.id = event.id
    blank.sensor = event.sensor
    blank.district = event.district
    blank.school = event.school
    blank.group = event.group
    blank.device = event.device
    blank.src_ip = None
    blank.src_port = None
    blank.dst_ip = event.dst_ip if keeps_address and not withheld else None
    blank.dst_port = event.dst_port
    blank.withheld = withheld
    blank.proto = event.proto
    blank.started_at = event.started_at
    blank.ended_at = event.ended_at
    blank.bytes_up = event.bytes_up
    blank.bytes_down = event.bytes_down
    blank.packets_up = event.packets_up
    blank.packets_down = event.packets_down
    blank.server_name = name
    blank.name_source = event.name_source
    blank.cnames = cnames
    blank.app = event.app
    blank.tls_version = event.tls_version
    blank.tls_version_offered = event.tls_version_offered
    blank.alpn = event.alpn
    blank.ech = event.ech
    blank.plaintext_bytes_up = event.plaintext_bytes_up
    blank.plaintext_data = event.plaintext_data
    blank.end = event.end
    blank.part = event.part
    blank.__class__ = FlowEvent
    copied: FlowEvent = blank
    return copied
