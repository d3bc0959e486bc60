"""Builds the web of a set of days: hosts, parties, and the products and sites that embed them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import exp, log
from typing import TYPE_CHECKING

from tests.parts.school_days.facts import Embed, Host, Party, Service, When
from tests.parts.school_days.names import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

# Kinds of third parties and how many of a hundred are of each; None: unlisted.
_KINDS: tuple[tuple[str | None, int], ...] = (
    ("advertising", 27),
    ("analytics", 18),
    ("data_broker", 8),
    ("crash_reporting", 8),
    ("session_replay", 6),
    ("cdn", 8),
    ("hosting", 5),
    ("social", 4),
    (None, 16),
)
_PREFIXES = ("www", "api", "cdn", "t", "px", "s", "collect", "js", "sync", "edge")
_EVERYWHERE = (1 << 8) - 1
ADS = frozenset({"advertising", "data_broker"})
TELEMETRY = frozenset({"analytics", "crash_reporting", "session_replay"})


@dataclass(slots=True, kw_only=True)
class Web:
    """Hosts, parties and services while they are being made."""

    rng: Random
    twists: frozenset[str]
    days: int
    hosts: list[Host] = field(default_factory=list)
    parties: list[Party] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    shared_domains: list[str] = field(default_factory=list)
    embeddable: list[int] = field(default_factory=list)
    _names: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._names = names(self.rng)

    def host(self, name: str, *, domain: str, front: int | None = None) -> int:
        """Add a host and return its number; *front*: the host whose server answers for it too."""
        number = len(self.hosts)
        rng = self.rng
        hidden = rng.choice((0.15, 0.6)) if "ech" in self.twists and rng.random() < 0.07 else 0.0
        block = rng.choice(("192.0.2", "198.51.100", "203.0.113"))
        if front is None:
            address, idle_s = f"{block}.{rng.randint(1, 254)}", rng.choice((60.0, 75.0, 120.0, 180.0, 300.0))
        else:
            address, idle_s = self.hosts[front].address, self.hosts[front].idle_s
        made = Host(
            name=name,
            domain=domain,
            front=number if front is None else self.hosts[front].front,
            address=address,
            hidden=hidden,
            idle_s=idle_s,
        )
        self.hosts.append(made)
        return number

    def domain(self) -> str:
        """Return a new registrable domain."""
        return next(self._names) + ".example"

    def party(self, kind: str | None, *, owner: str | None = None, front: int | None = None) -> int:
        """Add a party of *kind* with one to four hosts and return its number."""
        domain = self.domain()
        name = domain.partition(".")[0].capitalize()
        prefixes = self.rng.sample(_PREFIXES, self.rng.choice((1, 1, 2, 2, 3, 4)))
        hosts = tuple(self.host(f"{prefix}.{domain}", domain=domain, front=front) for prefix in prefixes)
        owner = owner or f"{name} Group (invented)"
        self.parties.append(Party(name=name, owner=owner, domain=domain, kind=kind, hosts=hosts))
        return len(self.parties) - 1

    def embed(self, number: int, *, rate: float, pages: int, days: int) -> Embed:
        """Return party *number* as embedded at *rate*; the twists decide in what ways."""
        rng, twists, party = self.rng, self.twists, self.parties[number]
        lot = rng.random()
        when: When = "load"
        if "late-beacons" in twists and lot < 0.1:
            when = "late"
        elif "unload-beacons" in twists and lot < 0.22 and party.kind != "cdn":
            when = "leave"
        some = rng.randint(1, max(1, (1 << pages) - 1)) if pages > 1 and rng.random() < 0.3 else _EVERYWHERE
        return Embed(
            party=number,
            hosts=tuple(rng.sample(party.hosts, rng.randint(1, min(2, len(party.hosts))))),
            rate=rate,
            pages=some,
            when=when,
            age=rng.choice(("under_13", "older")) if "age-split" in twists and rng.random() < 0.12 else None,
            from_day=rng.randint(1, max(1, days // 2)) if "rollout" in twists and rng.random() < 0.08 else 0,
            consent="consent" in twists and party.kind in ADS and rng.random() < 0.5,
            worker="worker" in twists and rng.random() < 0.06,
        )

    def fill_parties(self, count: int) -> None:
        """Add *count* third parties of all kinds, the most popular first."""
        rng = self.rng
        kinds = [kind for kind, share in _KINDS for _ in range(share)]
        fronts: list[int] = []
        while len(self.embeddable) < count:
            kind = rng.choice(kinds)
            front = None
            if "coalescing" in self.twists and rng.random() < 0.2:
                if len(fronts) < 3:
                    fronts.append(self.host(f"lb{len(fronts)}.{(lone := self.domain())}", domain=lone))
                front = rng.choice(fronts)
            first = self.party(kind, front=front)
            self.embeddable.append(first)
            if rng.random() < 0.12:
                self.embeddable.append(self.party(kind, owner=self.parties[first].owner, front=front))
        del self.embeddable[count:]

    def own_hosts(self, domains: Sequence[str]) -> list[int]:
        """Add the own hosts of a service with these *domains* and return their numbers."""
        made = [self.host(f"{self.rng.choice(('www', 'app', 'learn', 'my'))}.{domains[0]}", domain=domains[0])]
        for domain in domains:
            prefixes = self.rng.sample(("api", "static", "img", "media"), self.rng.randint(0, 2))
            made.extend(self.host(f"{prefix}.{domain}", domain=domain) for prefix in prefixes)
            if domain != domains[0] and not any(self.hosts[host].domain == domain for host in made):
                made.append(self.host(f"assets.{domain}", domain=domain))
        return made

    def service(self, *, product: bool, embeds: int, spread: tuple[float, float]) -> int:
        """Add a product or a site with up to *embeds* parties at rates between the two of *spread*."""
        rng = self.rng
        domains = [self.domain() for _ in range(1 + (rng.random() < (0.3 if product else 0.15)))]
        hosts = self.own_hosts(domains)
        shared = None
        if product and self.shared_domains and rng.random() < 0.3:
            company = rng.choice(self.shared_domains)
            shared = self.host(f"{domains[0].partition('.')[0]}.{company}", domain=company)
            hosts.append(shared)
        weights = [rng.uniform(0.2, 1) for _ in range(rng.randint(1, 4))]
        total = sum(weights)
        number = len(self.services)
        made = Service(
            number=number,
            id=domains[0].partition(".")[0] if product else domains[0],
            product=product,
            domains=tuple(domains),
            hosts=tuple(hosts),
            shared_host=shared,
            page_weights=tuple(accumulate(weight / total for weight in weights)),
            embeds=self.embeds_of(embeds, spread=spread, pages=len(weights)),
            seen=rng.uniform(0.4, 0.7) if "hidden-first-party" in self.twists else 0.97,
            socket=product and "long-flows" in self.twists and rng.random() < 0.2,
        )
        if "preconnect" in self.twists and self.embeddable and rng.random() < 0.5:
            hints = [rng.choice(self.parties[rng.choice(self.embeddable)].hosts) for _ in range(rng.randint(1, 2))]
            own = [host for embed in made.embeds for host in embed.hosts]
            made = replace(made, preconnects=(*hints, *rng.sample(own, min(len(own), 2))))
        self.services.append(made)
        return number

    def embeds_of(self, count: int, *, spread: tuple[float, float], pages: int) -> tuple[Embed, ...]:
        """Return *count* parties, popular ones more often, each at a rate from *spread* (evenly in the logarithm)."""
        rng, found = self.rng, dict[int, Embed]()
        low, high = log(spread[0]), log(spread[1])
        while len(found) < min(count, len(self.embeddable)):
            # A popularity between Zipf's and an even one: rank by the square of an even lot.
            number = self.embeddable[int(rng.random() ** 2 * len(self.embeddable))]
            if number not in found:
                found[number] = self.embed(number, rate=exp(rng.uniform(low, high)), pages=pages, days=self.days)
        embeds = list(found.values())
        if "ad-chain" in self.twists:
            chained(embeds, rng=rng, parties=self.parties)
        return tuple(embeds)


def chained(embeds: list[Embed], *, rng: Random, parties: Sequence[Party]) -> None:
    """Make some advertising embeds wait for another, and let others compete for one slot."""
    first = -1
    for place, embed in enumerate(embeds):
        if parties[embed.party].kind not in ADS:
            continue
        if first < 0:
            first = place
        elif (lot := rng.random()) < 0.35:
            embeds[place] = replace(embed, after=first, when="load", pages=embeds[first].pages, age=embeds[first].age)
        elif lot < 0.6:
            embeds[place] = replace(embed, slot=0)
            embeds[first] = replace(embeds[first], slot=0)
