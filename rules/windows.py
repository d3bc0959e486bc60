"""Contact windows: turns the contacts of one device on one day into counts that add up.

A site *stands open* for ten seconds after each flow to it; a contact with a party may have been brought about by every
site that stands open then. What comes out are counts: how often each site was visited, after which sites each party
came, and, where a product stood open, one row per contact for the evidence. Counts of devices, hours, partitions and
schools add (docs/decisions/0018), so what is concluded from them does not depend on who counted what.

Source: windows and the silence before them, Trevisan et al., WHAT (IEEE BigData 2016) and AWESoME (TNSM 2018), there
five and ten seconds; a browser opens a connection of its own to a party for each site, late beacons come after 4 to 9
seconds and beacons of a page that is left after 3 to 6 (measured on Chromium 156).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.contacts import PRODUCT_MARK, WITHHELD_SITE
from rules.habits import NO_HABIT, Habit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date

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

HOUR_MS: Final = 3_600_000

Cause = tuple[str, bool]
"""A site that stood open, and whether its last flow was fresh."""


class Row(NamedTuple):
    """One contact with a party while a product stood open."""

    party: str
    """Domain of the party."""
    active: tuple[Cause, ...]
    """What stood open, sorted."""
    day: date
    """Local date."""
    device: int
    """Token of the device over day and party: rows of two parties cannot be joined by it."""
    school: str
    """School of the device's segment."""
    group: str
    """Group of the device's segment."""
    at_ms: int
    """First packet, milliseconds since 1970 UTC."""
    until_ms: int
    """Last packet."""
    flows: int
    """Flows of it: several at once, of the same visits, are one contact."""
    bytes_up: int
    """IP octets from the device."""
    bytes_down: int
    """IP octets to the device."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What is counted of any number of devices in one hour; `add` is all that is ever done with it."""

    visits: Counter[str] = field(default_factory=Counter)
    """Visits of each site."""
    quiet: Counter[str] = field(default_factory=Counter)
    """Visits out of a quiet device."""
    led: Counter[str] = field(default_factory=Counter)
    """Visits that another site followed while this one stood open: most of them for a hub."""
    used: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Product, school and group -> device-days of use, counted in the hour of the first flow."""
    bag: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Party -> site -> visits out of a quiet device in whose window the party came."""
    busy: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Party -> product -> its visits on device-days on which the party followed another site as well."""
    answered: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Party -> site -> visits that the party followed before anything else was opened."""
    met: Counter[str] = field(default_factory=Counter)
    """Contacts with each domain that is no product's own."""
    alone: Counter[str] = field(default_factory=Counter)
    """Of these: nothing stood open."""
    unprompted: Counter[str] = field(default_factory=Counter)
    """Of these: the device was quiet."""
    others: defaultdict[str, Counter[tuple[Cause, ...]]] = field(default_factory=lambda: defaultdict(Counter))
    """Party -> what stood open -> contacts, where no product did."""
    habits: dict[tuple[str, str], Habit] = field(default_factory=dict)
    """Party and product -> what else the devices do that meet the party while the product stands open."""
    rows: list[Row] = field(default_factory=list)
    """Contacts while a product stood open."""

    def add(self, other: Counts) -> None:
        """Add what *other* counted."""
        self.visits.update(other.visits)
        self.quiet.update(other.quiet)
        self.led.update(other.led)
        self.used.update(other.used)
        self.met.update(other.met)
        self.alone.update(other.alone)
        self.unprompted.update(other.unprompted)
        for mine, theirs in ((self.bag, other.bag), (self.answered, other.answered), (self.busy, other.busy)):
            for party, sites in theirs.items():
                mine[party].update(sites)
        for party, active in other.others.items():
            self.others[party].update(active)
        for pair, habit in other.habits.items():
            self.habits[pair] = self.habits.get(pair, NO_HABIT).plus(habit)
        self.rows.extend(other.rows)


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
class _Pending:
    """One contact, before it is known whether an agent made it."""

    party: str
    contact: Contact
    active: tuple[Cause, ...]
    visits: tuple[tuple[str, int], ...]
    unprompted: bool
    flows: int = 1
    bytes_up: int = 0
    bytes_down: int = 0
    until: int = 0


