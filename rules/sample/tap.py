"""Turns acts of the day (a device opens a host) into frames, as a tap between the switches and the router sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.sample import cast, conversations, hellos, wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.sample.chance import Chance
    from rules.sample.conversations import Exchange, Page

_US: Final = 1_000_000
# Answers are kept as long as they say (300 s); browsers ask again sooner now and then.
_REMEMBERED_US = 240 * _US


class Tap:
    """Collects the frames of the day. Devices keep their look-ups and their ephemeral ports here."""

    def __init__(self, chance: Chance) -> None:
        self.frames: list[wire.Frame] = []
        self._chance = chance
        self._acts = 0
        self._looked_up_us: dict[tuple[str, str], int] = {}
        self._ports: dict[str, int] = {}

    def opens(self, device: cast.Device, *, name: str, at_us: int, exchanges: Sequence[Exchange]) -> None:
        """*device* looks *name* up, connects to it with TLS or QUIC, and talks."""
        host, chance = cast.HOSTS[name], self._own_chance()
        start_us = self._resolve(device, host=host, at_us=at_us)
        path = self._path(device, host=host, port=443, chance=chance)
        if host.h3 and device.quic:
            wish = hellos.Wish(name=name, modern=device.modern, alpn=("h3",), quic=True)
            frames = conversations.quic(path, start_us=start_us, wish=wish, exchanges=exchanges, chance=chance)
        else:
            wish = hellos.Wish(name=name, modern=device.modern, alpn=("h2", "http/1.1"))
            ending = chance.pick(("fin", "fin", "fin", "fin", "fin", "rst", "open"))
            manner = conversations.Manner(wish=wish, tls13=host.tls13, ending=ending)
            frames = conversations.tls(path, start_us=start_us, manner=manner, exchanges=exchanges, chance=chance)
        self.frames += frames

    def reads_clear_text(self, device: cast.Device, *, name: str, at_us: int, pages: Sequence[Page]) -> None:
        """*device* talks clear-text HTTP to *name*."""
        host, chance = cast.HOSTS[name], self._own_chance()
        start_us = self._resolve(device, host=host, at_us=at_us)
        path = self._path(device, host=host, port=80, chance=chance)
        self.frames += conversations.clear_http(path, start_us=start_us, pages=pages, chance=chance)

    def opens_without_name(self, device: cast.Device, *, at_us: int, exchanges: Sequence[Exchange]) -> None:
        """*device* speaks TLS to a server whose name nobody ever says."""
        chance = self._own_chance()
        path = self._route(device, server=cast.UNNAMED_SERVER, port=443)
        manner = conversations.Manner(wish=hellos.Wish(name=None, modern=False, alpn=("http/1.1",)))
        self.frames += conversations.tls(path, start_us=at_us, manner=manner, exchanges=exchanges, chance=chance)

    def pushes(self, device: cast.Device, *, name: str, at_us: int, exchanges: Sequence[Exchange]) -> None:
        """*device* talks to *name* in a protocol of its own; only its look-up tells the name."""
        host, chance = cast.HOSTS[name], self._own_chance()
        start_us = self._resolve(device, host=host, at_us=at_us)
        path = self._path(device, host=host, port=5223, chance=chance)
        self.frames += conversations.nameless_tcp(path, start_us=start_us, exchanges=exchanges, chance=chance)

    def sends_datagrams(self, device: cast.Device, *, port: int, at_us: int, sizes: Sequence[tuple[int, int]]) -> None:
        """*device* sends datagrams to a server that nobody looked up (a call, a clock)."""
        path = self._route(device, server=cast.UNNAMED_SERVER, port=port)
        self.frames += conversations.datagrams(path, start_us=at_us, sizes=sizes, chance=self._own_chance())

    def _own_chance(self) -> Chance:
        self._acts += 1
        return self._chance.fork(str(self._acts))

    def _resolve(self, device: cast.Device, *, host: cast.Host, at_us: int) -> int:
        """Ask for the name where its answer is no longer remembered; return when the connection may start."""
        key = (device.label, host.name)
        if at_us - self._looked_up_us.get(key, -_REMEMBERED_US) < _REMEMBERED_US:
            return at_us
        self._looked_up_us[key] = at_us
        questions: list[tuple[int, tuple[bytes, ...]]] = [(hellos.A, (host.ipv4,))]
        if device.ipv6 is not None:
            questions.append((hellos.AAAA, (host.ipv6,)))
        if device.modern:
            questions.append((hellos.HTTPS, (hellos.HTTPS_H3,) if host.h3 else ()))
        for place, (kind, records) in enumerate(questions):
            lookup = conversations.Lookup(name=host.name, kind=kind, chain=host.chain, records=records)
            path = self._route(device, server=cast.RESOLVER, port=53)
            start_us = at_us + 40 * place
            self.frames += conversations.look_up(path, start_us=start_us, lookup=lookup, chance=self._own_chance())
        return at_us + 15_000

    def _path(self, device: cast.Device, *, host: cast.Host, port: int, chance: Chance) -> wire.Path:
        server = host.ipv6 if device.ipv6 is not None and chance.often(60) else host.ipv4
        return self._route(device, server=server, port=port)

    def _route(self, device: cast.Device, *, server: bytes, port: int) -> wire.Path:
        # The range of RFC 6335 section 6; a step that no other port shares keeps five-tuples apart.
        number = self._ports.get(device.label, 0)
        self._ports[device.label] = number + 1
        client = device.ipv6 if len(server) == 16 and device.ipv6 is not None else device.ipv4
        return wire.Path(
            client_mac=device.mac,
            gateway_mac=device.gateway,
            vlan=device.vlan,
            client=client,
            server=server,
            client_port=49152 + (number * 37 + device.mac[5] * 211) % 16384,
            server_port=port,
        )
