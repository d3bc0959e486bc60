"""Plays events through the real engine in the little world of `rules.checks.example`, for examples and tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from collector.documents import parse
from collector.segments import Network, NetworkFile
from rules.agreements.model import Agreement
from rules.cases import Cases
from rules.checks.example import COUNTRIES, NETWORK, PARTIES, agreement_document, event
from rules.checks.registry import all_checks
from rules.contacts import ContactLog
from rules.engine import Engine
from rules.estimator import Estimator
from rules.matching import Register
from rules.parties import PartyTable, parties_in
from rules.rulebook import Rulebook
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.checks.base import Check
    from rules.edges import Edge
    from rules.findings import Finding

# Tokens of a rehearsal stand for devices that do not exist.
TOKEN_KEY = b"rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One district: what was promised, who is who, and the rules."""

    agreements: tuple[Agreement, ...]
    """What was promised."""
    register: Register
    """The agreements by host."""
    parties: PartyTable
    """Who is who."""
    network: Network
    """Schools, groups, calendar."""
    checks: tuple[Check, ...]
    """Every rule."""

    @property
    def rulebook(self) -> Rulebook:
        """All that events are compared with."""
        return Rulebook(
            agreements=self.agreements,
            register=self.register,
            parties=self.parties,
            network=self.network,
            locations=None,
        )

    def engine(self, *, known: Iterable[Finding] = (), contacts: ContactLog | None = None) -> Engine:
        """Return a new engine."""
        return Engine(
            register=self.register,
            parties=self.parties,
            network=self.network,
            checks=self.checks,
            token_key=lambda _day: TOKEN_KEY,
            known=known,
            meet=None if contacts is None else contacts.note,
        )

    def cases(self, findings: Iterable[Finding] = ()) -> Cases:
        """Return the cases that *findings* make."""
        cases = Cases(agreements=self.agreements, party_of=self.parties.find, checks=self.checks)
        cases.apply(findings)
        return cases

    def play(self, events: Iterable[Mapping[str, object]]) -> Cases:
        """Return the cases that come of events: changes of each to the example event."""
        contacts = ContactLog()
        engine = self.engine(contacts=contacts)
        for number, changes in enumerate(events):
            engine.judge(event(changes, number=number))
        cases = self.cases(engine.drain())
        cases.attributed(self.edges(contacts))
        return cases

    def edges(self, contacts: ContactLog) -> tuple[Edge, ...]:
        """Return what attribution says of *contacts*."""
        estimator, counts = Estimator(self.rulebook), Counts()
        for day in contacts.days():
            for part in estimator.hours(contacts, day=day, key=TOKEN_KEY).values():
                counts.add(part)
        return estimator.edges(counts)


def world(*agreements: Mapping[str, object]) -> World:
    """Return the example district with one agreement per mapping of changes; without any, the example agreement.

    Raises:
        DocumentError: a change makes the agreement wrong.
    """
    known = tuple(_agreement(json.dumps(agreement_document(changes))) for changes in agreements or ({},))
    parties = _parties()
    return World(
        agreements=known,
        register=Register(known),
        parties=parties,
        network=_network(),
        checks=all_checks(known, party_of=parties.find, country_of=COUNTRIES.get),
    )


# Reading costs a tenth of a second, and nobody can change what was read.
# JSON is YAML, so an example passes the same gate as a district's own file.
@cache
def _parties() -> PartyTable:
    return PartyTable(parties_in(json.dumps(PARTIES), path="example parties"))


@cache
def _network() -> Network:
    return Network(parse(json.dumps(NETWORK), path="example network", model=NetworkFile))


@cache
def _agreement(text: str) -> Agreement:
    return parse(text, path="example agreement", model=Agreement)
