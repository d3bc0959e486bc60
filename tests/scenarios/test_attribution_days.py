"""Attribution on the open set of events against its truth: who is named, how surely, and who never is.

The set says of every flow what really caused it. Nothing here is fitted to its names, seeds or counts: what an edge of
the truth is called on the wire is found through the flows themselves.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from collector.hosts import covers, normal_name, registrable_domain
from rules import attribution
from rules.confounders import pages_in
from rules.contacts import PRODUCT_MARK, Contact, ContactLog, Met, pieces
from rules.counted import packed, unpacked
from rules.engine import Engine
from rules.estimator import Estimator
from rules.intake import read_record
from rules.noisy_or import fit
from rules.rulebook import RulebookFiles, load_rulebook
from rules.windows import Counts, count_device_day
from tests.parts.school_days.score import calibration_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from collector.events import FlowEvent
    from rules.edges import Edge
    from rules.rulebook import Rulebook

SET = Path(__file__).resolve().parents[2] / ".." / "shared" / "scenarios" / "seed12-events"

pytestmark = pytest.mark.skipif(not SET.exists(), reason="needs shared/scenarios/seed12-events beside the checkout")

KEY = b"a test"
SHUFFLES = [seed if seed < 3 else pytest.param(seed, marks=pytest.mark.long) for seed in range(20)]
SPANS = [1, pytest.param(5, marks=pytest.mark.long)]
"""Days on which orders are compared; one shows as much and takes a fifth."""

Pair = tuple[str, str]
"""Agreement and registrable domain of a party."""
Devices = dict[str, list[Contact]]


class TruthFlow(msgspec.Struct):
    """What really caused one flow."""

    ids: list[str]
    """Its events."""
    cause: tuple[str, str]
    """`vendor` or `referral` and the name of a scenario; or somebody else."""
    role: str
    """What the flow is to its cause."""
    true_name: str
    """Host."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What really happened."""

    cause: Mapping[str, str]
    """Event -> agreement of the product that caused it; other events are left out."""
    caused: frozenset[Pair]
    """Every product and third party to which it caused at least one flow."""
    sufficient: frozenset[Pair]
    """Edges that the flows are enough to know, sites that a product sends its users on to among them."""


@dataclass(frozen=True, kw_only=True)
class Days:
    """The set, judged by the real engine once."""

    rulebook: Rulebook
    estimator: Estimator
    events: Sequence[FlowEvent]
    """All but look-ups, which the engine passes by before it comes to contacts."""
    contacts: Mapping[date, Devices]
    ids: Mapping[Met, str]
    """The event of each contact."""


def judged(events: Iterable[FlowEvent], *, rulebook: Rulebook) -> tuple[ContactLog, dict[Met, str]]:
    """Return the contacts that the real engine makes of *events*, and the event of each."""
    log, ids, met = ContactLog(), dict[Met, str](), list[Met]()
    engine = Engine(
        register=rulebook.register,
        parties=rulebook.parties,
        network=rulebook.network,
        checks=(),
        token_key=lambda _day: KEY,
        meet=met.append,
    )
    for event in events:
        engine.judge(event)
        for each in met:
            log.note(each)
            ids[each] = event.id
        met.clear()
    return log, ids


def counted(contacts: Mapping[date, Devices], *, estimator: Estimator) -> tuple[Counts, list[tuple[date, str]]]:
    """Return the counts, in which the token of a device is its place in the list that comes with them."""
    hours: dict[int, Counts] = {}
    places: list[tuple[date, str]] = []
    for day in sorted(contacts):
        for device in sorted(contacts[day]):
            place = len(places)
            places.append((day, device))
            token = partial(_same, place)
            count_device_day(contacts[day][device], day=day, kinds=estimator.kinds, token=token, into=hours)
    total = Counts()
    for part in hours.values():
        total.add(part)
    return total, places


def _same(place: int, _party: str) -> int:
    return place


@pytest.fixture(scope="module")
def days() -> Days:
    """The set."""
    rulebook = load_rulebook(
        RulebookFiles(agreements=SET / "agreements", network=SET / "network.yaml", parties=(SET / "parties.yaml",))
    )
    with gzip.open(SET / "events.jsonl.gz", "rb") as lines:
        events = [read_record(line) for line in lines if b'"app":"dns"' not in line]
    log, ids = judged(events, rulebook=rulebook)
    contacts = {day: dict(log.devices(day)) for day in log.days()}
    return Days(rulebook=rulebook, estimator=Estimator(rulebook), events=events, contacts=contacts, ids=ids)


@pytest.fixture(scope="module")
def everything(days: Days) -> tuple[Counts, list[tuple[date, str]]]:
    """The counts of all days."""
    return counted(days.contacts, estimator=days.estimator)


