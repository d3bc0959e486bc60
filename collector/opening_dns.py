"""Reads DNS on port 53, over UDP and TCP, and teaches the DNS memory what each device was answered.

Compiled; the C types stand in opening_dns.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from collector.dissect.dns import Message, message, resolution
from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name
from collector.opening_facts import BOTH, DOWN, UP, Opening
from collector.streams import Stream

if TYPE_CHECKING:
    from collector.names import DnsMemory
    from collector.opening_facts import OpeningCounters

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.streams import FULL, NOTHING

MAX_QUESTIONS = 64
"""Unanswered questions remembered of one flow; a forwarder asks all of a school's questions from one port."""

_BOTH = BOTH  # the same for compiled code, where these are C variables
_UP = UP
_DOWN = DOWN

_Question = tuple[int, int, str | None]


class DeviceKey(Protocol):
    """Names the device behind a client (collector/devices.py)."""

    def __call__(self, mac: bytes | None, address: bytes, at_ns: int, /) -> bytes:
        """Return an opaque key of the device that used *address* behind *mac* at that time."""


class Learner:
    """Puts answers into the memory of the device that asked.

    Args:
        memory: where they are kept.
        device_key: names the device that asked.
        counters: what goes wrong.
    """

    __slots__ = ("_device_key", "_memory", "counters")

    def __init__(self, memory: DnsMemory, *, device_key: DeviceKey, counters: OpeningCounters) -> None:
        self._memory = memory
        self._device_key = device_key
        self.counters = counters

    def learn(self, answer: Message, mac: bytes | None, client: bytes, at_ns: int) -> None:
        """Remember what *answer* told the device with address *client*."""
        found = resolution(answer)
        if found is None:
            return
        # A wire name may hold any octets; one that is no host name was not asked for to connect to a host.
        name = host_name(found.name.encode("ascii"))
        if name is None:
            return
        device = self._device_key(mac, client, at_ns)
        self._memory.learn(
            device, name=name, chain=found.chain, addresses=found.addresses, ttl_s=found.ttl_s, at_ns=at_ns
        )


class DnsOpening(Opening):
    """A conversation between a DNS client and a resolver.

    Args:
        learner: takes the answers.
        client: address of the provisional client.
        server: address of the provisional server.
        mac: MAC address of the provisional client; None: unknown.
        server_mac: MAC address of the provisional server; None: unknown.
    """

    __slots__ = ("_asked", "_asked_up", "_client", "_heard", "_learner", "_mac", "_others", "_server", "_server_mac")

    def __init__(
        self, learner: Learner, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
    ) -> None:
        self._begin()
        self._learner = learner
        self._client = client
        self._server = server
        self._mac = mac
        self._server_mac = server_mac
        # A question was captured.
        self._heard = False
        # The oldest unanswered question, and the direction it went; nearly all flows have one at a time.
        self._asked: _Question | None = None
        self._asked_up = False
        # The newer ones.
        self._others: dict[_Question, bool] | None = None

    def _take(self, up: bool, octets: bytes, at_ns: int) -> None:
        """Take one message that went *up* or down; raises DissectError."""
        said = message(octets)
        self.app = "dns"
        question = (said.id, said.type, said.name)
        if not said.response:
            self._ask(question, up)
        elif not self._was_asked(question, up):
            self._learner.counters.dns_unasked += 1
        elif said.rcode == 0:
            if up:
                self._learner.learn(said, self._server_mac, self._server, at_ns)
            else:
                self._learner.learn(said, self._mac, self._client, at_ns)

    def _ask(self, question: _Question, up: bool) -> None:
        if not self._heard:
            self._heard = True
            self.reversed = not up
        if self._asked is None or self._asked == question:
            self._asked = question
            self._asked_up = up
            return
        if self._others is None:
            self._others = {}
        if len(self._others) >= MAX_QUESTIONS - 1 and question not in self._others:
            self._forget()
        self._others[question] = up

    def _forget(self) -> None:
        """Let go of the oldest question; the next one takes its place."""
        self._asked = None
        if self._others:
            self._asked = next(iter(self._others))
            self._asked_up = self._others.pop(self._asked)

    def _was_asked(self, question: _Question, answer_up: bool) -> bool:
        """Say whether an answer may be believed: it fits a question, or no question of this flow was captured."""
        if not self._heard:
            # Out of nowhere: believed from the side that looks like the resolver, never from the one that asks.
            return not answer_up
        if self._asked is not None and self._asked == question:
            if self._asked_up == answer_up:
                return False
            self._forget()
            return True
        if self._others is None or self._others.get(question, answer_up) == answer_up:
            return False
        del self._others[question]
        return True


class DnsDatagrams(DnsOpening):
    """DNS over UDP: each datagram is one message."""

    __slots__ = ()

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:  # noqa: ARG002 -- a datagram has no offset
        """Take one message; every one is wanted for the life of the flow."""
        try:
            self._take(up, data, at_ns)
        except DissectError:
            self._learner.counters.dns_malformed += 1
        return _BOTH


class DnsSegments(DnsOpening):
    """DNS over TCP: each message has its length before it (RFC 1035 section 4.2.2)."""

    __slots__ = ("_down", "_up", "_want")

    def __init__(
        self, learner: Learner, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
    ) -> None:
        super().__init__(learner, client, server, mac, server_mac)
        self._up = Stream()
        self._down = Stream()
        self._want = _BOTH

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        """Take one segment; every message is wanted until one is none, or octets are lost for good."""
        bit = _UP if up else _DOWN
        if not self._want & bit:
            return self._want
        stream = self._up if up else self._down
        gain = stream.add(offset, data)
        try:
            if gain == FULL:
                self._learner.counters.stream_full += 1
                self._want &= ~bit
            elif gain != NOTHING:
                self._read(up, stream, at_ns)
        except DissectError:
            # The lengths can no longer be trusted: this direction is lost.
            self._learner.counters.dns_malformed += 1
            self._want &= ~bit
        return self._want

    def _read(self, up: bool, stream: Stream, at_ns: int) -> None:
        octets = stream.octets
        at = 0
        try:
            while len(octets) - at >= 2:
                end = at + 2 + ((octets[at] << 8) | octets[at + 1])
                if end > len(octets):
                    break
                said = bytes(octets[at + 2 : end])
                at = end
                self._take(up, said, at_ns)
        finally:
            if at:
                stream.take(at)
