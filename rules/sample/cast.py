"""Who takes part: the devices of the two schools and the hosts of the invented internet. Facts only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

# 00-00-5E-00-53-xx: the range for documentation (RFC 9542 section 2.1.2).
_MAC = bytes.fromhex("00005e0053")
_GATEWAY_ES, _GATEWAY_MS = _MAC + b"\xfd", _MAC + b"\xfe"
MS_STAFF_VLAN: Final = 340

RESOLVER: Final = ipaddress.IPv4Address("10.40.0.53").packed
"""The district's own resolver; it lies in no segment of the network file, and so is nobody's device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One school-side device."""

    label: str
    """Name in the story: class and number."""
    mac: bytes
    """Its MAC address, 6 octets."""
    gateway: bytes
    """MAC of its school's router."""
    ipv4: bytes
    """Its IPv4 address."""
    ipv6: bytes | None
    """Its IPv6 address; None: it has none."""
    vlan: int | None
    """Its 802.1Q VLAN; None: untagged."""
    modern: bool
    """A browser of 2026; else an older tablet."""
    quic: bool
    """It speaks HTTP/3 where the site offers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One server name."""

    name: str
    """The name that is asked for."""
    chain: tuple[str, ...]
    """CNAME chain that the resolver gives for it."""
    ipv4: bytes
    """Its IPv4 address, from the documentation ranges."""
    ipv6: bytes
    """Its IPv6 address, from the documentation range."""
    h3: bool
    """It offers HTTP/3."""
    tls13: bool
    """It speaks TLS 1.3; else TLS 1.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """Devices that sit in one segment."""

    label: str
    count: int
    first: str
    """Address of the first device."""
    gateway: bytes
    ipv6: str | None = None
    """Prefix of the IPv6 segment."""
    vlan: int | None = None
    modern: bool = True


_CLASSES = (
    _Class(label="grade3", count=7, first="10.40.8.21", gateway=_GATEWAY_ES),
    _Class(label="grade5", count=7, first="10.40.9.41", gateway=_GATEWAY_ES, ipv6="2001:db8:40:8::1041", modern=False),
    _Class(label="es-staff", count=4, first="10.40.12.11", gateway=_GATEWAY_ES),
    _Class(label="grade6", count=6, first="10.50.1.21", gateway=_GATEWAY_MS),
    _Class(label="grade7b", count=5, first="10.50.6.31", gateway=_GATEWAY_MS),
    _Class(label="grade8", count=5, first="10.50.3.51", gateway=_GATEWAY_MS, modern=False),
    _Class(label="ms-staff", count=5, first="10.50.40.11", gateway=_GATEWAY_MS, vlan=MS_STAFF_VLAN),
    _Class(label="guest", count=1, first="10.40.250.9", gateway=_GATEWAY_ES),
)


def _devices() -> dict[str, tuple[Device, ...]]:
    classes: dict[str, tuple[Device, ...]] = {}
    serial = 0
    for one in _CLASSES:
        members = []
        for place in range(one.count):
            serial += 1
            members.append(
                Device(
                    label=f"{one.label}-{place + 1}",
                    mac=_MAC + bytes([serial]),
                    gateway=one.gateway,
                    ipv4=(ipaddress.IPv4Address(one.first) + place).packed,
                    ipv6=(ipaddress.IPv6Address(one.ipv6) + place).packed if one.ipv6 else None,
                    vlan=one.vlan,
                    modern=one.modern,
                    quic=one.modern and place % 2 == 0,
                )
            )
        classes[one.label] = tuple(members)
    return classes


DEVICES: Final = _devices()
"""The devices of each class, by the label of the class."""

# Products with an agreement, the first name of each being the one that its page opens on.
_PRODUCTS = """
    app.countwell.example h3
    api.countwell.example
    static.countwell.example = countwell.edgeloft.example
    img.cw-media.example
    read.storyharbor.example tls12
    audio.storyharbor.example tls12
    app.wordloom.example
    words.wordloom.example
    play.quizgale.example h3
    live.quizgale.example
    atlas.mapquill.example
    tiles.mapquill.example = mapquill.edgeloft.example
    chat.tutorlark.example
    api.tutorlark.example
    www.tutorlark.example
    write.essaybrook.example
    api.essaybrook.example
    studio.pixelpaws.example
    api.pixelpaws.example
    band.choirbox.example
    practice.choirbox.example
    console.rollcallkit.example
    agent.rollcallkit.example
    make.clipstage.example
    upload.clipstage.example
    clipstage.example
    ask.pulsequest.example
    metrics.pulsequest.example = pulsequest.in.trackwell.example edge7.trackwell.example
"""
_NO_AGREEMENT = """
    draw.sketchmeadow.example h3
    sync.sketchmeadow.example
    cards.flashnook.example
"""
_THIRD_PARTIES = """
    px.adorbit.example
    tag.trackwell.example
    rec.replaylens.example
    in.faultline.example
    fonts.typeharbor.example
"""
_ELSEWHERE = """
    www.dailyprairie.example h3
    www.skyglance.example
    www.factbarn.example h3
    scores.cityscores.example = cityscores.edgeloft.example
    lunch.prairielakes.example
    public.ech.example h3
    dns.clearlookup.example
    update.slateos.example
    connectivity.slateos.example
    push.slateos.example
    time.slateos.example
"""


def _hosts() -> dict[str, Host]:
    hosts: dict[str, Host] = {}
    lines = [line for table in (_PRODUCTS, _NO_AGREEMENT, _THIRD_PARTIES, _ELSEWHERE) for line in table.split("\n")]
    for serial, line in enumerate((one for one in lines if one.strip()), start=1):
        words, _, aliases = line.partition("=")
        name, *marks = words.split()
        chain = tuple(aliases.split())
        # What lies on the same delivery network answers from the same address, as such networks do.
        shared = 200 if chain and chain[-1].endswith(".edgeloft.example") else serial
        network = ("192.0.2.0", "198.51.100.0", "203.0.113.0")[shared % 3]
        hosts[name] = Host(
            name=name,
            chain=chain,
            ipv4=(ipaddress.IPv4Address(network) + 10 + shared).packed,
            ipv6=(ipaddress.IPv6Address("2001:db8:f00::") + 0x1000 + shared).packed,
            h3="h3" in marks,
            tls13="tls12" not in marks,
        )
    return hosts


HOSTS: Final = _hosts()
"""Every host of the story, by name."""

UNNAMED_SERVER: Final = ipaddress.IPv4Address("203.0.113.250").packed
"""A server that nobody looked up and whose hello carries no name."""
