"""Agreements over time: each has versions, each version takes effect at a moment, and some moments start an edition.

An edition is the set of agreements in effect between two such moments. Events are judged by the edition of the moment
at which they began, so that a replay of old events gives the verdict that it gave when they were new.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rules.matching import Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.agreements.model import Agreement

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
"""Effective time of what has always been so."""

# Live events fall into the newest editions, and a replay passes through the old ones in turn.
_REMEMBERED_REGISTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What one agreement says from a moment on, until its next version."""

    effective: datetime
    """First moment at which it counts, UTC."""
    agreement: Agreement | None
    """What it says; None: it is withdrawn from then on."""


class Editions:
    """Every version of every agreement, and the set that is in effect at any moment.

    What was in effect before the first edition nobody knows; the first one speaks for that time as well, since "no
    agreement" would be an accusation made of our own ignorance.

    Args:
        versions: id -> versions of that agreement, in any order, no two of one moment.
    """

    def __init__(self, versions: Mapping[str, Iterable[Version]]) -> None:
        self._versions = {
            key: tuple(sorted(each, key=lambda version: version.effective)) for key, each in sorted(versions.items())
        }
        self._effective = {key: [each.effective for each in held] for key, held in self._versions.items()}
        self.starts: tuple[datetime, ...] = tuple(sorted({each for held in self._effective.values() for each in held}))
        """Moment at which each edition begins, ascending."""
        self._registers: dict[int, Register] = {}

    @classmethod
    def only(cls, agreements: Iterable[Agreement]) -> Editions:
        """Return one edition that holds *agreements* at every moment."""
        return cls({each.id: (Version(effective=BEGINNING, agreement=each),) for each in agreements})

    def number(self, moment: datetime) -> int:
        """Return the number, from 0, of the edition in effect at *moment* (aware)."""
        return max(bisect_right(self.starts, moment) - 1, 0)

    def agreements(self, number: int) -> tuple[Agreement, ...]:
        """Return the agreements of one edition, by id."""
        if not self.starts:
            return ()
        found = (self._in_effect(key, at=self.starts[number]) for key in self._versions)
        return tuple(each for each in found if each is not None)

    def register(self, number: int) -> Register:
        """Return the register of one edition; those asked for last are remembered."""
        register = self._registers.pop(number, None)
        if register is None:
            register = Register(self.agreements(number))
        # The one asked for last stands last.
        self._registers[number] = register
        while len(self._registers) > _REMEMBERED_REGISTERS:
            del self._registers[next(iter(self._registers))]
        return register

    def everything(self) -> tuple[str, ...]:
        """Return the ids of all agreements of all editions, sorted."""
        return tuple(self._versions)

    def version(self, key: str, *, at: datetime) -> Agreement | None:
        """Return what agreement *key* said at a moment (aware); None: it did not exist, or was withdrawn."""
        if not self.starts:
            return None
        return self._in_effect(key, at=max(at, self.starts[0]))

    def since(self, key: str, *, at: datetime) -> Iterator[Agreement]:
        """Yield what agreement *key* said at a moment (aware) and in every later version."""
        effective = self._effective.get(key, [])
        first = max(bisect_right(effective, at) - 1, 0)
        yield from (each.agreement for each in self._versions.get(key, ())[first:] if each.agreement is not None)

    def _in_effect(self, key: str, *, at: datetime) -> Agreement | None:
        place = bisect_right(self._effective.get(key, []), at)
        return self._versions[key][place - 1].agreement if place else None