@pytest.fixture(scope="module")
def edges(days: Days, everything: tuple[Counts, object]) -> list[Edge]:
    """Every edge to somebody else: hosts that the agreement claims, shared ones too, are nobody's third party."""
    return [edge for edge in days.estimator.edges(everything[0]) if not is_own(edge, rulebook=days.rulebook)]


def is_own(edge: Edge, *, rulebook: Rulebook) -> bool:
    """Return whether the agreement claims the party, as its own or as shared, or another host of its domain."""
    (agreement,) = (each for each in rulebook.agreements if each.id == edge.agreement)
    names = [normal_name(row.match) for row in agreement.domains]
    return any(covers(name, edge.party) or registrable_domain(name) == edge.subject for name in names)


@pytest.fixture(scope="module")
def truth(days: Days) -> Truth:
    """What really happened, in the words of the wire."""
    with gzip.open(SET / "truth_flows.jsonl.gz", "rb") as lines:
        flows = [msgspec.json.decode(line, type=TruthFlow) for line in lines]
    day = min(days.contacts)
    agreements: dict[str, str] = {}
    for flow in flows:
        if flow.role == "anchor":
            claim = days.rulebook.register.claim(flow.true_name, on=day)
            if claim is not None:
                agreements[flow.cause[1]] = claim.agreement.id
    cause: dict[str, str] = {}
    numbers: defaultdict[Pair, Counter[str]] = defaultdict(Counter)
    for flow in flows:
        agreement = agreements.get(flow.cause[1])
        if agreement is not None and flow.cause[0] in {"vendor", "referral"}:
            cause.update(dict.fromkeys(flow.ids, agreement))
            if flow.role in {"third", "site"}:
                numbers[flow.cause[1], flow.cause[0]][registrable_domain(flow.true_name)] += 1
    rows = json.loads((SET / "truth.json").read_text())["edges"]
    return Truth(
        cause=cause,
        caused=frozenset((agreements[name], party) for (name, _), found in numbers.items() for party in found),
        sufficient=frozenset(
            (agreements[row["vendor"]], _domain(row, numbers=numbers)) for row in rows if row["sufficient"]
        ),
    )


def _domain(row: dict[str, Any], *, numbers: Mapping[Pair, Counter[str]]) -> str:
    # The truth has names of its own for parties; the number of flows tells which domain is meant.
    if row["party"].startswith("ref:"):
        (domain,) = numbers[row["vendor"], "referral"]
    else:
        (domain,) = (name for name, flows in numbers[row["vendor"], "vendor"].items() if flows == row["all"])
    return domain


def test_whoever_is_named_did_it(edges: list[Edge], truth: Truth) -> None:
    named = {(edge.agreement, edge.subject) for edge in edges if edge.standing == "confirmed" and edge.role == "party"}
    wrong = named - truth.caused
    assert len(named) > 10
    assert 1 - len(wrong) / len(named) >= 0.98, f"{len(wrong)} of {len(named)} edges are wrong: {sorted(wrong)}"


def test_whoever_did_it_often_is_named(edges: list[Edge], truth: Truth) -> None:
    named = {(edge.agreement, edge.subject) for edge in edges if edge.standing == "confirmed"}
    missed = truth.sufficient - named
    assert len(truth.sufficient) > 10
    recall = 1 - len(missed) / len(truth.sufficient)
    assert recall >= 0.85, f"{recall:.2f} of {len(truth.sufficient)} edges; missed: {sorted(missed)}"


def test_a_site_that_a_product_sends_its_users_on_to_is_a_page_and_no_party(edges: list[Edge], truth: Truth) -> None:
    pages = {(edge.agreement, edge.subject) for edge in edges if edge.standing == "confirmed" and edge.role == "page"}
    assert pages
    assert pages <= truth.caused


def test_a_posterior_of_nine_tenths_is_right_nine_times_of_ten(
    days: Days, everything: tuple[Counts, list[tuple[date, str]]], edges: list[Edge], truth: Truth
) -> None:
    said = list(_posteriors(days, everything=everything, edges=edges, truth=truth))
    accused = [(share, right) for share, right, is_edge in said if is_edge]
    # Of every product that stood open, and of those alone that are named.
    for told in ([(share, right) for share, right, _is_edge in said], accused):
        error = calibration_error(told)
        assert len(told) > 1_000
        assert error <= 0.05, f"calibration error {error:.4f} over {len(told)} contacts"
    assert 0.1 < sum(right for _share, right, _is_edge in said) / len(said) < 0.9


