"""Writes flows as FlowEvents, fast."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from collector.events import FlowEvent
from tests.parts.school_days.wire import DNS, HTTP, QUIC

if TYPE_CHECKING:
    from tests.parts.school_days.facts import World
    from tests.parts.school_days.wire import Flow

_APPS = ("tls", "quic", "http", "dns")
_SOURCES = ("tls_sni", "quic_sni", "http_host", "none")
_ENDS = ("fin", "rst", "idle", "active")
_ODD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_REMEMBERED_SECONDS = 4096


class _Draft:
    """The same slots as a FlowEvent, filled without the frozen class's price, a sixth of it; then it becomes one."""

    __slots__ = tuple(FlowEvent.__slots__)


_SLOTS = [(getattr(FlowEvent, name).__get__, getattr(_Draft, name).__set__) for name in _Draft.__slots__]


class Writer:
    """Makes events of flows, in the order in which they are given."""

    def __init__(self, world: World, *, seed: int) -> None:
        self._hosts = world.hosts
        self._classes = world.classes
        self._seed = seed
        self._count = seed * 1_000_003
        self._devices: dict[tuple[int, int], str] = {}
        self._seconds: dict[int, str] = {}

    def event(self, flow: Flow) -> FlowEvent:
        """Return *flow* as an event, with the next id."""
        ended, started, label, number, app, named, up, down, end, part, _, group, day = flow
        self._count += 1
        draft: Any = _Draft()
        draft.v = 1
        # Bijective, and in no order that a rule could lean on.
        draft.id = f"{self._count * _ODD & _MASK:016x}"
        draft.sensor = "invented"
        draft.district = None
        place = self._classes[group]
        draft.school = place.school
        draft.group = place.group
        draft.device = self._device(label, day)
        draft.src_ip = draft.src_port = None
        draft.withheld = False
        draft.started_at = self._time(started)
        draft.ended_at = self._time(ended)
        draft.bytes_up = up
        draft.bytes_down = down
        draft.packets_up = 1 + up // 700
        draft.packets_down = 1 + down // 900
        draft.cnames = ()
        draft.tls_version_offered = False
        draft.app = _APPS[app]
        draft.end = _ENDS[end]
        draft.part = part
        draft.plaintext_data = None
        draft.plaintext_bytes_up = 0
        draft.alpn = draft.tls_version = draft.server_name = None
        if app == DNS:
            draft.dst_ip, draft.dst_port, draft.proto, draft.name_source, draft.ech = None, 53, "udp", "none", False
        else:
            host = self._hosts[number]
            draft.dst_ip = host.address
            draft.proto = "udp" if app == QUIC else "tcp"
            draft.name_source = "none"
            if named:
                draft.server_name = host.name
                draft.name_source = _SOURCES[app]
            if app == HTTP:
                draft.dst_port, draft.ech = 80, False
                draft.plaintext_bytes_up, draft.plaintext_data = 240, False
            else:
                draft.dst_port, draft.ech = 443, True
                draft.tls_version, draft.alpn = "1.3", "h3" if app == QUIC else "h2"
        draft.__class__ = FlowEvent
        event: FlowEvent = draft
        return event

    def _device(self, label: int, day: int) -> str:
        key = (label, day)
        found = self._devices.get(key)
        if found is None:
            found = pseudonym(label, seed=self._seed, day=day)
            self._devices[key] = found
        return found

    def _time(self, at: float) -> str:
        second = int(at)
        text = self._seconds.get(second)
        if text is None:
            if len(self._seconds) >= _REMEMBERED_SECONDS:
                self._seconds.clear()
            text = self._seconds[second] = datetime.fromtimestamp(second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{text}.{int((at - second) * 1e6):06d}Z"


def copied(
    event: FlowEvent, *, device: str | None, school: str | None, group: str | None, started_at: str, ended_at: str
) -> FlowEvent:
    """Return *event* with another place and time; some ten times as fast as `dataclasses.replace`."""
    draft: Any = _Draft()
    for read, write in _SLOTS:
        write(draft, read(event))
    draft.device, draft.school, draft.group = device, school, group
    draft.started_at, draft.ended_at = started_at, ended_at
    draft.__class__ = FlowEvent
    made: FlowEvent = draft
    return made


def pseudonym(label: int, *, seed: int, day: int) -> str:
    """Return what the device that looks like *label* is called on *day* of the set."""
    return blake2b(f"{seed}/{day}/{label}".encode(), digest_size=8).hexdigest()
