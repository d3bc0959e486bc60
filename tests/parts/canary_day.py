"""The bundled school day with one more device, about which everything is known that a network can show of a child.

Whatever of it is found later in something that the product wrote or served has leaked.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from hashlib import md5, sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from rules.sample import cast, conversations, hellos, wire
from rules.sample.chance import Chance
from rules.sample.conversations import Exchange, Manner, Page
from rules.sample.hellos import Wish
from tests.parts.secrets import Secret, host, ipv4, ipv6, mac

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAC: Final = bytes.fromhex("02cafe1337e5")
IPV4: Final = "10.40.11.231"
IPV6: Final = ("2001:db8:40:8:b1a5:ed0c:a11a:1e55", "2001:db8:40:8:7d3e:99aa:5c01:c4f2")
LINK_LOCAL: Final = "fe80::ca:feff:fe13:37e5"
"""Made of its MAC address (RFC 4291 appendix A); a classmate shows it a film."""
NEIGHBOUR: Final = "192.168.53.231"
"""A device that a colleague talks to, in a segment that the network file gives by VLAN alone."""
LOCAL_NAME: Final = "emmas-ipad.local"
LISTED: Final = "practice.choirbox.example"
"""A product's own host, which a monitor of vendors must tell of."""
RELEASED: Final = "blogspace.example"
"""Registrable domain that six devices visit: it may be told, the names beneath it may not."""
SERVERS: Final = {
    "www.stargazing-club.example": "198.51.100.231",
    "chat.coming-out-help.example": "203.0.113.217",
    "plain.tiny-forum.example": "198.51.100.239",
    "video.lonely-channel.example": "203.0.113.241",
    "push.secret-hobby.example": "198.51.100.243",
}
"""Sites that this device alone visits; the second is about health and sexuality."""
DIARY: Final = f"emmas-diary.{RELEASED}"
DIARY_CHAIN: Final = "edge-for-emma.tiny-cdn.example"
BLOG_SERVER: Final = "203.0.113.229"
QUESTION: Final = "only-ever-asked.example"
"""Looked up, and never visited."""
USER_AGENT: Final = "CanaryPad/7.31 (Emma's tablet)"
COOKIE: Final = "singer=Zm9yLWVtbWEtYWxvbmU"
QUERY: Final = "why-am-i-so-sad"
PATH: Final = "/diary-of-emma/2026"
BODY: Final = "dear-diary-nobody-knows"
GATEWAY: Final = cast.DEVICES["grade3"][0].gateway
# 6 October 2026, 09:05 in Chicago; beyond Linux's ephemeral ports, so that no server of a test has one of these.
MORNING_US: Final = 1_791_295_500_000_000
NOON_US: Final = MORNING_US + 6_000 * 1_000_000
"""What comes later is left out: the morning has cases enough."""
PORTS: Final = tuple(61_417 + 127 * number for number in range(32))
_S: Final = 1_000_000


@dataclass(slots=True, kw_only=True)
class Planted:
    """What the capture holds of the device."""

    frames: list[wire.Frame] = field(default_factory=list)
    """Its frames."""
    hellos: list[bytes] = field(default_factory=list)
    """Its TLS ClientHello messages."""
    connections: list[bytes] = field(default_factory=list)
    """Its QUIC connection ids."""


def planted() -> Planted:
    """Return what the device does on that day."""
    return _Day().play()


def write_capture(path: Path, *, day: bytes, more: Iterable[wire.Frame]) -> None:
    """Write a capture of the morning of *day* (pcap octets, little end first) with the frames *more* in it."""
    records = [(frame.at_us, frame.octets, frame.length) for frame in more]
    at = 24
    while at < len(day):
        seconds, micros, caught, length = struct.unpack_from("<IIII", day, at)
        if seconds * _S + micros < NOON_US:
            records.append((seconds * _S + micros, day[at + 16 : at + 16 + caught], length))
        at += 16 + caught
    records.sort(key=lambda record: record[0])
    parts = [day[:24]]
    for at_us, octets, length in records:
        parts += [struct.pack("<IIII", *divmod(at_us, _S), len(octets), length), octets]
    path.write_bytes(gzip.compress(b"".join(parts), compresslevel=1))


