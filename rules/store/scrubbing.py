"""Makes sure that what was deleted or replaced in the database is not left in it: pages that nobody uses any more.

SQLite: the file is written anew and its log is cut to nothing, so that no octet of before is in either. PostgreSQL: the
table of keys is written anew, and its old file goes. What the disk, a snapshot of it or an archive of PostgreSQL's
write-ahead log keeps is out of reach here (docs/decisions/0033).
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from rules.store.database import BUSY_TIMEOUT_MS, SQLITE
from rules.store.schema import case_keys, case_log, cases, engine_state, findings, meta, report_parts
from rules.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.store.database import Database

SEALED: Final = (case_keys, cases, case_log, findings, engine_state, report_parts)
"""Tables that hold what was not sealed before an upgrade."""
OF_DAYS: Final = (case_keys, findings, engine_state)
"""Tables from which a day takes its devices with it when it is closed."""
PATIENCE_S: Final = 30.0
"""As long as others read, SQLite keeps its log: their reading is short."""
UNSCRUBBED: Final = "retention/unscrubbed"
"""Noted in `meta` while unused pages may hold devices of days that are closed, or keys that were destroyed."""


def scrub(database: Database, *, tables: Sequence[sa.Table] = (case_keys,), patience_s: float = PATIENCE_S) -> bool:
    """Write anew what may still hold deleted octets, and return whether that was done.

    Args:
        database: the store.
        tables: on PostgreSQL these alone; nobody else uses them meanwhile.
        patience_s: how long to wait for others, in seconds.

    Raises:
        StoreError: the database cannot be used, or does not let us.
    """
    with database.outside() as connection:
        if database.kind != SQLITE:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM FULL {table.name}")
            return True
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience_s * 1000)}")
        is_busy, _in_log, _moved = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        return not is_busy


def ask_for_scrub(connection: sa.Connection) -> None:
    """Note, with what is deleted in this transaction, that unused pages are to be written over."""
    upsert(connection, meta, [{"name": UNSCRUBBED, "value": token_hex(8)}])


def scrub_if_asked(database: Database, *, patience_s: float) -> None:
    """Write over what `ask_for_scrub` was called for; where others are in the way, that stays noted.

    Args:
        database: the store.
        patience_s: how long to wait for others, in seconds.

    Raises:
        StoreError: the database cannot be used, or does not let us.
    """
    noted = meta.c.name == UNSCRUBBED
    with database.reading() as connection:
        asked = connection.execute(sa.select(meta.c.value).where(noted)).scalar()
    if asked is not None and scrub(database, tables=OF_DAYS, patience_s=patience_s):
        with database.writing() as connection:
            # Whoever asked meanwhile is served the next time.
            connection.execute(sa.delete(meta).where(noted, meta.c.value == asked))
