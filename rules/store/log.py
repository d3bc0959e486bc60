"""The case log in the database: one chain, whoever appends, and rows as they really lie there.

Appending locks the head first, so that of several processes one writes after the other and each sees the rows before.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from rules.errors import StoreError
from rules.store.chain import Head, linked
from rules.store.database import SQLITE
from rules.store.keys import WritingKeys
from rules.store.rows import LogRow
from rules.store.schema import case_log, case_log_head
from rules.store.sealing import CLEAR, open_entry, seal_entry

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from rules.store.rows import LogEntry

HEAD_NAME = "case_log"
_NUMBERS = ("seq", "version")


class CaseLogWriter:
    """Appends to the log inside one writing transaction; nothing is there before `flush`.

    Args:
        connection: the transaction. From now to its end nobody else appends.
        at: the time, ISO 8601 UTC.

    Raises:
        StoreError: nobody can say where the log ends.
    """

    def __init__(self, connection: sa.Connection, *, at: str) -> None:
        self._connection = connection
        self.at = at
        self._rows: list[LogRow] = []
        head = read_head(connection, locked=True)
        if head is None:
            raise StoreError(
                "the record of where the case log ends is missing; see `schoolgate cases verify`; restore a backup"
            )
        self.head = head
        """Where the log ends, with what `append` added."""
        self.keys = WritingKeys(connection, at=at)
        """What is sealed with in this transaction."""

    def append(self, case_id: str, *, version: int, kind: str, at: str, entry: str) -> LogEntry:
        """Add one row, sealed with the key of its case, and return it."""
        sealed = entry if kind in CLEAR else seal_entry(entry, key=self.keys.of(case_id))
        row = linked(
            seq=self.head.entries + 1,
            case_id=case_id,
            version=version,
            kind=kind,
            at=at,
            entry=sealed,
            previous=self.head.hash,
        )
        self._rows.append(row)
        self.head = Head(entries=row.seq, hash=row.hash)
        return open_entry(row, opener=self.keys.open)

    def flush(self) -> None:
        """Write the rows, and where the log ends now."""
        if not self._rows:
            return
        self._connection.execute(sa.insert(case_log), [asdict(row) for row in self._rows])
        self._rows.clear()
        self._connection.execute(
            sa.update(case_log_head)
            .where(case_log_head.c.name == HEAD_NAME)
            .values(entries=self.head.entries, hash=self.head.hash)
        )


def read_head(connection: sa.Connection, *, locked: bool = False) -> Head | None:
    """Return where the log ends by the record kept apart from it; None: that record is missing.

    Args:
        connection: where to look.
        locked: nobody else appends before this transaction ends.
    """
    asked = sa.select(case_log_head.c.entries, case_log_head.c.hash).where(case_log_head.c.name == HEAD_NAME)
    row = connection.execute(asked.with_for_update() if locked else asked).first()
    return None if row is None else Head(entries=row.entries, hash=row.hash)


def read_log(connection: sa.Connection, *, case_id: str | None = None, after: int = 0) -> Iterator[LogRow]:
    """Yield rows by rising number, as they lie there.

    Args:
        connection: where to look.
        case_id: of this case alone; None: of all.
        after: rows beyond this number.
    """
    asked = sa.select(case_log).where(case_log.c.seq > after).order_by(case_log.c.seq)
    if case_id is not None:
        asked = asked.where(case_log.c.case_id == case_id)
    for row in connection.execute(asked):
        yield LogRow(**row._mapping)  # noqa: SLF001 -- the public way to a row's columns by name


def read_raw(connection: sa.Connection) -> Generator[dict[str, object]]:
    """Yield all rows by rising number as they lie there; a value that is not of its column's kind is None.

    Whoever stops before the end closes it.

    SQLite keeps whatever it is given in any column, and its text need not be UTF-8: both are asked for as they are.
    """
    loose = connection.dialect.name == SQLITE
    columns: list[Any] = [_as_it_lies(column) if loose else column for column in case_log.columns]
    asked = sa.select(*columns).order_by(case_log.c.seq)
    # Of this statement alone: a connection keeps its options, and PostgreSQL opens a cursor for nothing but reading.
    with connection.execute(asked, execution_options={"yield_per": 1000}) as rows:
        for values in rows:
            row = dict(zip(case_log.columns.keys(), values, strict=True))
            yield {name: value if name in _NUMBERS else _text(value) for name, value in row.items()}


def _as_it_lies(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    if column.name in _NUMBERS:
        return sa.case((sa.func.typeof(column) == "integer", column))
    return sa.case((sa.func.typeof(column) == "text", sa.cast(column, sa.LargeBinary)))


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None
