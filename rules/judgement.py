"""Both stages of the engine over one rulebook: events in, a report out. The core of `check`, `run` and `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.attributed import edges_since
from rules.cases import Cases
from rules.checks.registry import all_checks
from rules.closed_contacts import closed
from rules.closed_findings import is_closed
from rules.contacts import ContactLog
from rules.district.rule import troubles
from rules.engine import Engine
from rules.estimator import Estimator
from rules.report import build_report
from rules.windows import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date, datetime

    from collector.events import FlowEvent
    from rules.cases import Closing
    from rules.coverage import Coverage
    from rules.findings import Case, Finding
    from rules.rulebook import Rulebook


class Judgement:
    """What is known about one district's vendors so far.

    Args:
        rulebook: what events are compared with.
        token_key: local date -> key of the tokens that stand for devices in that day's findings.
        known: findings of an earlier run, whose sums go on growing.
        coverage: what was seen in an earlier run.
        last_day: latest local date of an earlier run.
        today: local date that clause states speak of while no event was seen.
        contacts: whom devices met in an earlier run.
        closed: the counts of days that are over.
        until: case id -> moment up to which what was seen of it does not count; None: no case was ever forgotten.
    """

    def __init__(  # noqa: PLR0913 -- what an earlier run left is many things, each with a name
        self,
        rulebook: Rulebook,
        *,
        token_key: Callable[[date], bytes],
        today: date,
        known: Iterable[Finding] = (),
        coverage: Coverage | None = None,
        last_day: date | None = None,
        contacts: ContactLog | None = None,
        closed: Counts | None = None,
        until: Callable[[str], datetime] | None = None,
    ) -> None:
        known = tuple(known)
        self._token_key = token_key
        self._today = today
        self._until = until
        self.rulebook = rulebook
        self._estimator = Estimator(rulebook)
        self._differential: list[dict[str, Any]] = []
        self.contacts = ContactLog() if contacts is None else contacts
        self.closed = Counts() if closed is None else closed
        checks = all_checks(
            rulebook.agreements,
            party_of=rulebook.parties.find,
            country_of=rulebook.locations.country if rulebook.locations else None,
            district=rulebook.rules,
        )
        self.engine = Engine(
            register=rulebook.register,
            parties=rulebook.parties,
            network=rulebook.network,
            checks=checks,
            token_key=token_key,
            known=(finding for finding in known if not is_closed(finding)),
            meet=self.contacts.note,
        )
        self.engine.last_day = last_day
        if coverage is not None:
            self.engine.coverage = coverage
        self.cases = Cases(
            agreements=rulebook.agreements, party_of=rulebook.parties.find, checks=checks, basis=rulebook.basis,
            until=until,
        )  # fmt: skip
        self.cases.apply(known)

    @property
    def on(self) -> date:
        """Local date that clause states speak of: the last one on which something was seen."""
        return self.engine.last_day or self._today

    def judge(self, events: Iterable[FlowEvent]) -> None:
        """Take events in."""
        for event in events:
            self.engine.judge(event)

    def conclude(self) -> tuple[list[Finding], list[Case]]:
        """Return the findings that changed since the last call, and every case that is open now."""
        changed = self.engine.drain()
        self.cases.apply(changed)
        return changed, self.cases.report()

    def attribute(self) -> None:
        """Weigh anew what brought which party about: a function of all contacts so far, not of when it is called."""
        counts = self._counts()
        found = self._estimator.edges(counts)
        edges = found if self._until is None else edges_since(found, until=self._until)
        self.cases.attributed(edges)
        self._differential = self._estimator.differential(edges, counts=counts)

    def settle(self, days: Collection[date]) -> Closing:
        """Keep of the findings of these local days nothing of a device, and say what that changes."""
        self.engine.close(days)
        return self.cases.close(days)

    def _counts(self) -> Counts:
        counts = Counts()
        counts.add(self.closed)
        for day in self.contacts.days():
            for part in self._hours(day).values():
                counts.add(part)
        return counts

    def close(self, days: Iterable[date]) -> dict[date, Counts]:
        """Keep the counts of these days alone, and return them: nobody can be told apart any more."""
        credited, left = self._estimator.credited(self._counts()), {}
        for day in days:
            whole = left[day] = Counts()
            for part in self._hours(day).values():
                whole.add(part)
            beside = (row for row in self.closed.rows if row.day == day)
            whole.rows = closed(whole.rows, credited=credited, beside=beside)
            self.closed.add(whole)
            self.contacts.forget(day)
        return left

    def let_go(self, days: Collection[date], *, closed: Counts) -> None:
        """Drop the findings of these local days, and hold *closed* alone of the days that are over."""
        self.closed = closed
        self.cases.let_go(days)
        self.attribute()

    def _hours(self, day: date) -> dict[int, Counts]:
        return self._estimator.hours(self.contacts, day=day, key=self._token_key(day))

    def forget(self, cases: Collection[str]) -> None:
        """Let go of everything that was seen of *cases* (ids); what is seen later makes them anew."""
        self.engine.forget(cases)
        self.cases.forget(cases)

    def report(self, *, errors: Iterable[str] = ()) -> dict[str, Any]:
        """Return the report of everything so far, with what `attribute` found last (contract, section 5)."""
        self.conclude()
        lost = self.contacts.lost
        unweighed = (f"{lost:,} contacts found no room; attribution is incomplete",) if lost else ()
        return build_report(
            cases=self.cases,
            coverage=self.engine.coverage,
            agreements=self.rulebook.agreements,
            on=self.on,
            duplicates=self.engine.duplicates,
            differential=self._differential,
            errors=(*errors, *unweighed, *map(str, self.rulebook.warnings), *troubles(self.rulebook.rules)),
        )

    def under(self, rulebook: Rulebook) -> Judgement:
        """Return the same findings under another rulebook; later events are judged by it."""
        self.conclude()
        fresh = Judgement(
            rulebook,
            token_key=self._token_key,
            today=self._today,
            known=self.cases.findings(),
            coverage=self.engine.coverage,
            last_day=self.engine.last_day,
            contacts=self.contacts,
            closed=self.closed,
            until=self._until,
        )
        fresh.engine.seen = self.engine.seen
        return fresh