def of_the_device(told: Planted) -> tuple[Secret, ...]:
    """Return what may never leave the collector, whatever else is allowed."""
    return (
        ipv4("its IPv4 address", IPV4),
        *(ipv6(f"its IPv6 address {number}", address) for number, address in enumerate(IPV6, start=1)),
        ipv6("its link-local address", LINK_LOCAL),
        ipv4("the address of a neighbour in a VLAN", NEIGHBOUR),
        mac("its MAC address", MAC),
        host("a question to the DNS", QUESTION),
        Secret(name="its user agent", texts=(USER_AGENT, "CanaryPad")),
        Secret(name="a cookie", texts=(COOKIE, COOKIE.partition("=")[2])),
        Secret(name="a query string", texts=(QUERY,)),
        Secret(name="a path", texts=(PATH, "diary-of-emma")),
        Secret(name="what it sent", texts=(BODY,)),
        *(Secret(name="a source port", texts=(str(port),), is_number=True) for port in PORTS),
        *(_fingerprints(hello) for hello in told.hellos),
        *(Secret(name="a QUIC connection id", texts=(own.hex(),), octets=(own,)) for own in told.connections),
    )


def of_its_name() -> tuple[Secret, ...]:
    """Return by what name it goes in the building: others talk to it by that name, so that flows have it as theirs."""
    return host("its name in the local network", LOCAL_NAME), Secret(name="its DHCP name", texts=("emmas-ipad",))


def of_its_visits() -> tuple[Secret, ...]:
    """Return what the release rule keeps back: names and servers that no other device asked for."""
    names = [*SERVERS]
    return (
        *(host(f"the visit to {name}", name, name.partition(".")[2]) for name in names),
        *(ipv4(f"the server of {name}", address) for name, address in SERVERS.items()),
        host("the visit to a blog of many", DIARY),
        host("the chain of that blog", DIARY_CHAIN),
    )


