"""The outbox in the store: what is still to be told on which channel, how each channel fares, what was told when.

A case is told of when a device did something, so what is over is kept to the quarter of an hour: what was due at once,
what was told, since when a channel fails. When something is tried again stays exact for as long as it is to be tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from rules.notify.planning import Item
from rules.small_numbers import STEP_S
from rules.store.database import POSTGRESQL
from rules.store.schema import notify_channels, outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rules.store.database import Database

KEPT_S: Final = 400 * 86_400
"""What was told when is kept for a year and a month."""
LONGEST_REASON: Final = 500
# Below what either database takes as parameters of one statement.
PORTION: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One item that a channel has not told yet."""

    item: Item
    """What."""
    attempts: int
    """How often it was refused."""
    retry_at: int
    """When it is tried again, seconds since 1970; 0: it was never refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How one channel fares."""

    name: str
    """The channel."""
    since: int
    """When it was first set up, seconds since 1970."""
    planned: int
    """Up to this entry the case log was read for it; for an Alertmanager: it knows of everything up to here."""
    attempts: int
    """How often it has failed without a success between."""
    failing_since: int | None
    """Quarter of an hour since when nothing gets through, seconds since 1970; None: it works."""
    retry_at: int
    """When it is tried again, seconds since 1970."""
    reason: str
    """Why it fails, as its server said; empty: it works. Untrusted: escape before showing."""


