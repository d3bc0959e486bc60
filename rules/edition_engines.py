"""One engine for each edition of the agreements: an event goes to that of the moment at which it began.

Their sums add up like those of engines for different devices: what falls under one id in two editions (the same
promise, broken by the same device on the day of the change) is one finding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rules.coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from collector.events import FlowEvent
    from rules.engine import Engine
    from rules.findings import Finding
    from rules.rulebook import Rulebook

# Engines that stay ready between two portions; one that is needed again is made again, with empty sums as before.
MAX_READY = 4


class EditionEngines:
    """Judges events, each by the agreements of its own time.

    Args:
        rulebook: what events are compared with.
        make: makes the engine of a rulebook that has one edition.
    """

    def __init__(self, rulebook: Rulebook, *, make: Callable[[Rulebook], Engine]) -> None:
        self._rulebook = rulebook
        self._editions = rulebook.editions
        self._make = make
        self._engines: dict[int, Engine] = {}
        self.last_day: date | None = None
        """Latest local date on which a flow began."""

    def judge_new(self, event: FlowEvent, *, started: datetime) -> None:
        """Judge one event whose id the caller has compared with those judged before.

        Args:
            event: the event.
            started: when it began, in the district's time zone.
        """
        number = 0 if self._editions is None else self._editions.number(started)
        engine = self._engines.get(number)
        if engine is None:
            engine = self._engines[number] = self._make(self._edition(number))
        engine.judge_new(event, started=started)

    def take(self) -> tuple[list[Finding], Coverage]:
        """Return what was summed since the last call, by id, and forget it."""
        coverage = Coverage()
        sums: dict[str, Finding] = {}
        for engine in self._engines.values():
            findings, seen = engine.take()
            coverage.add(seen)
            for found in findings:
                before = sums.get(found.id)
                sums[found.id] = found if before is None else added(before, found)
            if engine.last_day is not None and (self.last_day is None or engine.last_day > self.last_day):
                self.last_day = engine.last_day
            engine.last_day = None
        for number in sorted(self._engines)[:-MAX_READY]:
            del self._engines[number]
        return [sums[key] for key in sorted(sums)], coverage

    def _edition(self, number: int) -> Rulebook:
        if self._editions is None:
            return self._rulebook
        register = self._editions.register(number)
        return replace(self._rulebook, agreements=register.agreements, register=register, editions=None)


def added(one: Finding, other: Finding) -> Finding:
    """Return the sum of two portions of one finding."""
    return replace(
        one,
        flows=one.flows + other.flows,
        bytes_up=one.bytes_up + other.bytes_up,
        bytes_down=one.bytes_down + other.bytes_down,
        first_seen=min(one.first_seen, other.first_seen),
        last_seen=max(one.last_seen, other.last_seen),
    )
