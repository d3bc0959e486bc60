"""Both stages of the engine over one rulebook: events in, a report out. The core of `check`, `run` and `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.cases import Cases
from rules.checks.registry import all_checks
from rules.engine import Engine
from rules.report import build_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from collector.events import FlowEvent
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
    """

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        token_key: Callable[[date], bytes],
        today: date,
        known: Iterable[Finding] = (),
        coverage: Coverage | None = None,
        last_day: date | None = None,
    ) -> None:
        known = tuple(known)
        self._token_key = token_key
        self._today = today
        self.rulebook = rulebook
        checks = all_checks(
            rulebook.agreements,
            party_of=rulebook.parties.find,
            country_of=rulebook.locations.country if rulebook.locations else None,
        )
        self.engine = Engine(
            register=rulebook.register,
            parties=rulebook.parties,
            network=rulebook.network,
            checks=checks,
            token_key=token_key,
            known=known,
        )
        self.engine.last_day = last_day
        if coverage is not None:
            self.engine.coverage = coverage
        self.cases = Cases(agreements=rulebook.agreements, party_of=rulebook.parties.find, checks=checks)
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

    def report(self, *, errors: Iterable[str] = ()) -> dict[str, Any]:
        """Return the report of everything so far (contract, section 5)."""
        self.conclude()
        return build_report(
            cases=self.cases,
            coverage=self.engine.coverage,
            agreements=self.rulebook.agreements,
            on=self.on,
            duplicates=self.engine.duplicates,
            errors=errors,
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
        )
        fresh.engine.seen = self.engine.seen
        return fresh