class Outbox:
    """The outbox of one store.

    Args:
        database: the store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def channel(self, name: str) -> ChannelState | None:
        """Return how a channel fares, None: it is new."""
        with self._database.reading() as connection:
            row = (
                connection.execute(sa.select(notify_channels).where(notify_channels.c.name == name)).mappings().first()
            )
            return ChannelState(**row) if row else None

    def plan(self, name: str, items: Sequence[Item], *, planned: int, now: int) -> ChannelState:
        """Write down what a channel has to tell, and up to where the log was read for it; return how it fares.

        Args:
            name: the channel; a new one begins now.
            items: what it has to tell; what is there already stays as it is.
            planned: entry of the log; a channel never goes back.
            now: seconds since 1970.
        """
        begun: dict[str, object] = {"name": name, "since": now, "planned": planned}
        rows: list[dict[str, object]] = [
            {
                "channel": name, "item": item.name, "seq": item.seq, "case_id": item.case_id,
                # The end of quiet hours, a moment that somebody chose, stays.
                "due_at": _quarter(item.due_at) if item.due_at <= now else item.due_at,
            }
            for item in items
        ]  # fmt: skip
        kept = notify_channels.c
        with self._database.writing() as connection:
            _insert_new(connection, outbox, rows)
            _insert_new(connection, notify_channels, [begun])
            connection.execute(
                sa.update(notify_channels).where(kept.name == name, kept.planned < planned).values(planned=planned)
            )
            told = outbox.c.sent_at
            connection.execute(sa.delete(outbox).where(told.is_not(None), told < now - KEPT_S))
            state = connection.execute(sa.select(notify_channels).where(kept.name == name)).mappings().one()
            return ChannelState(**state)

    def waiting(self, name: str) -> list[Waiting]:
        """Return what a channel has not told yet."""
        kept = outbox.c
        asked = sa.select(kept.item, kept.seq, kept.case_id, kept.due_at, kept.attempts, kept.retry_at)
        with self._database.reading() as connection:
            rows = connection.execute(asked.where(kept.channel == name, kept.sent_at.is_(None)).order_by(kept.seq))
            return [
                Waiting(
                    item=Item(name=row.item, seq=row.seq, case_id=row.case_id, due_at=row.due_at),
                    attempts=row.attempts,
                    retry_at=row.retry_at,
                )
                for row in rows
            ]

    def sent(self, name: str, items: Iterable[str], *, now: int) -> None:
        """Write down that items were told on a channel, which therefore works."""
        due = outbox.c.due_at
        done = {"sent_at": _quarter(now), "due_at": due - due % STEP_S, "retry_at": 0, "reason": ""}
        with self._database.writing() as connection:
            for portion in _portions(list(items)):
                chosen = sa.and_(outbox.c.channel == name, outbox.c.item.in_(portion))
                connection.execute(sa.update(outbox).where(chosen).values(**done))
            _works(connection, name)

    def refused(self, name: str, items: Iterable[str], *, attempts: int, reason: str, retry_at: int) -> None:
        """Write down that a channel works and refused these items."""
        values = {"attempts": attempts, "reason": reason[:LONGEST_REASON], "retry_at": retry_at}
        with self._database.writing() as connection:
            for portion in _portions(list(items)):
                chosen = sa.and_(outbox.c.channel == name, outbox.c.item.in_(portion))
                connection.execute(sa.update(outbox).where(chosen).values(**values))

    def failed(self, name: str, *, attempts: int, reason: str, retry_at: int, now: int) -> None:
        """Write down that nothing gets through on a channel."""
        kept = notify_channels.c
        values = {
            "attempts": attempts,
            "failing_since": sa.func.coalesce(kept.failing_since, _quarter(now)),
            "retry_at": retry_at,
            "reason": reason[:LONGEST_REASON],
        }
        with self._database.writing() as connection:
            # An Alertmanager that never answered has told nobody how far it was told.
            _insert_new(connection, notify_channels, [{"name": name, "since": now, "planned": 0}])
            connection.execute(sa.update(notify_channels).where(kept.name == name).values(**values))

    def begin_again(self, names: Iterable[str]) -> None:
        """Let whoever begins to send try everything at once: somebody may just have mended what was wrong."""
        anew = {"attempts": 0, "retry_at": 0}
        with self._database.writing() as connection:
            for portion in _portions(list(names)):
                unsent = sa.and_(outbox.c.channel.in_(portion), outbox.c.sent_at.is_(None), outbox.c.attempts > 0)
                connection.execute(sa.update(outbox).where(unsent).values(**anew))
                failing = sa.and_(notify_channels.c.name.in_(portion), notify_channels.c.attempts > 0)
                connection.execute(sa.update(notify_channels).where(failing).values(**anew))

    def works(self, name: str) -> None:
        """Write down that a channel works."""
        with self._database.writing() as connection:
            _works(connection, name)

    def overdue(self, name: str, *, now: int) -> tuple[int, int]:
        """Return how many messages a channel should have sent by now and has not, and how often all were refused.

        All that waits about one case is one message (`rules.notify.planning.messages`).
        """
        kept = outbox.c
        subject = sa.func.coalesce(sa.func.nullif(kept.case_id, ""), kept.item)
        asked = sa.select(
            sa.func.count(sa.distinct(subject)).label("messages"), sa.func.min(kept.attempts).label("attempts")
        )
        with self._database.reading() as connection:
            row = connection.execute(
                asked.where(kept.channel == name, kept.sent_at.is_(None), kept.due_at <= now)
            ).one()
            return row.messages, row.attempts or 0

    def told(self, case_id: str) -> dict[str, int]:
        """Return channel -> quarter of an hour in which it last told of a case, seconds since 1970."""
        kept = outbox.c
        asked = sa.select(kept.channel, sa.func.max(kept.sent_at).label("last")).where(
            kept.case_id == case_id, kept.sent_at.is_not(None)
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked.group_by(kept.channel).order_by(kept.channel))
            return {row.channel: row.last for row in rows}

    def reason(self, name: str) -> str:
        """Return why a channel, or the last item that it refused, fails; empty: nothing fails."""
        state = self.channel(name)
        if state is not None and state.reason:
            return state.reason
        kept = outbox.c
        asked = sa.select(kept.reason).where(kept.channel == name, kept.sent_at.is_(None), kept.reason != "")
        with self._database.reading() as connection:
            return connection.execute(asked.order_by(kept.seq.desc()).limit(1)).scalar() or ""


def _works(connection: sa.Connection, name: str) -> None:
    kept = notify_channels.c
    fine = {"attempts": 0, "failing_since": None, "retry_at": 0, "reason": ""}
    connection.execute(
        sa.update(notify_channels).where(kept.name == name, kept.failing_since.is_not(None)).values(**fine)
    )


def _quarter(at: int) -> int:
    return at // STEP_S * STEP_S


def _insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        insert = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
        connection.execute(insert(table).on_conflict_do_nothing(), list(rows))


def _portions(names: list[str]) -> list[list[str]]:
    return [names[start : start + PORTION] for start in range(0, len(names), PORTION)]
