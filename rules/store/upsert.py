"""Inserts rows, and replaces those of the same key: in the words of either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from rules.store.database import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    *,
    newer: sa.Column[int] | None = None,
) -> None:
    """Insert *rows*, and replace those of the same key: all, or only by one whose column *newer* is larger."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    where = None if newer is None else statement.excluded[newer.name] > newer
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values, where=where), list(rows))