class _Day:
    def __init__(self) -> None:
        self._told = Planted()
        self._chance = Chance("canary")
        self._ports = iter(PORTS)
        self._now_us = MORNING_US

    def play(self) -> Planted:
        self._settles_in()
        for name, address in SERVERS.items():
            self._looks_up(name, address)
            self._visits(name, address)
        self._looks_up(DIARY, BLOG_SERVER, chain=(DIARY_CHAIN,))
        self._tls(DIARY, BLOG_SERVER)
        self._reads(LISTED, str(ip_address(cast.HOSTS[LISTED].ipv4)))
        for name in ("write.essaybrook.example", "px.adorbit.example", "play.quizgale.example"):
            self._tls(name, str(ip_address(cast.HOSTS[name].ipv6)), client=IPV6[1])
        # Reverse look-ups, of itself by another and of its servers by itself, and a question that leads nowhere.
        self._looks_up(ip_address(IPV4).reverse_pointer, None)
        self._looks_up(ip_address(IPV6[0]).reverse_pointer, None)
        self._looks_up(QUESTION, None)
        others = [*cast.DEVICES["grade3"][:6]]
        for number, other in enumerate(others):
            self._others_visit(other, number=number)
        self._meets("fe80::1ff:fe23:4567", server=LINK_LOCAL, server_mac=MAC, vlan=None)
        self._meets("192.168.53.17", server=NEIGHBOUR, server_mac=bytes.fromhex("02cafe1337e6"), vlan=340)
        return self._told

    def _settles_in(self) -> None:
        broadcast = self._path("255.255.255.255", port=67, client="0.0.0.0", client_port=68)  # noqa: S104 -- RFC 2131
        options = b"\x63\x82\x53\x63" + b"\x35\x01\x03" + b"\x3d\x07\x01" + MAC + b"\x0c\x0aEmmas-iPad"
        options += b"\x32\x04" + ip_address(IPV4).packed + b"\xff"
        bootp = struct.pack(">BBBBIHH16s", 1, 1, 6, 0, 0x3903F326, 0, 0, bytes(16)) + MAC.ljust(208, b"\0") + options
        self._put(wire.datagram(broadcast, up=True, data=wire.whole(bootp)))
        for port, group in ((5353, "224.0.0.251"), (5355, "224.0.0.252")):
            told = self._path(group, port=port, client_port=port)
            records = (ip_address(IPV4).packed,)
            answer = hellos.dns_answer(LOCAL_NAME, kind=hellos.A, number=0, chain=(), records=records)
            self._put(wire.datagram(told, up=True, data=wire.whole(answer)))

    def _visits(self, name: str, address: str) -> None:
        if name.startswith("plain."):
            self._reads(name, address)
        elif name.startswith("push."):
            path = self._path(address, port=5223)
            talk = [Exchange(after_us=1000, up=300, down=500)]
            self._add(conversations.nameless_tcp(path, start_us=self._now_us, exchanges=talk, chance=self._fork(name)))
        elif name.startswith("video."):
            self._quic(name, address)
        else:
            self._tls(name, address)

    def _looks_up(self, name: str, address: str | None, *, chain: tuple[str, ...] = ()) -> None:
        path = self._path(str(ip_address(cast.RESOLVER)), port=53)
        records = (ip_address(address).packed,) if address else ()
        lookup = conversations.Lookup(name=name, kind=hellos.A, chain=chain, records=records)
        self._add(conversations.look_up(path, start_us=self._now_us, lookup=lookup, chance=self._fork(name)))

    def _tls(self, name: str, address: str, *, client: str = IPV4) -> None:
        manner = Manner(wish=Wish(name=name, modern=False, alpn=("h2", "http/1.1")))
        talk = [Exchange(after_us=9000, up=1733, down=23_417)]
        path = self._path(address, port=443, client=client)
        frames = conversations.tls(
            path, start_us=self._now_us, manner=manner, exchanges=talk, chance=self._fork(f"tls/{name}")
        )
        sent = b"".join(frame.octets for frame in frames[3:4])
        self._told.hellos.append(sent[sent.index(b"\x16\x03\x01") + 5 :])
        self._add(frames)

    def _quic(self, name: str, address: str) -> None:
        wish = Wish(name=name, modern=False, alpn=("h3",), quic=True)
        path = self._path(address, port=443)
        talk = [Exchange(after_us=9000, up=1733, down=23_417)]
        frames = conversations.quic(
            path, start_us=self._now_us, wish=wish, exchanges=talk, chance=self._fork(f"quic/{name}")
        )
        first = frames[0].octets[42:]
        self._told.connections.append(first[6 : 6 + first[5]])
        self._add(frames)

    def _reads(self, name: str, address: str) -> None:
        head = f"Host: {name}\r\nUser-Agent: {USER_AGENT}\r\nCookie: {COOKIE}\r\nReferer: http://{LOCAL_NAME}/\r\n"
        get = f"GET {PATH}?q={QUERY} HTTP/1.1\r\n{head}\r\n"
        post = f"POST {PATH} HTTP/1.1\r\n{head}Content-Length: {len(BODY)}\r\n\r\n{BODY}"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
        pages = [Page(after_us=900, request=each.encode(), answer=answer, body=4000) for each in (get, post)]
        path = self._path(address, port=80)
        self._add(conversations.clear_http(path, start_us=self._now_us, pages=pages, chance=self._fork(f"http/{name}")))

    def _others_visit(self, other: cast.Device, *, number: int) -> None:
        """Six classmates read blogs at the same place as the device, and one after the other talks to the device."""
        for target, name, port in ((BLOG_SERVER, f"www.{RELEASED}", 443), (IPV4, LOCAL_NAME, 80)):
            path = wire.Path(
                client_mac=other.mac, gateway_mac=GATEWAY if port == 443 else MAC, vlan=None, client=other.ipv4,
                server=ip_address(target).packed, client_port=50_017 + 7 * number, server_port=port,
            )  # fmt: skip
            chance = self._fork(f"{name}/{number}")
            if port == 443:
                manner = Manner(wish=Wish(name=name, modern=True, alpn=("h2",)))
                talk = [Exchange(after_us=9000, up=900, down=9000)]
                self._add(conversations.tls(path, start_us=self._now_us, manner=manner, exchanges=talk, chance=chance))
            else:
                request = f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
                page = Page(after_us=900, request=request, answer=b"HTTP/1.1 200 OK\r\n\r\n")
                self._add(conversations.clear_http(path, start_us=self._now_us, pages=[page], chance=chance))

    def _meets(self, client: str, *, server: str, server_mac: bytes, vlan: int | None) -> None:
        """Another device of the building opens a connection to *server*, which is no server of the Internet."""
        path = wire.Path(
            client_mac=bytes.fromhex("020001234567"), gateway_mac=server_mac, vlan=vlan,
            client=ip_address(client).packed, server=ip_address(server).packed, client_port=50_231, server_port=7000,
        )  # fmt: skip
        talk = [Exchange(after_us=1000, up=300, down=500)]
        self._add(conversations.nameless_tcp(path, start_us=self._now_us, exchanges=talk, chance=self._fork(server)))

    def _path(self, server: str, *, port: int, client: str = IPV4, client_port: int | None = None) -> wire.Path:
        return wire.Path(
            client_mac=MAC, gateway_mac=GATEWAY, vlan=None, client=ip_address(client).packed,
            server=ip_address(server).packed, client_port=client_port or next(self._ports), server_port=port,
        )  # fmt: skip

    def _fork(self, name: str) -> Chance:
        return self._chance.fork(name)

    def _put(self, cut: wire.Cut) -> None:
        self._add([wire.Frame(at_us=self._now_us, octets=cut.octets, length=cut.length)])

    def _add(self, frames: list[wire.Frame]) -> None:
        self._told.frames += frames
        self._now_us = max(self._now_us, *(frame.at_us for frame in frames)) + 20 * _S


