"""Cases of which nothing can be read any more: what is left of them in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from rules.store.keys import KeysInHand, live_keys
from rules.store.rows import Unreadable
from rules.store.schema import case_log, cases
from rules.store.sealing import FORGOTTEN_KIND

if TYPE_CHECKING:
    from collections.abc import Sequence


def unreadable_cases(connection: sa.Connection, *, ids: Sequence[str] | None = None) -> list[Unreadable]:
    """Return them by id: forgotten ones with who and why, and those whose key is not here.

    Args:
        connection: where to look.
        ids: among these alone, a few; None: among all.
    """
    keys = KeysInHand(live_keys(connection, ids=ids))
    asked = (
        sa.select(cases.c.id, cases.c.version, cases.c.body, case_log.c.kind, case_log.c.at, case_log.c.entry)
        .select_from(cases.outerjoin(case_log, case_log.c.seq == cases.c.told))
        .order_by(cases.c.id)
    )
    if ids is not None:
        asked = asked.where(cases.c.id.in_(ids))
    found = []
    for row in connection.execute(asked):
        if keys.open(row.id, row.body, "case") is None:
            said = json.loads(row.entry) if row.kind == FORGOTTEN_KIND else {}
            told = {"by": str(said.get("by", "")), "reason": str(said.get("text", ""))}
            found.append(Unreadable(id=row.id, version=row.version, at=row.at if said else None, **told))
    return found
