"""What the notifier has still to tell, as far as the store knows; the desk only shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from rules.store.schema import notify_channels, outbox

if TYPE_CHECKING:
    from rules.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHealth:
    """How one way of telling fares."""

    name: str
    """Its name; may hold an address. Untrusted: escape it."""
    waiting: int
    """Messages that it has not told yet."""
    failing_since: str | None
    """Since when nothing gets through, ISO 8601 UTC; None: it works."""
    reason: str
    """Why, as its server said. Untrusted: escape it."""


def channels(store: Store) -> list[ChannelHealth]:
    """Return how each way of telling fares; none: nobody is told anything yet."""
    counted = (
        sa.select(outbox.c.channel, sa.func.count().label("waiting"))
        .where(outbox.c.sent_at.is_(None))
        .group_by(outbox.c.channel)
        .subquery()
    )
    kept = notify_channels.c
    asked = (
        sa.select(kept.name, kept.failing_since, kept.reason, counted.c.waiting)
        .select_from(notify_channels.outerjoin(counted, counted.c.channel == kept.name))
        .order_by(kept.name)
    )
    with store.database.reading() as connection:
        return [
            ChannelHealth(
                name=row.name,
                waiting=row.waiting or 0,
                failing_since=None
                if row.failing_since is None
                else datetime.fromtimestamp(row.failing_since, tz=UTC).isoformat(),
                reason=row.reason,
            )
            for row in connection.execute(asked)
        ]
