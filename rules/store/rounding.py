"""Rounds times that earlier releases kept to the second: what is kept only for retention says a quarter of an hour.

A message goes out when a case changes, and a key is made when the first device shows something: each tells to the
second when somebody was at work.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from rules.small_numbers import STEP_S, quarter
from rules.store.schema import case_keys, outbox

QUARTER_LENGTH: Final = len("2026-10-14T18:15Z")


def round_times(connection: sa.Connection) -> int:
    """Round what was told and when keys were made, and return how many rows that changed."""
    kept = outbox.c
    told = (
        sa.update(outbox)
        .where(kept.sent_at.is_not(None), sa.or_(kept.sent_at % STEP_S != 0, kept.due_at % STEP_S != 0))
        .values(sent_at=kept.sent_at - kept.sent_at % STEP_S, due_at=kept.due_at - kept.due_at % STEP_S)
    )
    changed = connection.execute(told).rowcount
    key = case_keys.c
    asked = sa.select(key.case_id, key.number, key.made_at).where(sa.func.length(key.made_at) > QUARTER_LENGTH)
    rows = [
        {"of": row.case_id, "which": row.number, "rounded": quarter(row.made_at)} for row in connection.execute(asked)
    ]
    if rows:
        chosen = sa.and_(key.case_id == sa.bindparam("of"), key.number == sa.bindparam("which"))
        connection.execute(sa.update(case_keys).where(chosen).values(made_at=sa.bindparam("rounded")), rows)
    return changed + len(rows)