def _posteriors(
    days: Days, *, everything: tuple[Counts, list[tuple[date, str]]], edges: list[Edge], truth: Truth
) -> Iterator[tuple[float, bool, bool]]:
    """Yield of each contact with the party of an edge, and each product that stood open: its share, and the truth.

    The last value tells whether this product and this party make an edge.
    """
    counts, places = everything
    pages = pages_in(counts, is_service=days.estimator.kinds.is_service)
    began = {(met.day, met.device, met.contact.site, met.contact.at_ms): name for met, name in days.ids.items()}
    pairs = {(edge.agreement, edge.party) for edge in edges if edge.role == "party"}
    rows = defaultdict(list)
    for row in counts.rows:
        rows[row.party].append(row)
    for party in sorted({party for _agreement, party in pairs}):
        groups = Counter[Any]()
        for active, number in attribution._grouped(party, rows=rows[party], counts=counts):
            groups[attribution._weighted(active, pages=pages)] += number
        fitted = fit(sorted(groups.items()), visits=counts.visits)
        for row in rows[party]:
            cause = truth.cause.get(began[(*places[row.device], party, row.at_ms)])
            weighted = attribution._weighted(row.active, pages=pages)
            for site, _weight in weighted:
                if site.startswith(PRODUCT_MARK):
                    agreement = site.removeprefix(PRODUCT_MARK)
                    share = fitted.posterior(site, active=weighted)
                    yield share, cause == agreement, (agreement, party) in pairs


@pytest.mark.parametrize("seed", SHUFFLES)
def test_nobody_is_named_when_each_third_party_is_met_by_other_devices(days: Days, seed: int) -> None:
    moved = {
        day: _permuted(devices, lots=Random(f"{seed}/{day}"), days=days)  # noqa: S311 -- lots of a test
        for day, devices in days.contacts.items()
    }
    counts, _places = counted(moved, estimator=days.estimator)
    named = [edge for edge in days.estimator.edges(counts) if edge.standing == "confirmed"]
    assert [(edge.agreement, edge.party, edge.rate, edge.bag) for edge in named] == []


def _permuted(devices: Devices, *, lots: Random, days: Days) -> Devices:
    """Return one date with all contacts of each third party on another device than the one that had them."""
    names = sorted(devices)
    homes = {name: (contacts[0].school, contacts[0].group) for name, contacts in devices.items()}
    moves: dict[str, dict[str, str]] = {}
    moved: Devices = {name: [] for name in names}
    for name in names:
        for contact in devices[name]:
            if contact.site.startswith(PRODUCT_MARK):
                moved[name].append(contact)
            elif not days.estimator.kinds.is_noise(contact.site):
                if contact.site not in moves:
                    order = lots.sample(names, len(names))
                    # Each goes to the next in a random order, so that none stays.
                    moves[contact.site] = dict(zip(order, (*order[1:], order[0]), strict=True))
                target = moves[contact.site][name]
                school, group = homes[target]
                moved[target].append(msgspec.structs.replace(contact, school=school, group=group))
    return {name: sorted(contacts) for name, contacts in moved.items()}


def _edges_of(log: ContactLog, *, estimator: Estimator) -> tuple[Edge, ...]:
    counts = Counts()
    for day in log.days():
        for part in estimator.hours(log, day=day, key=KEY).values():
            counts.add(part)
    return estimator.edges(counts)


@pytest.mark.parametrize("span", SPANS)
def test_order_halves_and_repeats_change_nothing(days: Days, span: int) -> None:
    dates = {str(day) for day in sorted(days.contacts)[:span]}
    events = [event for event in days.events if event.started_at[:10] in dates]
    want_log, _ids = judged(events, rulebook=days.rulebook)
    want = _edges_of(want_log, estimator=days.estimator)
    assert len([edge for edge in want if edge.standing == "confirmed"]) > 5
    mixed = Random(1).sample(events, len(events))  # noqa: S311 -- an order
    for other in (events[::-1], mixed, [event for event in events for _ in range(2)]):
        log, _ids = judged(other, rulebook=days.rulebook)
        assert _edges_of(log, estimator=days.estimator) == want
    assert _halves_of_events(mixed, days=days) == want
    assert _halves_of_devices(want_log, days=days) == want


def _halves_of_events(events: Sequence[FlowEvent], *, days: Days) -> tuple[Edge, ...]:
    """Return the edges of two halves, each judged by itself and written down, the later one read first."""
    whole, half = ContactLog(), len(events) // 2
    for part in (events[half:], events[:half]):
        _log, ids = judged(part, rulebook=days.rulebook)
        for day, octets in pieces(ids).items():
            whole.restore(day, octets)
    return _edges_of(whole, estimator=days.estimator)


def _halves_of_devices(log: ContactLog, *, days: Days) -> tuple[Edge, ...]:
    """Return the edges of two halves of the devices, whose counts went over the wire and were merged."""
    halves = ContactLog(), ContactLog()
    for day in log.days():
        for place, (device, contacts) in enumerate(log.devices(day)):
            for contact in contacts:
                halves[place % 2].note(Met(day=day, device=device, contact=contact))
    counts = Counts()
    for half in reversed(halves):
        for day in half.days():
            for part in days.estimator.hours(half, day=day, key=KEY).values():
                counts.add(unpacked(packed(part)))
    return days.estimator.edges(counts)
