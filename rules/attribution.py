"""Which product brought which party about. Abstains by default; a product is named only when every test agrees.

Co-occurrence accuses wrongly about half the time: pupils of a class move together, and a hub precedes everything. Three
tests must agree (docs/decisions/0018):

1. *explaining away*: in a noisy-OR model in which every site that stood open competes, leaving this product out makes
   what was seen much less likely (likelihood-ratio test, false discoveries held at one in a hundred), and the product
   brings the party in at least one of twenty visits;
2. *bag of domains*: in at least one of ten windows that the product opened on a quiet device the party came;
3. *replication*: several devices on one date, several class-hours, and several days or one day that shows it often.

A recording from a lab can stand in for one test, and one that shows the contrary keeps the product out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from math import erfc, fsum, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.hosts import registrable_domain
from rules.confounders import answers_everywhere, is_behind_hub, is_habit, pages_in, role_of, works_inside
from rules.contacts import PRODUCT_MARK, WITHHELD_SITE
from rules.edges import Candidate, Edge
from rules.exposures import exposures_of, windows_of
from rules.noisy_or import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rules.device_walk import Cause
    from rules.edges import Audience, Exposure, Lab, Standing
    from rules.exposures import Credited
    from rules.noisy_or import Fit, Weighted
    from rules.windows import Counts, Row

LATE_WEIGHT: Final = 0.3
"""Weight of a cause whose last flow is older than two seconds: most contacts come at once, some come late."""

LEAST_VISITS: Final = 10
"""Visits of a product below which nothing is said of it."""
LEAST_CONTACTS: Final = 3
LEAST_RATE: Final = 0.10
"""Share of visits, as the model estimates it: what the bag of domains asks for as well."""
LEAST_BAG: Final = 0.10
"""Share of quiet windows. The published 0.0625 accused 21 innocent pairs of 1,920 in simulation, 0.10 none."""
LEAST_BAG_WINDOWS: Final = 3
FALSE_DISCOVERIES: Final = 0.01
"""Share of wrong ones among the pairs that the likelihood-ratio test passes (Benjamini and Hochberg 1995)."""

LEAST_DEVICE_DAYS: Final = 5
LEAST_DEVICES_ONE_DAY: Final = 3
LEAST_CLASS_HOURS: Final = 3
OFTEN_ON_ONE_DAY: Final = ((8, 0.2), (6, 0.5))
"""So many contacts and such a share of visits make up for further days."""
LEAST_MOMENTS_ONE_DAY: Final = 6
MOMENT_MS: Final = 60_000
"""Contacts of one group within a minute count once for significance: a class opens a page when it is told to."""
HOUR_MS: Final = 3_600_000

CREDITED: Final = 0.5
"""Posterior from which a contact counts as the product's."""
SURE_AT_MOST: Final = 0.99

MOST_CANDIDATES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """What attribution asks about the district."""

    audience: Callable[[str, str], Audience]
    """School and group -> who sits there."""
    is_service: Callable[[str], bool]
    """A business that serves the pages of others: never a page."""
    lab: Callable[[str, str], Lab]
    """Agreement id and domain -> what recordings in a lab say."""


Patterns = dict[tuple[str, str], frozenset[tuple["Cause", ...]]]
"""Party and product -> what stood open beside the product at the contacts that are credited to it."""


class _Tested(NamedTuple):
    party: str
    product: str
    fitted: Fit
    statistic: float
    credited: list[Credited]
    moments: int
    open_for: int


def attribute(counts: Counts, *, district: District) -> tuple[Edge, ...]:
    """Return every confirmed and every suspected edge, by product and party: a function of the counts alone."""
    pages, rows, tests, pairs = _tested(counts, district=district)
    passed = _discoveries([_chance(test.statistic) for test in tests], pairs=pairs)
    edges = (
        # An edge asks for rows of its own party alone; to look for them among all would take the square of the days.
        _edge(
            test,
            significant=significant,
            counts=replace(counts, rows=rows[test.party]),
            pages=pages,
            district=district,
        )
        for test, significant in zip(tests, passed, strict=True)
    )
    return tuple(sorted((e for e in edges if e is not None), key=lambda edge: (edge.agreement, edge.party)))


def credited_patterns(counts: Counts, *, district: District) -> Patterns:
    """Return what stands open at the contacts that are credited to each product: of all that is weighed."""
    return {
        (test.party, test.product): frozenset(row.active for row, _share in test.credited)
        for test in _tested(counts, district=district).tests
    }


