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

from rules.contacts import PRODUCT_MARK
from rules.device_walk import DeviceWalk
from rules.habits import NO_HABIT, Habit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date

    from rules.contacts import Contact
    from rules.device_walk import Cause, Kinds, Pending

HOUR_MS: Final = 3_600_000


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
    walk = DeviceWalk(kinds)
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
    for party, site, at in walk.first_answers():
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


def _note_habit(pending: Pending, *, others: int, answered: int, into: dict[tuple[str, str], Habit]) -> None:
    """Note what the device does beside this contact: the latest speaks for the device, each for itself."""
    for product in {site for site, _fresh in pending.active if site.startswith(PRODUCT_MARK)}:
        known = into.get((pending.party, product), NO_HABIT)
        into[pending.party, product] = Habit(
            contacts=known.contacts + 1, others=others, answered=answered, beside=known.beside + (answered > 0)
        )


def _count_contact(
    pending: Pending, *, day: date, token: Callable[[str], int], home: tuple[str, str], counts: Counts
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
