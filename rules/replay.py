"""Takes whole inputs through the embedded service: goes on where an earlier run stopped, and commits often."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from collector.documents import DocumentError
from rules.district.rule import untold
from rules.store import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from collector.events import FlowEvent
    from rules.rulebook import Rulebook, RulebookWatch
    from rules.service import EmbeddedService
    from rules.store import Store

COMMIT_EVENTS = 5_000
COMMIT_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
"""How often the agreement, party and network files are looked at for changes."""


class Events(Protocol):
    """Batches of events, from wherever they come."""

    def batches(self) -> Iterator[Sequence[FlowEvent]]:
        """Yield them, those of a capture in an order that is the same every time."""
        ...


class Input(Events, Protocol):
    """One capture, as a sequence of batches of events."""

    name: str
    """File name, for people."""
    sha256: str
    """Hash of its octets: the same capture is known again by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the surroundings want to be told."""

    say: Callable[[str], None]
    """Shows one line to a person."""
    before_commit: Callable[[], None]
    """Runs before anything is written: whatever the events rest on (keys) must be safe first."""
    rulebook: Callable[[Rulebook], None]
    """The files changed and are read again."""


class Replay:
    """Runs inputs through a service.

    Args:
        service: judges and commits.
        store: tells how far an input was judged before.
        watch: notices changed files.
        hooks: the surroundings.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        service: EmbeddedService,
        *,
        store: Store,
        watch: RulebookWatch,
        hooks: Hooks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._store = store
        self._watch = watch
        self._hooks = hooks
        self._clock = clock
        self._looked = clock()
        self.stopping = False
        """Set it, and the replay ends after the batch in hand, everything judged so far committed."""

    def take(self, source: Input) -> bool:
        """Judge all of *source*, or what an earlier run left of it; return False when stopped before its end."""
        before = self._store.position(source.sha256)
        if before is not None and before.finished:
            self._hooks.say(f"{source.name}: judged before ({before.events:,} events); skipped")
            return True
        skip = before.events if before else 0
        if skip:
            self._hooks.say(f"{source.name}: an earlier run stopped after {skip:,} events; going on from there")
        done, pending, committed_at = 0, 0, self._clock()
        for batch in source.batches():
            fresh = batch[max(0, skip - done) :]
            done += len(batch)
            self._service.judge(fresh)
            pending += len(fresh)
            if pending >= COMMIT_EVENTS or self._clock() - committed_at >= COMMIT_EVERY_S or self.stopping:
                self._commit(_position(source, events=max(done, skip), finished=False))
                pending, committed_at = 0, self._clock()
            if self.stopping:
                return False
            self.look()
        self._commit(_position(source, events=done, finished=True))
        return True

    def follow(self, source: Events) -> None:
        """Judge what *source* gives for as long as it gives anything; whoever stops it stops this."""
        pending, committed_at = 0, self._clock()
        for batch in source.batches():
            if batch:
                self._service.judge(batch)
            pending += len(batch)
            is_due = self._clock() - committed_at >= COMMIT_EVERY_S and (pending or self._service.waits)
            if pending >= COMMIT_EVENTS or is_due:
                self._commit(None)
                pending, committed_at = 0, self._clock()
            self.look()
        self._commit(None)

    def look(self) -> None:
        """Read agreement, party and network files again if they changed; a bad file never replaces a good one."""
        now = self._clock()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        try:
            rulebook = self._watch.look()
        except DocumentError as error:
            for problem in error.problems:
                self._hooks.say(str(problem))
            self._hooks.say("the changed files have problems; going on with what was read before")
            return
        if rulebook is not None:
            self._hooks.rulebook(rulebook)
            self._hooks.before_commit()
            changes = self._service.replace(rulebook)
            self._hooks.say(
                f"agreements, parties and network read again: {len(changes.opened)} cases opened, "
                f"{len(changes.withdrawn)} withdrawn"
            )

    def _commit(self, position: Position | None) -> None:
        self._hooks.before_commit()
        self._service.commit(position)
        for trouble in untold(self._service.rules):
            self._hooks.say(trouble)


def _position(source: Input, *, events: int, finished: bool) -> Position:
    return Position(sha256=source.sha256, name=source.name, events=events, finished=finished)