class _Weighing(NamedTuple):
    pages: set[str]
    rows: Mapping[str, list[Row]]
    tests: list[_Tested]
    pairs: int


def _tested(counts: Counts, *, district: District) -> _Weighing:
    """Return every product that is tested as a cause of any party."""
    pages = pages_in(counts, is_service=district.is_service)
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(counts.rows):
        rows[row.party].append(row)
    tests: list[_Tested] = []
    pairs = 0
    for party in sorted(rows):
        if answers_everywhere(counts, party=party):
            continue
        found, tried = _tests_of(party, rows=rows[party], counts=counts, pages=pages)
        tests += found
        pairs += tried
    return _Weighing(pages, rows, tests, pairs)


def _tests_of(
    party: str, *, rows: Sequence[Row], counts: Counts, pages: set[str]
) -> tuple[list[_Tested], int]:  # fmt: skip
    """Return the products that are tested as causes of *party*, and how many pairs that party makes."""
    groups: Counter[Weighted] = Counter()
    met: Counter[str] = Counter()
    for active, number in _grouped(party, rows=rows, counts=counts):
        weighted = _weighted(active, pages=pages)
        groups[weighted] += number
        met.update(dict.fromkeys((site for site, _ in weighted if site.startswith(PRODUCT_MARK)), number))
    candidates = [
        product
        for product in sorted(met)
        if counts.visits[product] >= LEAST_VISITS
        and met[product] >= LEAST_CONTACTS
        and met[product] >= LEAST_RATE * counts.visits[product] / 2
    ]
    if not candidates:
        return [], len(met)
    ordered = sorted(groups.items())
    whole = fit(ordered, visits=counts.visits)
    tests = []
    for product in candidates:
        if whole.rates[product] < LEAST_RATE / 2:
            continue
        less = fit(ordered, visits=counts.visits, without=product, start=whole)
        raw = max(0.0, 2.0 * (whole.log_likelihood - less.log_likelihood))
        credited = _credited(rows, product=product, fitted=whole, pages=pages)
        moments = _slots(credited, step_ms=MOMENT_MS)
        # A class that opens a page together gives many contacts and one observation.
        statistic = raw * moments / len(credited) if credited else 0.0
        tests.append(_Tested(party, product, whole, statistic, credited, moments, met[product]))
    return tests, len(met)


def _grouped(party: str, *, rows: Sequence[Row], counts: Counts) -> Iterable[tuple[tuple[Cause, ...], int]]:
    together = Counter(row.active for row in rows)
    together.update(counts.others.get(party, {}))
    return together.items()


def _weighted(active: tuple[Cause, ...], *, pages: set[str]) -> Weighted:
    return tuple(
        (site, 1.0 if fresh else LATE_WEIGHT)
        for site, fresh in active
        if site.startswith(PRODUCT_MARK) or site in pages
    )


def _credited(
    rows: Sequence[Row], *, product: str, fitted: Fit, pages: set[str]
) -> list[Credited]:  # fmt: skip
    known: dict[tuple[Cause, ...], float] = {}
    credited = []
    for row in rows:
        share = known.get(row.active)
        if share is None:
            share = known[row.active] = fitted.posterior(product, active=_weighted(row.active, pages=pages))
        if share >= CREDITED:
            credited.append((row, share))
    return credited


