"""Runs looks side by side, each for a bounded time, and shows a person who waits which are still under way."""

from __future__ import annotations

import queue
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from collector.outcomes import Outcome, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.status import Status

# Whoever does not answer for so long answers nobody.
LIMIT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look."""

    name: str
    """One word, as it is printed."""
    look: Callable[[], Iterable[Outcome]]
    """Does it; may take as long as it likes, and is left alone after its limit."""
    limit_s: float = LIMIT_S
    """How long it is waited for; longer than others only where it works and does not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look showed."""

    check: str
    outcomes: tuple[Outcome, ...]
    seconds: float
    """How long it took."""


def make_rounds(checks: Sequence[Check]) -> list[Seen]:
    """Do all looks at once and return what they showed, in their order; one without an answer in time is a problem."""
    done: queue.SimpleQueue[Seen] = queue.SimpleQueue()
    began = time.monotonic()
    for check in checks:
        # A thread that hangs in a system call cannot be ended; as a daemon it keeps nobody from leaving.
        threading.Thread(target=_do, args=(check, done), name=f"doctor-{check.name}", daemon=True).start()
    seen: dict[str, Seen] = {}
    with _Waiting(check.name for check in checks) as waiting:
        while left := [check for check in checks if check.name not in seen]:
            limit_s = max(check.limit_s for check in left)
            try:
                one = done.get(timeout=max(0.0, began + limit_s - time.monotonic()))
            except queue.Empty:
                break
            seen[one.check] = one
            waiting.answered(one.check)
    return [seen.get(check.name) or _silent(check) for check in checks]


def _do(check: Check, done: queue.SimpleQueue[Seen]) -> None:
    began = time.monotonic()
    outcomes: tuple[Outcome, ...] = (
        failed("this check itself failed", remedy="report what it says above as a fault of Schoolgate"),
    )
    try:
        outcomes = tuple(check.look())
    finally:
        # A slip of ours ends this thread with all that Python says of it, and nobody waits for its answer in vain.
        done.put(Seen(check=check.name, outcomes=outcomes, seconds=time.monotonic() - began))


def _silent(check: Check) -> Seen:
    outcome = failed(f"no answer within {check.limit_s:g} s", remedy="see whether what is asked there hangs")
    return Seen(check=check.name, outcomes=(outcome,), seconds=check.limit_s)


class _Waiting:
    """A line on standard error that says what is still under way; none where nobody is looking."""

    def __init__(self, names: Iterable[str]) -> None:
        self._left = list(names)
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 -- most runs have nobody watching

            self._status = Console(stderr=True).status(self._words)
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def answered(self, name: str) -> None:
        self._left.remove(name)
        if self._status:
            self._status.update(self._words)

    @property
    def _words(self) -> str:
        return f"looking at {', '.join(self._left)}"


def problems(seen: Iterable[Seen]) -> Iterator[Outcome]:
    """Yield every problem."""
    for one in seen:
        yield from (outcome for outcome in one.outcomes if outcome.state == "problem")
