"""The walk through one device-day: what was visited, what stood open at each contact, and what followed what.

A walk knows one device on one day and is let go with it; `rules.windows` turns what it noted into counts, and says
where the windows come from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rules.contacts import PRODUCT_MARK, WITHHELD_SITE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rules.contacts import Contact

OPEN_MS: Final = 10_000
"""For so long after a flow to it a site stands open."""
FRESH_MS: Final = 2_000
"""A flow this young makes its site the likelier cause: most embeds come within three tenths of a second."""
QUIET_MS: Final = 5_000
"""A device without any flow for so long was quiet."""
VISIT_GAP_MS: Final = 30_000
"""A site without a flow for so long is visited anew."""

# Sites that may stand open at once for one contact; beyond it the latest count. A person does not open more in ten
# seconds, and a scanner that does says nothing.
MAX_OPEN = 12

# A party that comes after so many different sites of a device on one day, and after nearly all that it visited, is
# brought about by something on the device: an agent, an extension.
AGENT_SITES: Final = 6
AGENT_SHARE: Final = 0.75

Cause = tuple[str, bool]
"""A site that stood open, and whether its last flow was fresh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What the party lists say of domains, as far as it matters here."""

    is_noise: Callable[[str], bool]
    """The operating system's own: neither brings anything about nor is brought about."""
    is_service: Callable[[str], bool]
    """A business that serves the pages of others (advertising, analytics, delivery): never a cause."""


@dataclass(slots=True)
class _Open:
    """A site that a device has visited."""

    at: int
    visit: int


@dataclass(slots=True)
class Pending:
    """One contact, before it is known whether an agent made it."""

    party: str
    """Domain of the party."""
    contact: Contact
    """Its first flow."""
    active: tuple[Cause, ...]
    """What stood open, sorted."""
    visits: tuple[tuple[str, int], ...]
    """The same sites, each with the number of its visit: flows of the same visits are one contact."""
    unprompted: bool
    """The device was quiet before."""
    flows: int = 1
    """Flows of it."""
    bytes_up: int = 0
    """IP octets from the device."""
    bytes_down: int = 0
    """IP octets to the device."""
    until: int = 0
    """Last packet, milliseconds since 1970 UTC."""


class DeviceWalk:
    """Walks through one device-day.

    Args:
        kinds: what the party lists say.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._open: dict[str, _Open] = {}
        self._last_any = -QUIET_MS
        self._latest: tuple[str, int] | None = None
        self._window: tuple[str, int, int] | None = None
        self.visits: list[tuple[str, int, bool]] = []
        """Site, time, and whether the device was quiet before."""
        self.led: list[tuple[str, int]] = []
        """Site that another one followed while it stood open, and when."""
        self.bag: set[tuple[str, str, int, int]] = set()
        """Party, site, number and time of its visit out of a quiet device, in whose window the party came."""
        self._answers: set[tuple[str, str, int, int]] = set()
        self.contacts: list[Pending] = []
        """Contacts with domains that are no product's own."""
        self._once: dict[tuple[str, tuple[tuple[str, int], ...]], Pending] = {}

    def walk(self, contacts: Sequence[Contact]) -> None:
        """Walk through all contacts of the day, in order of time."""
        is_noise, is_service = self._kinds.is_noise, self._kinds.is_service
        for contact in contacts:
            site, now = contact.site, contact.at_ms
            if is_noise(site):
                continue
            quiet = now - self._last_any > QUIET_MS
            is_product = site.startswith(PRODUCT_MARK)
            named = site != WITHHELD_SITE
            if named and not is_product:
                self._meet(contact, unprompted=quiet)
            if is_product or not is_service(site):
                self._visit(contact, quiet=quiet)
            window = self._window
            if window is not None and named and window[0] != site and now - window[2] <= OPEN_MS:
                self.bag.add((site, *window))
            self._last_any = now

    def _meet(self, contact: Contact, *, unprompted: bool) -> None:
        now = contact.at_ms
        standing: list[tuple[str, bool, int]] = []
        # The latest stand last: behind the first one that is closed none is open, however many a day has seen.
        for site, held in reversed(self._open.items()):
            if now - held.at > OPEN_MS or len(standing) == MAX_OPEN:
                break
            if site != contact.site:
                standing.append((site, now - held.at <= FRESH_MS, held.visit))
        standing.sort()
        visits = tuple((site, visit) for site, _fresh, visit in standing)
        latest = self._latest
        if latest is not None and latest[0] != contact.site and now - self._open[latest[0]].at <= FRESH_MS:
            self._answers.add((contact.site, *latest, now))
        known = self._once.get((contact.site, visits)) if visits else None
        if known is None:
            known = Pending(contact.site, contact, tuple((s, fresh) for s, fresh, _ in standing), visits, unprompted)
            known.flows = 0
            self.contacts.append(known)
            self._once[contact.site, visits] = known
        known.flows += 1
        known.bytes_up += contact.bytes_up
        known.bytes_down += contact.bytes_down
        known.until = max(known.until, contact.until_ms)

    def _visit(self, contact: Contact, *, quiet: bool) -> None:
        site, now = contact.site, contact.at_ms
        held = self._open.pop(site, None)
        if held is None or now - held.at > VISIT_GAP_MS:
            number = 1 if held is None else held.visit + 1
            self.visits.append((site, now, quiet))
            self._lead(now)
            self._latest = (site, number)
            if quiet:
                self._window = (site, number, now)
            held = _Open(now, number)
        held.at = now
        # The site of the latest flow stands last.
        self._open[site] = held

    def _lead(self, now: int) -> None:
        """Note that the visit before leads to another site, if it still stands open."""
        before = self._latest
        held = self._open.get(before[0]) if before else None
        if before is not None and held is not None and held.visit == before[1] and now - held.at <= OPEN_MS:
            self.led.append((before[0], now))
            # A visit leads once.
            self._latest = None

    def visited(self) -> set[str]:
        """Return the sites of the day."""
        return {site for site, _at, _quiet in self.visits}

    def answered(self) -> dict[str, set[str]]:
        """Return by party the sites that it followed at once."""
        answered: defaultdict[str, set[str]] = defaultdict(set)
        for party, site, _visit, _at in self._answers:
            answered[party].add(site)
        return answered

    def first_answers(self) -> list[tuple[str, str, int]]:
        """Return each visit that a party followed once (party, site), with the time of the first contact."""
        first: dict[tuple[str, str, int], int] = {}
        for party, site, visit, at in self._answers:
            key = (party, site, visit)
            first[key] = min(first.get(key, at), at)
        return [(party, site, at) for (party, site, _visit), at in first.items()]

    def agents(self) -> set[str]:
        """Return the parties that came after nearly every site of the day."""
        visited = self.visited()
        return {
            party
            for party, sites in self.answered().items()
            if len(sites) >= AGENT_SITES and len(sites) >= AGENT_SHARE * len(visited - {party})
        }
