"""What exists in the invented district: hosts, parties, products and sites, classes and devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

When = Literal["load", "late", "leave"]
Age = Literal["under_13", "older"]

# Causes that are neither a product nor a site, in the place of a service number.
OS = -1
AGENT = -2
EXTENSION = -3
NOBODY = -4
CAUSE_WORDS = {OS: "os", AGENT: "agent", EXTENSION: "extension"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A name that is connected to."""

    name: str
    """Full name, lower case."""
    domain: str
    """Its registrable domain."""
    front: int
    """The server that answers: hosts with one front share connections."""
    address: str
    """Server address."""
    hidden: float
    """Share of its flows whose name ECH hides."""
    idle_s: float
    """How long its server keeps a connection on which nothing happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One registrable domain of a third party."""

    name: str
    """Name of the service."""
    owner: str
    """Company that owns it; some own two parties."""
    domain: str
    """Registrable domain."""
    kind: str | None
    """Kind in the party file; None: in no list."""
    hosts: tuple[int, ...]
    """Numbers of its hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """One party in the pages of one service."""

    party: int
    """Number of the party."""
    hosts: tuple[int, ...]
    """Numbers of the hosts that are asked, of the party's own."""
    rate: float
    """Chance to fire on a page that carries it, where nothing else stands in the way."""
    pages: int
    """Bit set of the page kinds that carry it."""
    when: When
    """Which delay it has."""
    age: Age | None = None
    """Only for groups of this age; None: for all."""
    from_day: int = 0
    """First day of the set on which it is there."""
    after: int = -1
    """Number of the embed in the same service that must have fired on this page; -1: none."""
    slot: int = -1
    """Ad slot: of the embeds with one slot number at most one fires a page; -1: no slot."""
    consent: bool = False
    """Pupils who refused do not meet it."""
    worker: bool = False
    """A service worker calls it too, while no page is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A product with an agreement, or a site without one."""

    number: int
    """Place in the list of services; products come first."""
    id: str
    """Agreement id of a product, registrable domain of a site."""
    product: bool
    """It has an agreement."""
    domains: tuple[str, ...]
    """Registrable domains of its own, the main one first."""
    hosts: tuple[int, ...]
    """Numbers of its own hosts, main host first; a shared one, when there is one, last."""
    shared_host: int | None
    """Number of the host that it has from a company that serves many vendors."""
    page_weights: tuple[float, ...]
    """How often each kind of page is opened, summed up to 1."""
    embeds: tuple[Embed, ...]
    """What its pages embed."""
    seen: float
    """Share of the visits that need a flow of its own."""
    preconnects: tuple[int, ...] = ()
    """Hosts that it opens a connection to and asks nothing of."""
    links: tuple[int, ...] = ()
    """Sites that its pages link to."""
    refers: int | None = None
    """Site to which it sends pupils on."""
    widget: int | None = None
    """Product whose widget works in its pages."""
    socket: bool = False
    """Holds a socket open while in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGroup:
    """Devices that move together."""

    number: int
    """Place in the list of classes."""
    school: str
    """School id."""
    group: str
    """Group of its segment."""
    under_13: bool
    """The group is under 13."""
    staff: bool
    """Staff: lessons are office hours, and nothing is done together."""
    devices: range
    """Numbers of its devices."""
    tools: tuple[int, ...]
    """Products it uses, the usual ones first."""
    pair: tuple[int, int] | None
    """Two products that it uses together in most lessons."""
    favourites: tuple[int, ...]
    """Sites its pupils like."""
    offset_s: int
    """How long after 08:00 its first lesson begins."""
    extended: bool
    """Its browsers carry the extension."""
    habit: tuple[int, int] | None
    """A product, and the site that its pupils open right after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The district, its vendors and the web around them."""

    hosts: tuple[Host, ...]
    parties: tuple[Party, ...]
    services: tuple[Service, ...]
    products: int
    """How many of the services are products."""
    classes: tuple[ClassGroup, ...]
    labels: tuple[int, ...]
    """What each device looks like from outside: its own number, or that of the device it hides behind."""
    hub: int | None
    """Number of the learning hub."""
    sign_on: int | None
    """Number of the sign-on product."""
    agent: int | None
    """Number of the filter agent's party."""
    extension: int | None
    """Number of the browser extension's party."""
    toolbar: int | None
    """Number of the party that the demonstrating teacher's toolbar calls."""
    demo: tuple[int, int] | None
    """Device and product of the teacher who demonstrates."""
    system: tuple[int, ...]
    """Numbers of the parties that the operating system calls."""
    portal: int | None
    """Host of the captive portal check."""
    ocsp: tuple[int, ...]
    """Hosts of certificate checks."""
