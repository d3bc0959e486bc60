"""Attribution on generated school days with every twist, of seeds that nobody has tuned on, against their truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from collector.hosts import covers, normal_name, registrable_domain
from collector.segments import parse_network
from rules.contacts import ContactLog
from rules.engine import Engine
from rules.estimator import Estimator
from rules.matching import Register
from rules.parties import PartyTable, parties_in
from rules.rulebook import Rulebook
from rules.windows import Counts
from tests.parts.school_days import ALL_TWISTS, SchoolDays, school_days
from tests.parts.school_days.score import Accusation, Scores, score

if TYPE_CHECKING:
    from rules.agreements.model import Agreement
    from rules.edges import Edge

KEY = b"a test"
SEEDS = [9137, pytest.param(9406, marks=pytest.mark.long), pytest.param(9811, marks=pytest.mark.long)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One set of days and what attribution says of it."""

    days: SchoolDays
    edges: tuple[Edge, ...]
    """Every edge, to hosts of the agreement itself left out."""
    scores: Scores
    """Of the edges to parties; sites that a product sends its users on to are not among them."""

    @property
    def figures(self) -> str:
        """What to read when a test fails."""
        told = self.scores
        return (
            f"seed {self.days.seed}: precision {told.precision:.3f} of {told.confirmed}, recall {told.recall:.3f} of "
            f"{told.sufficient}, calibration error {told.calibration_error:.3f}, wrongful {told.wrongful}, "
            f"missed {told.missed}"
        )


def rulebook_of(days: SchoolDays) -> Rulebook:
    """Return what the product reads of the days' files."""
    agreements = days.agreements
    return Rulebook(
        agreements=agreements,
        register=Register(agreements),
        parties=PartyTable(parties_in(days.papers.parties, path="parties.yaml")),
        network=parse_network(days.papers.network, path="network.yaml"),
        locations=None,
    )


def judged(days: SchoolDays) -> Judged:
    """Return what the real engine and the estimator make of the days."""
    rulebook = rulebook_of(days)
    log, counts = ContactLog(), Counts()
    engine = Engine(
        register=rulebook.register,
        parties=rulebook.parties,
        network=rulebook.network,
        checks=(),
        token_key=lambda _day: KEY,
        meet=log.note,
    )
    for event in days.events():
        engine.judge(event)
    estimator = Estimator(rulebook)
    for day in log.days():
        for part in estimator.hours(log, day=day, key=KEY).values():
            counts.add(part)
    agreements = {agreement.id: agreement for agreement in rulebook.agreements}
    edges = tuple(edge for edge in estimator.edges(counts) if not is_own(edge, agreement=agreements[edge.agreement]))
    said = (
        Accusation(
            agreement=edge.agreement,
            party=edge.subject,
            confidence=edge.confidence,
            confirmed=edge.standing == "confirmed",
        )
        for edge in edges
        if edge.role == "party"
    )
    return Judged(days=days, edges=edges, scores=score(days.truth, said))


def is_own(edge: Edge, *, agreement: Agreement) -> bool:
    """Return whether the agreement claims the party, as its own or as shared, or another host of its domain."""
    names = [normal_name(row.match) for row in agreement.domains]
    return any(covers(name, edge.party) or registrable_domain(name) == edge.subject for name in names)


@pytest.fixture(scope="module", params=SEEDS)
def hard_days(request: pytest.FixtureRequest) -> Judged:
    """A small district with every twist, three days of it."""
    return judged(school_days(seed=request.param, devices=120, days=3, twists=ALL_TWISTS))


def test_nobody_is_accused_wrongly(hard_days: Judged) -> None:
    assert hard_days.scores.wrongful == (), hard_days.figures
    assert hard_days.scores.precision >= 0.98, hard_days.figures


def test_most_of_what_can_be_known_is_found(hard_days: Judged) -> None:
    assert hard_days.scores.sufficient >= 5, hard_days.figures
    assert hard_days.scores.recall >= 0.6, hard_days.figures


@pytest.mark.parametrize("seed", SEEDS)
def test_products_that_embed_nothing_are_never_named(seed: int) -> None:
    # A connection that a page opens and asks nothing on is the page's doing all the same, so there is none here.
    twists = (ALL_TWISTS - {"widget", "preconnect"}) | {"clean-products"}
    clean = judged(school_days(seed=seed, devices=60, days=2, twists=twists))
    named = [(edge.agreement, edge.party) for edge in clean.edges if edge.standing == "confirmed"]
    sent = {(referral.agreement, referral.site) for referral in clean.days.truth.referrals}
    assert clean.days.truth.edges == ()
    assert sorted(set(named) - sent) == [], clean.figures
