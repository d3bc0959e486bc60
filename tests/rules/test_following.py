"""A live input through the embedded service: its last events are weighed though nothing follows them."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from rules.checks.example import SCHOOL_DAY, among_others, event, lessons
from rules.findings import RULES
from rules.metrics import RulesMetrics
from rules.rehearsal import world
from rules.replay import Hooks, Replay
from rules.rulebook import RulebookFiles, RulebookWatch
from rules.service import QUIET_S, EmbeddedService
from rules.store import Store
from rules.versions import OPEN
from tests.rules.made_contacts import PARTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.events import FlowEvent


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Following:
    """A live input that gives its events in shares, then nothing for a while; cases are looked at meanwhile."""

    def __init__(self, store: Store, *, clock: Clock, shares: Sequence[Sequence[FlowEvent]], quiet_s: float) -> None:
        self.attributed: list[set[str]] = []
        """Rules of the cases that rest on attribution: after each share, and after each second of silence."""
        self._store = store
        self._clock = clock
        self._shares = shares
        self._quiet_s = quiet_s

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        for share in (*self._shares, *([()] * int(self._quiet_s))):
            # A second and a half for each share: it is committed before the next one comes.
            yield share
            self._clock.seconds += 1.5 if share else 1.0
            yield ()
            self.attributed.append(self._cases())

    def _cases(self) -> set[str]:
        bodies = [json.loads(row.body) for row in self._store.cases().values() if row.state == OPEN]
        return {case["rule"] for case in bodies if case["subject"] == PARTY}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    made = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    yield made
    made.close()


def followed(store: Store, shares: Sequence[Sequence[FlowEvent]], *, quiet_s: float, folder: Path) -> list[set[str]]:
    """Return the attributed cases while *shares* come and *quiet_s* of silence pass."""
    clock = Clock()
    service = EmbeddedService(
        store=store,
        rulebook=world().rulebook,
        token_key=lambda _day: bytes(32),
        today=date.fromisoformat(SCHOOL_DAY),
        metrics=RulesMetrics(CollectorRegistry(), rules=RULES, version="1", compiled=False),
        clock=clock,
    )
    source = Following(store, clock=clock, shares=shares, quiet_s=quiet_s)
    files = RulebookFiles(agreements=folder, network=folder / "network.yaml")
    hooks = Hooks(say=lambda _words: None, before_commit=lambda: None, rulebook=lambda _book: None)
    Replay(service, store=store, watch=RulebookWatch(files), hooks=hooks, clock=clock).follow(source)
    return source.attributed


def shares() -> list[list[FlowEvent]]:
    """Return three days of a class that meets an advertising company with each visit; the latest event comes first."""
    scene = among_others(lessons("app.mathlab.example", brings=("t.adco.example",)))
    told = sorted(
        (event(changes, number=number) for number, changes in enumerate(scene)), key=lambda each: each.started_at
    )
    # What follows lies in no later hour: no passing of time would ever weigh it.
    return [told[-1:], told[:-1]]


def test_what_came_last_is_weighed_once_nothing_more_comes(store: Store, tmp_path: Path) -> None:
    told = followed(store, shares(), quiet_s=QUIET_S + 5, folder=tmp_path)
    silent = int(QUIET_S)
    assert told[: silent - 1] == [set()] * (silent - 1)
    assert told[-1]
    assert told[-5:] == [told[-1]] * 5


def test_a_short_pause_weighs_nothing(store: Store, tmp_path: Path) -> None:
    assert not any(followed(store, shares(), quiet_s=QUIET_S - 3, folder=tmp_path))