def _slots(credited: Sequence[Credited], *, step_ms: int) -> int:
    return len({(row.school, row.group, row.at_ms // step_ms) for row, _share in credited})


def _chance(statistic: float) -> float:
    """Return how likely so large a statistic is by chance: the probability is on the edge of what it may be (0)."""
    return 0.5 * erfc(sqrt(statistic / 2.0)) if statistic > 0.0 else 1.0


def _discoveries(chances: list[float], *, pairs: int) -> list[bool]:
    """Return which tests pass, with at most so many false ones among them as `FALSE_DISCOVERIES` says.

    Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    limit = 0.0
    for place, chance in enumerate(sorted(chances), start=1):
        if chance <= FALSE_DISCOVERIES * place / max(pairs, 1):
            limit = chance
    return [chance <= limit for chance in chances]


def _edge(
    test: _Tested, *, significant: bool, counts: Counts, pages: set[str], district: District
) -> Edge | None:  # fmt: skip
    if not test.credited:
        return None
    agreement = test.product.removeprefix(PRODUCT_MARK)
    credited = [row for row, _share in test.credited]
    rate = test.fitted.rates[test.product]
    quiet = counts.quiet[test.product]
    with_party = counts.bag[test.party][test.product] if test.party in counts.bag else 0
    bag = with_party / quiet if quiet else 0.0
    role = role_of(test.party, pages=pages, counts=counts)
    # Who hands its users on leads elsewhere; that is what a referral is.
    confounded = is_habit(credited, product=test.product, counts=counts) or (
        role == "party"
        and (
            is_behind_hub(credited, product=test.product, counts=counts)
            or works_inside(test.product, rates=test.fitted.rates, counts=counts)
        )
    )
    explained = significant and rate >= LEAST_RATE and not confounded
    bagged = bag >= LEAST_BAG and with_party >= LEAST_BAG_WINDOWS
    exposures = exposures_of(test.credited, audience=district.audience)
    lab = district.lab(agreement, test.party)
    standing = _standing(
        explained=explained,
        bagged=bagged,
        replicated=_is_replicated(test, exposures=exposures),
        lab=lab,
        device_days=sum(each.devices for each in exposures),
    )
    if standing is None:
        return None
    met = max(counts.met[test.party], 1)
    return Edge(
        agreement=agreement,
        party=test.party,
        subject=registrable_domain(test.party),
        role=role,
        standing=standing,
        confidence=min(fsum(share for _row, share in test.credited) / len(credited), SURE_AT_MOST),
        rate=rate,
        bag=bag,
        quiet_windows=quiet,
        statistic=test.statistic,
        visits=counts.visits[test.product],
        class_hours=_slots(test.credited, step_ms=HOUR_MS),
        near_share=len(credited) / met,
        elsewhere_share=1.0 - test.open_for / met,
        lab=lab,
        candidates=_candidates(test, pages=pages),
        exposures=exposures,
        windows=windows_of(test.credited),
    )


def _is_replicated(test: _Tested, *, exposures: Sequence[Exposure]) -> bool:
    devices: Counter[object] = Counter()
    for each in exposures:
        devices[each.day] += each.devices
    # Pseudonyms change every night: one device on five days is five device-days.
    if sum(devices.values()) < LEAST_DEVICE_DAYS or max(devices.values()) < LEAST_DEVICES_ONE_DAY:
        return False
    if len(devices) > 1:
        return _slots(test.credited, step_ms=HOUR_MS) >= LEAST_CLASS_HOURS
    if test.moments < LEAST_MOMENTS_ONE_DAY:
        return False
    contacts, rate = len(test.credited), test.fitted.rates[test.product]
    return any(contacts >= enough and rate >= often for enough, often in OFTEN_ON_ONE_DAY)


def _standing(
    *, explained: bool, bagged: bool, replicated: bool, lab: Lab, device_days: int
) -> Standing | None:  # fmt: skip
    passed = explained + bagged + replicated
    if lab == "refutes":
        return None
    if passed == 3:
        return "confirmed"
    if lab == "confirms" and (explained or bagged) and device_days >= LEAST_DEVICES_ONE_DAY:
        return "confirmed"
    # Replication alone says that many devices met the party: no reason to suspect anybody.
    return "suspected" if passed == 2 and (explained or bagged) else None


def _candidates(test: _Tested, *, pages: set[str]) -> tuple[Candidate, ...]:
    beside: Counter[str] = Counter()
    brought: defaultdict[str, float] = defaultdict(float)
    alike = Counter(_weighted(row.active, pages=pages) for row, _share in test.credited)
    for active, number in sorted(alike.items()):
        for site, _weight in active:
            # A site whose name was withheld is a rival like any other, and cannot be named to anybody.
            if site not in {test.product, WITHHELD_SITE}:
                beside[site] += number
                brought[site] += number * test.fitted.posterior(site, active=active)
    most = sorted(beside.items(), key=lambda item: (-item[1], item[0]))[:MOST_CANDIDATES]
    contacts = len(test.credited)
    return tuple(
        Candidate(
            site=site.removeprefix(PRODUCT_MARK),
            share=number / contacts,
            rate=test.fitted.rates[site],
            posterior=brought[site] / contacts,
        )
        for site, number in most
    )
