"""Attribution over one rulebook: contacts in, edges out. Knows what the party lists, the lab and the network say."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rules.attribution import District, attribute, credited_patterns
from rules.contacts import PRODUCT_MARK
from rules.device_walk import Kinds
from rules.differential import by_audience
from rules.windows import Counts, count_device_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from rules.attribution import Patterns
    from rules.contacts import ContactLog
    from rules.edges import Audience, Edge, Lab
    from rules.parties import Kind
    from rules.rulebook import Rulebook

SERVICES: Final[frozenset[Kind]] = frozenset(
    {"advertising", "analytics", "session_replay", "crash_reporting", "data_broker", "cdn", "hosting"}
)
"""Kinds of party that serve the pages of others and have none that people open."""

# Domains whose kind is remembered; names come from the network.
MAX_REMEMBERED_KINDS = 65_536

TOKEN_BYTES = 6
"""Octets of the token of a device over day and party: no two of ten thousand devices agree by chance."""


class Estimator:
    """Counts contacts and weighs them by the party lists, lab evidence and groups of a rulebook."""

    def __init__(self, rulebook: Rulebook) -> None:
        parties, groups, lab = rulebook.parties, rulebook.network.groups, rulebook.lab

        @lru_cache(maxsize=MAX_REMEMBERED_KINDS)
        def kind(domain: str) -> str:
            party = None if domain.startswith(PRODUCT_MARK) else parties.find(domain)
            return "" if party is None else party.kind

        def audience(school: str, group: str) -> Audience:
            facts = groups.get((school, group))
            if facts is None:
                return "older"
            return "staff" if facts.role == "staff" else "under_13" if facts.under_13 else "older"

        def says(agreement: str, domain: str) -> Lab:
            evidence = lab.get(agreement)
            return "silent" if evidence is None else evidence.says(domain)

        self.kinds = Kinds(
            is_noise=lambda domain: kind(domain) == "operating_system",
            is_service=lambda domain: kind(domain) in SERVICES,
        )
        self._groups = groups
        self._district = District(audience=audience, is_service=self.kinds.is_service, lab=says)

    def hours(self, log: ContactLog, *, day: date, key: bytes) -> dict[int, Counts]:
        """Return the counts of one day by hour since 1970 UTC.

        Args:
            log: the contacts.
            day: local date.
            key: key of that day's tokens, at most 64 octets.
        """
        hours: dict[int, Counts] = {}
        for device, contacts in log.devices(day):
            count_device_day(contacts, day=day, kinds=self.kinds, token=_tokens(device, key=key), into=hours)
        return hours

    def edges(self, counts: Counts) -> tuple[Edge, ...]:
        """Return what the counts say."""
        return attribute(counts, district=self._district)

    def credited(self, counts: Counts) -> Patterns:
        """Return what stands open at the contacts that the counts credit to each product, for `closed_contacts`."""
        return credited_patterns(counts, district=self._district)

    def differential(self, edges: Iterable[Edge], *, counts: Counts) -> list[dict[str, Any]]:
        """Return which audiences of each product meet its third parties, as *edges* of these *counts* say."""
        return by_audience(edges, used=counts.used, groups=self._groups)


def _tokens(device: str, *, key: bytes) -> Callable[[str], int]:
    def token(party: str) -> int:
        text = f"{device}\x1f{party}".encode()
        return int.from_bytes(blake2b(text, key=key, digest_size=TOKEN_BYTES).digest(), "big")

    return token
