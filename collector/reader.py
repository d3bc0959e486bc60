"""One process of several that read a tap: frames to flows and DNS answers, told to the process that names devices.

It knows no key, no network file and no device; it has an interface, and a pipe to tell what it saw.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final

from collector.flows import FlowTable
from collector.names import DnsMemory
from collector.opening import Openings
from collector.told import Report, ToldAnswer, ToldFlow, encoded, told_flow

if TYPE_CHECKING:
    from collector.flow import Flow
    from collector.sources.live import LiveCapture

TELL_EVERY_S: Final = 0.05
"""What was seen waits no longer than this, or until the next block of frames."""
TELL_MOST: Final = 512
"""Flows and answers that are told at one time; more wait for nothing."""
PORTION: Final = 1_024
"""Flows ended at one time when everything ends."""
_MAC_OCTETS = 6


class _Answers(DnsMemory):
    """Passes answers on, and remembers nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[ToldAnswer] = []

    def learn(
        self,
        device: bytes,
        name: str,
        chain: tuple[str, ...],
        addresses: tuple[bytes, ...],
        ttl_s: int,
        at_ns: int,
    ) -> None:
        """Note the answer for the process that knows devices; *device* is from `_ends`."""
        mac = device[1 : 1 + _MAC_OCTETS] if device[0] else None
        client = device[1 + device[0] :]
        self.told.append(
            ToldAnswer(at_ns=at_ns, mac=mac, client=client, name=name, chain=chain, addresses=addresses, ttl_s=ttl_s)
        )


def _ends(mac: bytes | None, address: bytes, at_ns: int, /) -> bytes:  # noqa: ARG001 -- what is asked for elsewhere
    """Return what a device is known by, for whoever can tell which device that is: length of the MAC, MAC, address."""
    return b"\0" + address if mac is None else bytes([len(mac)]) + mac + address


class Reader:
    """Reads one lane of a tap to its end.

    Args:
        tap: open, of this process alone.
        pipe: takes reports; once its other end is closed for writing, this ends in order, once closed, at once.
    """

    def __init__(self, tap: LiveCapture, *, pipe: socket.socket) -> None:
        self._tap = tap
        self._pipe = pipe
        self._answers = _Answers()
        self._openings = Openings(self._answers, device_key=_ends)
        self._flows: list[ToldFlow] = []
        # Secret, so that nobody can choose addresses that all fall on one place of the table.
        seed = int.from_bytes(os.urandom(8), "big")
        self._table = FlowTable(self._openings, seed=seed, taker=self._take)
        self._told_at = time.monotonic()

    def run(self) -> None:
        """Read until asked to stop, then end every flow.

        Raises:
            BrokenPipeError, ConnectionError: nobody listens any more.
        """
        for block in self._tap:
            if block.count:
                self._table.observe(block)
            # Nothing that was seen before `reached_ns` is still under way: a quiet flow is quiet up to then.
            self._table.advance(self._tap.reached_ns)
            if self._told_to_stop():
                self._tap.stop()
            waiting = len(self._flows) + len(self._answers.told)
            if waiting >= TELL_MOST or time.monotonic() - self._told_at >= TELL_EVERY_S:
                self._tell(at_ns=self._tap.reached_ns)
        # What ends now ends after every answer that any lane has seen.
        while self._table.finish_some(PORTION):
            self._tell(at_ns=time.time_ns())
        self._tell(at_ns=time.time_ns(), last=True)

    def _take(self, flow: Flow) -> None:
        # At once: what an opening says of a long flow goes on changing.
        self._flows.append(told_flow(flow))

    def _told_to_stop(self) -> bool:
        try:
            return self._pipe.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def _tell(self, *, at_ns: int, last: bool = False) -> None:
        for flow in self._flows:
            flow.at_ns = at_ns
        report = Report(
            told=[*self._answers.told, *self._flows],
            reached_ns=self._tap.reached_ns,
            packets=self._tap.packets,
            dropped=self._tap.dropped,
            skipped=self._table.skipped,
            affected=self._openings.counters.told(),
            flows_live=self._table.live,
            flows_evicted=self._table.evicted,
            openings_taken=self._openings.taken,
            ring_octets=self._tap.ring_octets,
            rings_grown=self._tap.rings_grown,
            last=last,
        )
        self._answers.told.clear()
        self._flows.clear()
        self._pipe.sendall(encoded(report))
        self._told_at = time.monotonic()
