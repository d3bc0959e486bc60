"""Reads DNS on port 53, over UDP and TCP, and teaches the DNS memory what each device was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from collector.dissect import dns
from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name
from collector.opening_facts import BOTH, DOWN, UP, Opening
from collector.streams import Gain, Stream

if TYPE_CHECKING:
    from collector.names import DnsMemory
    from collector.opening_facts import OpeningCounters

MAX_QUESTIONS = 64
"""Unanswered questions remembered of one flow; a forwarder asks all of a school's questions from one port."""


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

    def learn(self, answer: dns.Message, *, mac: bytes | None, client: bytes, at_ns: int) -> None:
        """Remember what *answer* told the device with address *client*."""
        found = dns.resolution(answer)
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

    __slots__ = ("_asked", "_client", "_learner", "_mac", "_server", "_server_mac")

    def __init__(
        self, learner: Learner, *, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
    ) -> None:
        super().__init__()
        self._learner = learner
        self._client = client
        self._server = server
        self._mac = mac
        self._server_mac = server_mac
        # Questions still unanswered, with the direction they went; None: none was ever seen.
        self._asked: dict[tuple[int, int, str | None], bool] | None = None

    def _take(self, up: bool, octets: bytes, at_ns: int) -> None:
        """Take one message that went *up* or down; raises DissectError."""
        message = dns.message(octets)
        self.app = "dns"
        question = (message.id, message.type, message.name)
        if not message.response:
            self._ask(question, up=up)
        elif self._was_asked(question, answer_up=up):
            if message.rcode == 0:
                mac, client = (self._server_mac, self._server) if up else (self._mac, self._client)
                self._learner.learn(message, mac=mac, client=client, at_ns=at_ns)
        else:
            self._learner.counters.dns_unasked += 1

    def _ask(self, question: tuple[int, int, str | None], *, up: bool) -> None:
        if self._asked is None:
            self._asked = {}
            self.reversed = not up
        elif len(self._asked) >= MAX_QUESTIONS:
            del self._asked[next(iter(self._asked))]
        self._asked[question] = up

    def _was_asked(self, question: tuple[int, int, str | None], *, answer_up: bool) -> bool:
        """Say whether an answer may be believed: it fits a question, or no question of this flow was captured."""
        if self._asked is None:
            # Out of nowhere: believed from the side that looks like the resolver, never from the one that asks.
            return not answer_up
        asked_up = self._asked.get(question)
        if asked_up is None or asked_up == answer_up:
            return False
        del self._asked[question]
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
        return BOTH


class DnsSegments(DnsOpening):
    """DNS over TCP: each message has its length before it (RFC 1035 section 4.2.2)."""

    __slots__ = ("_streams", "_want")

    def __init__(
        self, learner: Learner, *, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
    ) -> None:
        super().__init__(learner, client=client, server=server, mac=mac, server_mac=server_mac)
        self._streams: tuple[Stream, Stream] = (Stream(), Stream())
        self._want = BOTH

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        """Take one segment; every message is wanted until one is none, or octets are lost for good."""
        bit = UP if up else DOWN
        if not self._want & bit:
            return self._want
        stream = self._streams[up]
        gain = stream.add(offset, data)
        try:
            if gain == Gain.FULL:
                self._learner.counters.stream_full += 1
                self._want &= ~bit
            elif gain != Gain.NOTHING:
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
                message = bytes(octets[at + 2 : end])
                at = end
                self._take(up, message, at_ns)
        finally:
            if at:
                stream.take(at)
