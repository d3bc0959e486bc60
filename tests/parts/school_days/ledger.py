"""Keeps the books while days are made: which contacts a product really caused, and which only happened beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.parts.school_days.pages import own_hosts

if TYPE_CHECKING:
    from tests.parts.school_days.facts import World

NEAR_S = 30.0
"""How long after a page's opening a contact counts as being beside it."""
RIVAL_S = 60.0
"""How long an open page that embeds the same party counts as a rival."""


class Account:
    """The contacts of one party that one product caused."""

    __slots__ = ("alone", "clear", "contacts", "days", "device_days", "lessons", "seen", "silent")

    def __init__(self) -> None:
        self.contacts = 0
        """New flows with a request and a name."""
        self.silent = 0
        """Requests that no flow of their own shows: reused, coalesced, or of a hidden name."""
        self.clear = 0
        """Contacts while nothing else that embeds the party was open."""
        self.alone = 0
        """Contacts while nothing else at all was open, the hub and the sign-on left aside."""
        self.seen = 0
        """Contacts beside which a flow of the product itself was seen."""
        self.device_days: set[tuple[int, int]] = set()
        """Devices (as they look from outside) and days with a contact."""
        self.lessons: set[tuple[int, int, int]] = set()
        """Classes, days and lessons with a contact."""
        self.days: set[int] = set()
        """Days with a contact."""


class Ledger:
    """The books of one run through the days."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._usual = {number for number in (world.hub, world.sign_on) if number is not None}
        self._own = [own_hosts(service) for service in world.services]
        self.rivals = embedders(world)
        self.accounts: dict[tuple[int, str], Account] = {}
        self.together: dict[tuple[int, str], int] = {}
        """How often a contact with a domain came within `NEAR_S` of a page of a product, whatever its cause."""
        self.referred: dict[tuple[int, int], set[tuple[int, int]]] = {}
        """By product and site: device-days on which the site was opened within `NEAR_S` of the product."""
        self.visits = [0] * len(world.services)
        self.openings = [0] * world.products
        self.visit_device_days: list[set[tuple[int, int]]] = [set() for _ in world.services]

    def opened(self, number: int, *, recent: list[tuple[float, int]], device_day: tuple[int, int]) -> None:
        """Note a page of service *number*; *recent*: what was opened before it, with times within `RIVAL_S`."""
        self.visits[number] += 1
        products = self._world.products
        if number < products:
            self.visit_device_days[number].add(device_day)
        else:
            for _, before in recent:
                if before < products:
                    self.referred.setdefault((before, number), set()).add(device_day)

    def begun(self, number: int) -> None:
        """Note a new, named flow of product *number* to a host of its own."""
        if number < self._world.products:
            self.openings[number] += 1

    def unseen(self, *, cause: int, host: int) -> None:
        """Note a request of *cause* to *host* that no flow of its own shows."""
        if 0 <= cause < self._world.products and host not in self._own[cause]:
            self._account(cause, self._world.hosts[host].domain).silent += 1

    def contact(
        self,
        at: float,
        *,
        cause: int,
        host: int,
        recent: list[tuple[float, int]],
        seen: bool,
        device_day: tuple[int, int],
        lesson: tuple[int, int, int],
    ) -> None:
        """Note a new flow at *at* to *host*, with a request and a name, that *cause* made."""
        products = self._world.products
        domain = self._world.hosts[host].domain
        near: set[int] = set()
        others: set[int] = set()
        for when, number in recent:
            if number < products and at - when <= NEAR_S:
                near.add(number)
            others.add(number)
        together = self.together
        for number in near:
            if host not in self._own[number]:
                key = (number, domain)
                together[key] = together.get(key, 0) + 1
        if not 0 <= cause < products or host in self._own[cause]:
            return
        account = self._account(cause, domain)
        account.contacts += 1
        account.seen += seen
        others.discard(cause)
        account.clear += not others & self.rivals.get(domain, frozenset())
        account.alone += not others - self._usual
        account.device_days.add(device_day)
        account.lessons.add(lesson)
        account.days.add(device_day[1])

    def _account(self, cause: int, domain: str) -> Account:
        key = (cause, domain)
        found = self.accounts.get(key)
        if found is None:
            found = self.accounts[key] = Account()
        return found


def embedders(world: World) -> dict[str, frozenset[int]]:
    """Return by registrable domain the services whose pages may call it, widgets included."""
    found: dict[str, set[int]] = {}
    for service in world.services:
        whole = service.embeds
        if service.widget is not None:
            other = world.services[service.widget]
            whole += other.embeds
            found.setdefault(world.hosts[other.hosts[0]].domain, set()).update((service.number, other.number))
        for embed in whole:
            found.setdefault(world.parties[embed.party].domain, set()).add(service.number)
    return {domain: frozenset(numbers) for domain, numbers in found.items()}
