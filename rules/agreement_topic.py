"""What the agreements topic comes to: the last good record of every agreement, and never a set that contradicts itself.

A record that cannot be used, or that claims a name which another agreement holds at the same time, replaces nothing. It
waits: when a later record makes it right, it counts. What comes out depends on the records and their order and not on
the portions in which they were read, so every process comes to the same set.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from collector.problems import on_one_line, shown
from rules.agreements.load import overlap, own_names
from rules.editions import Editions
from rules.published import RefusedRecordError, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.agreements.model import Agreement
    from rules.published import History, RefusalReason

_END = datetime.max.replace(tzinfo=UTC)


class TopicRecord(NamedTuple):
    """One record of the topic, in the order of the topic. Untrusted."""

    key: bytes | None
    """Its key."""
    value: bytes | None
    """Its octets; None: a tombstone."""
    offset: int
    """Its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record that is not used."""

    key: bytes | None
    """Its key."""
    offset: int
    """Its place."""
    reason: RefusalReason
    """Why, for counting."""
    what: str
    """Why, for people."""

    def __str__(self) -> str:
        name = "without a key" if self.key is None else f"of {shown(self.key.decode(errors='replace'))}"
        return on_one_line(f"the record {name} at offset {self.offset} is not used: {self.what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a portion of records did."""

    changed: bool
    """The set is another one now."""
    refusals: tuple[Refusal, ...]
    """Records of the portion that are not used."""


class Claim(NamedTuple):
    """A name that an agreement claims, while one of its versions is in effect."""

    key: str
    since: datetime
    until: datetime
    agreement: Agreement


class AgreementTopic:
    """The agreements of the topic, as far as it was read."""

    def __init__(self) -> None:
        self.held: dict[str, History] = {}
        """The last good record of each agreement; together they do not contradict each other."""
        self.broken: dict[bytes | None, Refusal] = {}
        """Keys whose last record is not used."""
        self._waiting: dict[str, tuple[int, History]] = {}
        self._known: dict[str, Agreement] = {}

    @property
    def editions(self) -> Editions | None:
        """The agreements over time; None: the topic holds none that can be used."""
        versions = {key: history.versions for key, history in self.held.items()}
        return Editions(versions) if any(versions.values()) else None

    def take(self, records: Iterable[TopicRecord]) -> Taken:
        """Read on. Records that were written in one transaction are best given together."""
        before = dict(self.held)
        readable: list[tuple[int, History]] = []
        refusals: list[Refusal] = []
        for key, value, offset in records:
            self.broken.pop(key, None)
            try:
                readable.append((offset, read_record(key, value, known=self._known)))
            except RefusedRecordError as error:
                refusal = Refusal(key=key, offset=offset, reason=error.reason, what=str(error))
                self.broken[key] = refusal
                refusals.append(refusal)
        self._settle(readable)
        fresh = {offset for offset, _history in readable}
        self.broken = {key: told for key, told in self.broken.items() if told.reason != "conflict"}
        for offset, history in self._waiting.values():
            refusal = self._conflict(offset, history)
            self.broken.setdefault(refusal.key, refusal)
            if offset in fresh:
                refusals.append(refusal)
        in_use = {told.sha256 for each in self._all() for told in each.record.versions if told.sha256}
        self._known = {digest: self._known[digest] for digest in in_use if digest in self._known}
        return Taken(changed=self.held != before, refusals=tuple(sorted(refusals, key=lambda each: each.offset)))

    def _settle(self, readable: list[tuple[int, History]]) -> None:
        """Let records count that contradict nothing."""
        newest = {**self._waiting, **{each[1].record.id: each for each in readable}}
        together = self.held | {key: history for key, (_offset, history) in newest.items()}
        if not any(conflicts(together)):
            # Taken one by one they come to the same: the last step would be to try just this.
            self.held, self._waiting = together, {}
            return
        for offset, history in readable:
            # The newest waits last.
            self._waiting.pop(history.record.id, None)
            self._waiting[history.record.id] = (offset, history)
            self._let_in()

    def _let_in(self) -> None:
        together = self.held | {key: history for key, (_offset, history) in self._waiting.items()}
        if not any(conflicts(together)):
            self.held, self._waiting = together, {}
            return
        moved = True
        while moved:
            moved = False
            for key, (_offset, history) in tuple(self._waiting.items()):
                if not any(conflicts(self.held | {key: history})):
                    self.held = self.held | {key: history}
                    del self._waiting[key]
                    moved = True

    def _conflict(self, offset: int, history: History) -> Refusal:
        key = history.record.id
        told = next(conflicts(self.held | {key: history}), "it contradicts another agreement")
        return Refusal(key=key.encode(), offset=offset, reason="conflict", what=told)

    def _all(self) -> Iterator[History]:
        yield from self.held.values()
        yield from (history for _offset, history in self._waiting.values())


def conflicts(histories: Mapping[str, History]) -> Iterator[str]:
    """Yield, for people, every name that two agreements claim at the same time."""
    claims: defaultdict[str, defaultdict[str, list[Claim]]] = defaultdict(lambda: defaultdict(list))
    for key in sorted(histories):
        versions = histories[key].versions
        ends = [version.effective for version in versions[1:]] + [_END]
        for version, until in zip(versions, ends, strict=False):
            if version.agreement is None:
                continue
            for _place, name in own_names(version.agreement):
                claims[name][key].append(Claim(key, version.effective, until, version.agreement))
    for name in sorted(claims):
        for one, other in combinations(claims[name], 2):
            if any(_meet(here, there) for here in claims[name][one] for there in claims[name][other]):
                yield f"{shown(name)} is claimed by {one} and by {other} for the same time"


def _meet(one: Claim, other: Claim) -> bool:
    return one.since < other.until and other.since < one.until and overlap(one.agreement, other.agreement)
