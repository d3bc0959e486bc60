"""Makes sure that what was deleted or replaced in the database is not left in it: pages that nobody uses any more.

SQLite: the file is written anew and its log is cut to nothing, so that no octet of before is in either. PostgreSQL: the
table of keys is written anew, and its old file goes. What the disk, a snapshot of it or an archive of PostgreSQL's
write-ahead log keeps is out of reach here (docs/decisions/0033).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.store.database import BUSY_TIMEOUT_MS, SQLITE
from rules.store.schema import case_keys, case_log, cases, engine_state, findings, report_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from rules.store.database import Database

SEALED: Final = (case_keys, cases, case_log, findings, engine_state, report_parts)
"""Tables that hold what was not sealed before an upgrade."""
PATIENCE_S: Final = 30.0
"""As long as others read, SQLite keeps its log: their reading is short."""


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