class _Day:
    """Walks through one device-day."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._open: dict[str, _Open] = {}
        self._last_any = -QUIET_MS
        self._latest: tuple[str, int] | None = None
        self._window: tuple[str, int, int] | None = None
        self.visits: list[tuple[str, int, bool]] = []
        self.led: list[tuple[str, int]] = []
        self.bag: set[tuple[str, str, int, int]] = set()
        self.answers: set[tuple[str, str, int, int]] = set()
        self.contacts: list[_Pending] = []
        self._once: dict[tuple[str, tuple[tuple[str, int], ...]], _Pending] = {}

    def walk(self, contacts: Sequence[Contact]) -> None:
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
            self.answers.add((contact.site, *latest, now))
        known = self._once.get((contact.site, visits)) if visits else None
        if known is None:
            known = _Pending(contact.site, contact, tuple((s, fresh) for s, fresh, _ in standing), visits, unprompted)
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
        for party, site, _visit, _at in self.answers:
            answered[party].add(site)
        return answered

    def agents(self) -> set[str]:
        """Return the parties that came after nearly every site of the day."""
        visited = self.visited()
        return {
            party
            for party, sites in self.answered().items()
            if len(sites) >= AGENT_SITES and len(sites) >= AGENT_SHARE * len(visited - {party})
        }


def count_device_day(
    contacts: Sequence[Contact], *, day: date, kinds: Kinds, token: Callable[[str], int], into: dict[int, Counts]
) -> None:
    """Count one device-day.

    Args:
        contacts: all of it, in order of time.
        day: its local date.
        kinds: what the party lists say.
        token: party -> token of the device over day and party.
        into: hours since 1970 UTC -> counts; what is counted is added there.
    """
    walk = _Day(kinds)
    walk.walk(contacts)
    agents = walk.agents()
    for site, at, quiet in walk.visits:
        counts = _hour_of(at, into)
        counts.visits[site] += 1
        counts.quiet[site] += quiet
    for site, at in walk.led:
        _hour_of(at, into).led[site] += 1
    for party, site, _visit, at in walk.bag:
        if party not in agents:
            _hour_of(at, into).bag[party][site] += 1
    for party, site, at in _first_answers(walk.answers):
        _hour_of(at, into).answered[party][site] += 1
    for use, at in _uses(contacts):
        _hour_of(at, into).used[use] += 1
    visited, answered = walk.visited(), walk.answered()
    # A device that changed its segment stands in one group all day.
    home = min(((contact.school, contact.group) for contact in contacts), default=("", ""))
    _count_busy(walk.visits, answered=answered, into=into)
    habits: dict[tuple[str, str], Habit] = {}
    for pending in walk.contacts:
        counts = _hour_of(pending.contact.at_ms, into)
        counts.met[pending.party] += 1
        counts.alone[pending.party] += not pending.active
        counts.unprompted[pending.party] += pending.unprompted
        if pending.active and pending.party not in agents:
            open_sites = {pending.party, *(site for site, _fresh in pending.active)}
            others = _left(visited, without=open_sites)
            _note_habit(
                pending, others=others, answered=_left(answered.get(pending.party, ()), without=open_sites), into=habits
            )
            _count_contact(pending, day=day, token=token, home=home, counts=counts)
    if habits:
        # They are of the whole day, and of which hour matters to nobody: all of a day lies in one place.
        _hour_of(walk.contacts[0].contact.at_ms, into).add(Counts(habits=habits))


def _hour_of(at: int, into: dict[int, Counts]) -> Counts:
    """Return the counts of the hour of *at*, new ones where there are none: a dozen counters, not made in vain."""
    hour = at // HOUR_MS
    counts = into.get(hour)
    if counts is None:
        counts = into[hour] = Counts()
    return counts


def _left(sites: Collection[str], *, without: set[str]) -> int:
    """Return how many of *sites* are left."""
    return len(sites) - sum(site in sites for site in without)


def _uses(contacts: Sequence[Contact]) -> list[tuple[tuple[str, str, str], int]]:
    """Return each product of the day once, with school and group of the device, and the time of the first flow."""
    first: dict[str, int] = {}
    homes: dict[str, tuple[str, str]] = {}
    for contact in contacts:
        site = contact.site
        if site.startswith(PRODUCT_MARK):
            home = (contact.school, contact.group)
            # A device that changed its segment stands in one group all the same, as in `rules.exposures`.
            homes[site] = min(homes.get(site, home), home)
            first.setdefault(site, contact.at_ms)
    return [((site, *homes[site]), at) for site, at in first.items()]


def _count_busy(
    visits: Sequence[tuple[str, int, bool]], *, answered: Mapping[str, set[str]], into: dict[int, Counts]
) -> None:
    """Count the visits of each product beside a party that followed another site on the same day."""
    products = Counter(site for site, _at, _quiet in visits if site.startswith(PRODUCT_MARK))
    if not products:
        return
    # Visits lie in several hours; what counts is their sum over the day, so any hour of it serves.
    busy = _hour_of(min(at for _site, at, _quiet in visits), into).busy
    for party, sites in answered.items():
        for product, number in products.items():
            if sites - {product}:
                busy[party][product] += number


def _first_answers(answers: set[tuple[str, str, int, int]]) -> list[tuple[str, str, int]]:
    """Return each visit that a party followed once, with the time of the first contact."""
    first: dict[tuple[str, str, int], int] = {}
    for party, site, visit, at in answers:
        key = (party, site, visit)
        first[key] = min(first.get(key, at), at)
    return [(party, site, at) for (party, site, _visit), at in first.items()]


def _note_habit(pending: _Pending, *, others: int, answered: int, into: dict[tuple[str, str], Habit]) -> None:
    """Note what the device does beside this contact: the latest speaks for the device, each for itself."""
    for product in {site for site, _fresh in pending.active if site.startswith(PRODUCT_MARK)}:
        known = into.get((pending.party, product), NO_HABIT)
        into[pending.party, product] = Habit(
            contacts=known.contacts + 1, others=others, answered=answered, beside=known.beside + (answered > 0)
        )


def _count_contact(
    pending: _Pending, *, day: date, token: Callable[[str], int], home: tuple[str, str], counts: Counts
) -> None:
    if not any(site.startswith(PRODUCT_MARK) for site, _fresh in pending.active):
        counts.others[pending.party][pending.active] += 1
        return
    contact = pending.contact
    counts.rows.append(
        Row(
            party=pending.party,
            active=pending.active,
            day=day,
            device=token(pending.party),
            school=home[0],
            group=home[1],
            at_ms=contact.at_ms,
            until_ms=pending.until,
            flows=pending.flows,
            bytes_up=pending.bytes_up,
            bytes_down=pending.bytes_down,
        )
    )
