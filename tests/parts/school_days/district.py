"""Builds a world: the web first, then schools, classes and devices, and the twists that tie the two together."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from tests.parts.school_days.facts import ClassGroup, Embed, World
from tests.parts.school_days.web import ADS, Web

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS: tuple[tuple[str, bool], ...] = (("k-5", True), ("6-8", False), ("9-12", False))
_EVERY_PAGE = (1 << 8) - 1


def build_world(
    *, seed: int, devices: int, days: int, vendors: int, sites: int, parties: int, twists: frozenset[str]
) -> World:
    """Return the world of *seed*: the same arguments give the same world."""
    web = Web(rng=Random(f"{seed}/web"), twists=twists, days=days)  # noqa: S311 -- lots of a simulation
    rng = web.rng
    web.fill_parties(parties)
    if "shared-hosts" in twists:
        web.shared_domains = [web.domain() for _ in range(2)]
    clean = "clean-products" in twists
    for _ in range(vendors):
        count = 0 if clean or rng.random() < 0.25 else rng.choice((1, 1, 2, 2, 3, 4, 6))
        web.service(product=True, embeds=count, spread=(0.02, 0.8))
    hub, sign_on = (0 if "hub" in twists else None), (1 if "sign-on" in twists and vendors > 1 else None)
    for _ in range(sites if "off-task" in twists else 0):
        web.service(product=False, embeds=rng.choice((2, 4, 6, 9, 12, 18)), spread=(0.1, 0.9))
    _tie_services(web, vendors=vendors)
    classes = _classes(web, devices=devices, vendors=vendors)
    if not clean:
        _tie_pairs(web, classes=classes)
    if "right-after" in twists and len(web.services) > vendors:
        classes = _with_habit(web, classes=classes, vendors=vendors)
    labels = list(range(devices))
    if "shared-device" in twists:
        for group in classes[::4]:
            hidden = group.devices[: len(group.devices) // 4]
            labels[hidden.start : hidden.stop] = [hidden.start] * len(hidden)
    agent = web.party(rng.choice((None, "other"))) if "agent" in twists else None
    extension = web.party("analytics") if "extension" in twists else None
    staff = [group for group in classes if group.staff]
    demo = None
    if "teacher-demo" in twists and vendors > 3:
        device = staff[0].devices[0] if staff else classes[-1].devices[0]
        demo = (device, rng.randrange(2, vendors))
    system = tuple(web.party("operating_system") for _ in range(3)) if "os-noise" in twists else ()
    lone = web.domain()
    return World(
        hub=hub,
        sign_on=sign_on,
        agent=agent,
        extension=extension,
        demo=demo,
        toolbar=web.party("advertising") if demo else None,
        # Two of the parties that products and sites embed serve the system too: a server of updates, and a meter.
        system=(*system, *rng.sample(web.embeddable, 2)) if system else (),
        portal=web.host(f"connectivity.{lone}", domain=lone) if "captive-portal" in twists else None,
        ocsp=tuple(web.host(f"ocsp.{(at := web.domain())}", domain=at) for _ in range(2)) if "ocsp" in twists else (),
        hosts=tuple(web.hosts),
        parties=tuple(web.parties),
        services=tuple(web.services),
        products=vendors,
        classes=tuple(classes),
        labels=tuple(labels),
    )


def _tie_services(web: Web, *, vendors: int) -> None:
    rng, services, twists = web.rng, web.services, web.twists
    sites = range(vendors, len(services))
    for number, service in enumerate(services):
        changes: dict[str, int | tuple[int, ...]] = {}
        if "hover" in twists and sites:
            changes["links"] = tuple(rng.sample(sites, min(3, len(sites))))
        if "referral" in twists and sites and 2 <= number < vendors and rng.random() < 0.08:
            changes["refers"] = rng.choice(sites)
        if "widget" in twists and 2 <= number < vendors and rng.random() < 0.06:
            other = rng.randrange(2, vendors)
            if other != number:
                changes["widget"] = other
        if changes:
            services[number] = replace(service, **changes)  # type: ignore[arg-type]


def _classes(web: Web, *, devices: int, vendors: int) -> list[ClassGroup]:
    rng, twists = web.rng, web.twists
    staffed = max(1, devices // 14) if "staff" in twists else 0
    schools = max(2, round(devices / 130))
    popularity = [1 / (rank + 1) ** 0.8 for rank in range(vendors)]
    sites = range(vendors, len(web.services))
    made: list[ClassGroup] = []
    start = 0
    while start < devices:
        number = len(made)
        staff = start >= devices - staffed
        size = min(rng.randint(20, 30), (devices if staff else devices - staffed) - start)
        school = number % schools
        group, under_13 = ("staff", False) if staff else LEVELS[school % len(LEVELS)]
        tools = _drawn(rng, among=range(min(2, vendors - 1), vendors), weights=popularity, count=rng.randint(5, 9))
        made.append(
            ClassGroup(
                number=number,
                school=f"school-{school + 1}",
                group=group,
                under_13=under_13,
                staff=staff,
                devices=range(start, start + size),
                tools=tuple(tools),
                pair=(tools[0], tools[1]) if "lesson-pairs" in twists and len(tools) > 1 and not staff else None,
                favourites=tuple(rng.sample(sites, min(len(sites), 6))) if sites else (),
                offset_s=300 * rng.randint(0, 8),
                extended="extension" in twists and number == 1,
                habit=None,
            )
        )
        start += size
    return made


def _drawn(rng: Random, *, among: range, weights: Sequence[float], count: int) -> list[int]:
    # Different ones, the popular ones more often.
    left = list(among)
    shares = [weights[number] for number in left]
    drawn: list[int] = []
    while left and len(drawn) < count:
        place = rng.choices(range(len(left)), cum_weights=list(accumulate(shares)))[0]
        drawn.append(left.pop(place))
        shares.pop(place)
    rng.shuffle(drawn)
    return drawn


def _tie_pairs(web: Web, *, classes: Sequence[ClassGroup]) -> None:
    # In every other pair both embed the same party; in the others only the second does, and the first is innocent.
    pairs = [group.pair for group in classes if group.pair]
    for count, pair in enumerate(pairs):
        if not web.embeddable:
            return
        party = web.rng.choice(web.embeddable)
        wanted = pair if count % 2 and "shared-by-pair" in web.twists else pair[1:]
        for number in wanted:
            service = web.services[number]
            if len(service.embeds) < 8 and all(embed.party != party for embed in service.embeds):
                made = _plain(web, party=party, rate=web.rng.uniform(0.15, 0.7))
                web.services[number] = replace(service, embeds=(*service.embeds, made))


def _with_habit(web: Web, *, classes: Sequence[ClassGroup], vendors: int) -> list[ClassGroup]:
    # One class opens a site right after a tool that others use too; the site's party is embedded nowhere else.
    made = list(classes)
    users = {
        tool: [g.number for g in classes if tool in g.tools] for tool in sorted({t for g in classes for t in g.tools})
    }
    for _ in range(max(1, len(classes) // 10)):
        tool = max(users, key=lambda number: (len(users[number]), number))
        holders = [number for number in users.pop(tool) if not made[number].staff and made[number].habit is None]
        if not holders or not users:
            break
        owner = holders[0]
        site = web.rng.randrange(vendors, len(web.services))
        party = web.party(web.rng.choice(sorted(ADS)))
        service = web.services[site]
        embeds = (*service.embeds, _plain(web, party=party, rate=0.85))
        web.services[site] = replace(service, embeds=embeds)
        made[owner] = replace(made[owner], habit=(tool, site))
    return made


def _plain(web: Web, *, party: int, rate: float) -> Embed:
    return Embed(party=party, hosts=web.parties[party].hosts[:1], rate=rate, pages=_EVERY_PAGE, when="load")
