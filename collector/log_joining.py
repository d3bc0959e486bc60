"""Joins the records that a sensor writes of one flow: that of the flow itself, and those of what was said on it.

They come in any order: a hello is logged when it is seen, the flow when it is over, and each log has a buffer of its
own. Time is that of the log; it comes in with the records and is never read here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.flow import Flow
from collector.opening_facts import TLS_DNS_PORT, Opening
from collector.resolvers import is_known_resolver
from collector.sensor_records import Answer, Saying, SensorFlow

if TYPE_CHECKING:
    from collections.abc import Collection

    from collector.devices import Devices
    from collector.events import App, NameSource
    from collector.names import DnsMemory
    from collector.sensor_records import Kind, Record

MAX_SAID = 131_072
"""Flows of which something was said and whose own record has not come; as many as the flow table of a tap holds."""
MAX_WAITING = 65_536
"""Flows whose own record came before another that is known to exist."""
# Zeek writes a QUIC record and the flow's own within a minute of each other, when the flow has been idle for that long;
# the times in the two logs may then lie as far apart as the two longest of its time-outs for idle flows.
WAIT_S = 120
"""Log time for which a flow waits for such a record."""
_WAIT_NS = WAIT_S * 1_000_000_000


@dataclass(slots=True, kw_only=True)
class JoiningCounters:
    """What met a bound while records were joined. Totals since start."""

    said_forgotten: int = 0
    """Flows whose sayings were forgotten because too many others came before their own record did."""
    waits_cut: int = 0
    """Flows that were let go before their time because too many waited."""
    waits_in_vain: int = 0
    """Flows for which a record that the sensor named never came."""


class _Said:
    """What was said on one flow so far."""

    __slots__ = ("data", "http", "kinds", "quic", "tls")

    def __init__(self) -> None:
        self.kinds: set[Kind] = set()
        self.tls: Saying | None = None
        self.quic: Saying | None = None
        self.http: Saying | None = None
        self.data = False

    def add(self, saying: Saying) -> None:
        self.kinds.add(saying.kind)
        self.data = self.data or saying.data
        if saying.kind == "tls":
            self.tls = _fuller(self.tls, saying)
        elif saying.kind == "quic":
            self.quic = _fuller(self.quic, saying)
        elif saying.kind == "http" and self.http is None:
            # The first request names the server, as it does for the collector's own eyes.
            self.http = saying


class Joiner:
    """Turns records into flows and DNS answers.

    Args:
        memory: learns what devices were answered.
        devices: names the device behind an address.
        awaited: kinds of record that come from another file than the flows do: those are waited for.
        by_mac: flows and look-ups both tell MAC addresses; else a device is its address, or answers would be lost.
    """

    def __init__(self, memory: DnsMemory, *, devices: Devices, awaited: Collection[Kind], by_mac: bool) -> None:
        self.counters = JoiningCounters()
        self.reached_ns = 0
        """Latest time that any record spoke of."""
        self._memory = memory
        self._devices = devices
        self._awaited = frozenset(awaited)
        self._by_mac = by_mac
        self._said: OrderedDict[str, _Said] = OrderedDict()
        # Flows that wait, and until when, in the order in which their patience ends: log time only ever grows.
        self._waiting: OrderedDict[str, tuple[int, SensorFlow]] = OrderedDict()
        self._ready: list[Flow] = []

    def take(self, record: Record) -> list[Flow]:
        """Take in one record, and return the flows of which all is now known, or must be."""
        if isinstance(record, SensorFlow):
            self.reached_ns = max(self.reached_ns, record.ended_ns)
            self._take_flow(record)
        elif isinstance(record, Saying):
            self.reached_ns = max(self.reached_ns, record.at_ns)
            self._take_saying(record)
        else:
            self._learn(record)
        return self._given()

    def finish(self) -> list[Flow]:
        """Return every flow that still waits: nothing more comes, or not for a while."""
        while self._waiting:
            self._let_go_oldest()
        return self._given()

    @property
    def waiting_since_ns(self) -> int | None:
        """Log time since which the oldest of the flows waits that wait for something; None: none waits."""
        return next(iter(self._waiting.values()))[0] - _WAIT_NS if self._waiting else None

    def _given(self) -> list[Flow]:
        while self._waiting and next(iter(self._waiting.values()))[0] <= self.reached_ns:
            self._let_go_oldest()
        ready, self._ready = self._ready, []
        return ready

    def _take_flow(self, flow: SensorFlow) -> None:
        if flow.key is None:
            self._ready.append(self._joined(flow, None))
            return
        said = self._said.get(flow.key)
        if self._missing(flow, said) and flow.key not in self._waiting:
            if len(self._waiting) >= MAX_WAITING:
                self.counters.waits_cut += 1
                self._let_go_oldest()
            self._waiting[flow.key] = (self.reached_ns + _WAIT_NS, flow)
            return
        self._release(flow)

    def _take_saying(self, saying: Saying) -> None:
        said = self._said.get(saying.key)
        if said is None:
            if len(self._said) >= MAX_SAID:
                self._said.popitem(last=False)
                self.counters.said_forgotten += 1
            said = self._said[saying.key] = _Said()
        said.add(saying)
        waits = self._waiting.get(saying.key)
        if waits is not None and not self._missing(waits[1], said):
            del self._waiting[saying.key]
            self._release(waits[1])

    def _learn(self, answer: Answer) -> None:
        self.reached_ns = max(self.reached_ns, answer.at_ns)
        device = self._devices.key(answer.mac if self._by_mac else None, answer.client, answer.at_ns)
        self._memory.learn(
            device,
            name=answer.name,
            chain=answer.chain,
            addresses=answer.addresses,
            ttl_s=answer.ttl_s,
            at_ns=answer.at_ns,
        )

    def _missing(self, flow: SensorFlow, said: _Said | None) -> bool:
        """Say whether a record that exists, and that comes from another file, has not come."""
        return any(kind in self._awaited and (said is None or kind not in said.kinds) for kind in flow.awaits)

    def _release(self, flow: SensorFlow) -> None:
        said = None if flow.key is None else self._said.pop(flow.key, None)
        self._ready.append(self._joined(flow, said))

    def _let_go_oldest(self) -> None:
        _, (_, flow) = self._waiting.popitem(last=False)
        self.counters.waits_in_vain += 1
        self._release(flow)

    def _joined(self, flow: SensorFlow, said: _Said | None) -> Flow:
        return Flow(
            client=flow.client,
            server=flow.server,
            client_port=flow.client_port,
            server_port=flow.server_port,
            proto=flow.proto,
            started_ns=flow.started_ns,
            ended_ns=flow.ended_ns,
            bytes_up=flow.bytes_up,
            bytes_down=flow.bytes_down,
            packets_up=flow.packets_up,
            packets_down=flow.packets_down,
            payload_up=flow.payload_up,
            payload_down=flow.payload_down,
            ordinal=flow.ordinal,
            part=flow.part,
            end=flow.end,
            vlan=flow.vlan,
            mac=flow.mac if self._by_mac else None,
            server_mac=None,
            certain=flow.certain,
            opening=_opening(flow, said),
        )


def _fuller(known: Saying | None, saying: Saying) -> Saying:
    """Return the saying of one kind that tells more: QUIC is logged for the client's hello and the server's."""
    if known is None or (known.server_name is None and (saying.server_name is not None or saying.name_refused)):
        return saying
    return known


def _opening(flow: SensorFlow, said: _Said | None) -> Opening:
    """Return what the opening of the flow would have told, had we seen it."""
    opening = Opening()
    opening.app = flow.app
    opening.plaintext = flow.app == "http"
    if said is None:
        return opening
    if said.quic is not None:
        _note_hello(opening, flow, said.quic, source="quic_sni", app="quic", inner=said.tls)
    elif said.tls is not None:
        _note_hello(opening, flow, said.tls, source="tls_sni", app="tls", inner=None)
    elif said.http is not None:
        opening.app = "http"
        opening.plaintext = True
        opening.plaintext_data = True if said.data else None
        opening.server_name = said.http.server_name
        named = said.http.server_name is not None or said.http.name_refused
        opening.name_source = "http_host" if named else "none"
    return opening


def _note_hello(
    opening: Opening, flow: SensorFlow, hello: Saying, *, source: NameSource, app: App, inner: Saying | None
) -> None:
    """Note a hello; *inner*: what the sensor logged of the TLS inside QUIC."""
    name = hello.server_name or (inner.server_name if inner else None)
    opening.plaintext = False
    opening.server_name = name
    opening.name_source = source if name or hello.name_refused or (inner and inner.name_refused) else "none"
    opening.tls_version = hello.tls_version or (inner.tls_version if inner else None)
    opening.alpn = (inner.alpn if inner else None) or hello.alpn
    opening.ech = hello.ech or bool(inner and inner.ech)
    if flow.server_port == TLS_DNS_PORT:
        opening.app = "dot"
    elif name is not None and is_known_resolver(name):
        opening.app = "doh"
    else:
        opening.app = app