def _fingerprints(hello: bytes) -> Secret:
    """Return by what a ClientHello is known again: its random octets, session, key share, JA3 and JA4.

    Source: github.com/salesforce/ja3 and github.com/FoxIO-LLC/ja4 (technical details), read and written anew.
    """
    session = hello[39 : 39 + hello[38]]
    at = 39 + len(session)
    suites = _numbers(hello[at + 2 : at + 2 + int.from_bytes(hello[at : at + 2], "big")])
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at] + 2
    extensions: dict[int, bytes] = {}
    while at < len(hello):
        kind, size = struct.unpack_from(">HH", hello, at)
        extensions[kind] = hello[at + 4 : at + 4 + size]
        at += 4 + size
    ciphers = [each for each in suites if not _is_grease(each)]
    kinds = [each for each in extensions if not _is_grease(each)]
    groups = [each for each in _numbers(extensions[10][2:]) if not _is_grease(each)]
    ja3 = ",".join("-".join(map(str, each)) for each in ([771], ciphers, kinds, groups, [*extensions[11][1:]]))
    hashed = [each for each in sorted(kinds) if each not in {0, 16}]
    signed = ",".join(f"{each:04x}" for each in _numbers(extensions[13][2:]))
    parts = (
        sha256(",".join(f"{each:04x}" for each in sorted(ciphers)).encode()).hexdigest()[:12],
        sha256(f"{','.join(f'{each:04x}' for each in hashed)}_{signed}".encode()).hexdigest()[:12],
    )
    return Secret(
        name="a fingerprint of its TLS",
        texts=(ja3, md5(ja3.encode(), usedforsecurity=False).hexdigest(), *parts),
        octets=(hello[6:38], session, extensions[51][-32:]),
    )


def _numbers(octets: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack(">H", octets)]


def _is_grease(number: int) -> bool:
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF
