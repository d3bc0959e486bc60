"""Reads DNS on port 53, over UDP and TCP, and teaches the DNS memory what each device was answered.

Compiled; the C types stand in opening_dns.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from collector import slices
from collector.devices import Devices
from collector.dissect.dns import Message, message, resolution
from collector.dissect.errors import DissectError
from collector.dissect.hostname import names_host
from collector.holdings import Holding
from collector.opening_facts import BOTH, DOWN, UP, Opening
from collector.streams import Stream

if TYPE_CHECKING:
    from collector.holdings import Holdings
    from collector.names import DnsMemory
    from collector.opening_facts import OpeningCounters

if __file__.endswith(".py"):  # compiled, these names are C variables
    from collector.streams import FULL, NOTHING

MAX_QUESTIONS = 64
"""Unanswered questions remembered of one flow; a forwarder asks all of a school's questions from one port."""

# Stands for the stream of every direction that is read no more.
_GONE = Stream()
_BOTH = BOTH  # the same for compiled code, where these are C variables
_UP = UP
_DOWN = DOWN

# A name of 254 octets, each of them escaped, and what stands around it.
_QUESTION_OCTETS = 1_280

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
        holdings: bounds what all openings hold.
    """

    __slots__ = ("_device_key", "_devices", "_memory", "counters", "holdings")

    def __init__(
        self, memory: DnsMemory, *, device_key: DeviceKey, counters: OpeningCounters, holdings: Holdings
    ) -> None:
        self._memory = memory
        self._device_key = device_key
        # The same, where it is no function of somebody else's: called as C.
        owner = getattr(device_key, "__self__", None)
        self._devices: Devices | None = owner if isinstance(owner, Devices) and device_key == owner.key else None
        self.counters = counters
        self.holdings = holdings

    def learn(self, answer: Message, mac: bytes | None, client: bytes, at_ns: int) -> None:
        """Remember what *answer* told the device with address *client*."""
        found = resolution(answer)
        if found is None:
            return
        # A wire name may hold any octets; one that is no host name was not asked for to connect to a host.
        if not names_host(found.name):
            return
        devices = self._devices
        device = self._device_key(mac, client, at_ns) if devices is None else devices.key(mac, client, at_ns)
        self._memory.learn(
            device, name=found.name, chain=found.chain, addresses=found.addresses, ttl_s=found.ttl_s, at_ns=at_ns
        )


class _Questions(Holding):
    """Unanswered questions of one flow beside the oldest, and the direction each went."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.places = 0
        self.asked: dict[_Question, bool] = {}

    def weight(self) -> int:
        """Return what they take, about."""
        return len(self.asked) * _QUESTION_OCTETS

    def let_go(self) -> None:
        """Forget them: their answers will teach nothing."""
        self.asked.clear()


class DnsOpening(Opening):
    """A conversation between a DNS client and a resolver; the functions at the end make one."""

    __slots__ = ("_asked", "_asked_up", "_client", "_heard", "_learner", "_mac", "_others", "_server", "_server_mac")

    def _meet(
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
        self._others: _Questions | None = None

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
            self._others = _Questions()
        asked = self._others.asked
        if len(asked) >= MAX_QUESTIONS - 1 and question not in asked:
            self._forget()
        asked[question] = up
        self._learner.holdings.keep(self._others)

    def _forget(self) -> None:
        """Let go of the oldest question; the next one takes its place."""
        self._asked = None
        if self._others is not None and self._others.asked:
            asked = self._others.asked
            self._asked = next(iter(asked))
            self._asked_up = asked.pop(self._asked)

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
        if self._others is None or self._others.asked.get(question, answer_up) == answer_up:
            return False
        del self._others.asked[question]
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


class _Messages(Holding):
    """The messages of one direction, as far as they came."""

    __slots__ = ("open", "stream")

    def __init__(self) -> None:
        self.places = 0
        self.stream = Stream()
        self.open = True

    def weight(self) -> int:
        """Return what waits here, about."""
        return self.stream.weight()

    def let_go(self) -> None:
        """Want no more of it."""
        self.open = False
        self.stream = _GONE


class DnsSegments(DnsOpening):
    """DNS over TCP: each message has its length before it (RFC 1035 section 4.2.2)."""

    __slots__ = ("_down", "_holdings", "_up")

    _holdings: Holdings
    _up: _Messages
    _down: _Messages

    def octets(self, up: bool, offset: int, data: bytes, at_ns: int) -> int:
        """Take one segment; every message is wanted until one is none, or octets are lost for good."""
        side = self._up if up else self._down
        if side.open:
            gain = side.stream.add(offset, data)
            try:
                if gain == FULL:
                    self._learner.counters.stream_full += 1
                    side.let_go()
                elif gain != NOTHING:
                    self._read(up, side.stream, at_ns)
            except DissectError:
                # The lengths can no longer be trusted: this direction is lost.
                self._learner.counters.dns_malformed += 1
                side.let_go()
            if side.open:
                self._holdings.keep(side)
        return (_UP if self._up.open else 0) | (_DOWN if self._down.open else 0)

    def _read(self, up: bool, stream: Stream, at_ns: int) -> None:
        octets = stream.octets
        at = 0
        try:
            while len(octets) - at >= 2:
                end = at + 2 + ((octets[at] << 8) | octets[at + 1])
                if end > len(octets):
                    break
                said = slices.piece(octets, at + 2, end)
                at = end
                self._take(up, said, at_ns)
        finally:
            if at:
                stream.take(at)


# Functions in place of constructors: there is one for every flow, and calling a class costs more than all fields of it.


def dns_datagrams(
    learner: Learner, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
) -> DnsDatagrams:
    """Return the opening of a flow of DNS over UDP.

    Args:
        learner: takes the answers.
        client: address of the provisional client.
        server: address of the provisional server.
        mac: MAC address of the provisional client; None: unknown.
        server_mac: MAC address of the provisional server; None: unknown.
    """
    made: DnsDatagrams = DnsDatagrams.__new__(DnsDatagrams)
    made._meet(learner, client, server, mac, server_mac)  # noqa: SLF001 -- its constructor
    return made


def dns_segments(
    learner: Learner, client: bytes, server: bytes, mac: bytes | None, server_mac: bytes | None
) -> DnsSegments:
    """Return the opening of a flow of DNS over TCP; see `dns_datagrams`."""
    made: DnsSegments = DnsSegments.__new__(DnsSegments)
    made._meet(learner, client, server, mac, server_mac)  # noqa: SLF001 -- its constructor
    made._holdings = learner.holdings  # noqa: SLF001
    made._up = _Messages()  # noqa: SLF001
    made._down = _Messages()  # noqa: SLF001
    return made
