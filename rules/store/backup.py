"""The whole store as one file, and back: JSON Lines, gzip, the same from SQLite and PostgreSQL and into either.

Keys of pseudonyms do not lie in the store and so are never in a backup.
"""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode, b64encode
from contextlib import closing, contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.errors import StoreError
from rules.store import schema
from rules.store.chain import Head, check
from rules.store.log import read_head, read_raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rules.store.case_store import Store

KIND: Final = "schoolgate-store-backup/1"
PORTION: Final = 500
# `meta` says which version the tables have: the store that is restored into has its own.
_TABLES: Final = {table.name: table for table in schema.tables.sorted_tables if table is not schema.meta}


def back_up(store: Store, out: Path) -> int:
    """Write everything that *store* holds now into the new file *out*, and return the number of rows.

    Raises:
        StoreError: the store cannot be read.
        OSError: the file is there already, or cannot be written; then there is none.
    """
    rows = 0
    with _new_file(out) as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        with store.database.reading() as connection:
            _write(packed, {"kind": KIND, "store_version": schema.STORE_VERSION})
            for name, table in _TABLES.items():
                asked = sa.select(table).order_by(*table.primary_key.columns)
                with connection.execution_options(yield_per=PORTION).execute(asked) as found:
                    for row in found.mappings():
                        _write(packed, {"table": name, "row": {key: _out(value) for key, value in row.items()}})
                        rows += 1
        _write(packed, {"rows": rows})
    return rows


def restore(store: Store, source: Path) -> Head:
    """Put what the backup *source* holds into the empty *store*, all or nothing, and return where its log ends.

    Raises:
        StoreError: the store is not empty, the file is no whole backup, or its case log was changed.
        OSError: the file cannot be read.
    """
    with store.database.writing() as connection:
        for table in _TABLES.values():
            if table is not schema.case_log_head and connection.execute(sa.select(table).limit(1)).first():
                raise StoreError(
                    f"the store {store.address} is not empty; name a new one as `store` in the configuration"
                )
        connection.execute(sa.delete(schema.case_log_head))
        _insert_all(connection, source)
        with closing(read_raw(connection)) as rows:
            found = check(rows, head=read_head(connection))
        if not isinstance(found, Head):
            raise StoreError(f"{source}: row {found.seq} of the case log in it: {found.what}; nothing was restored")
        return found


def _insert_all(connection: sa.Connection, source: Path) -> None:
    rows, waiting, waiting_for = 0, list[dict[str, Any]](), ""
    for name, row in _read(source):
        if name != waiting_for or len(waiting) >= PORTION:
            _insert(connection, waiting_for, waiting)
            waiting, waiting_for = [], name
        if name:
            waiting.append(row)
            rows += 1
        elif row["rows"] != rows:
            raise StoreError(f"{source}: {rows} rows where {row['rows']} were written; nothing was restored")


def _insert(connection: sa.Connection, name: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(_TABLES[name]), rows)


def _read(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield table and row of each line; at the end, with no table, what the last line says."""
    ended = False
    try:
        with gzip.open(source, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines, "null"))
            if not isinstance(head, dict) or head.get("kind") != KIND:
                raise StoreError(f"{source} is no backup of a case store")
            if head["store_version"] != schema.STORE_VERSION:
                raise StoreError(
                    f"{source} is of a store of version {head['store_version']}, this program restores version "
                    f"{schema.STORE_VERSION}; restore it with the program that wrote it, then open it with this one"
                )
            for line in lines:
                told = json.loads(line)
                ended = "rows" in told
                yield ("", told) if ended else _row(told, source=source)
    except (EOFError, gzip.BadGzipFile, ValueError) as error:
        raise StoreError(f"{source} is no whole backup ({error}); nothing was restored") from error
    if not ended:
        raise StoreError(f"{source} ends too early; nothing was restored")


def _row(told: dict[str, Any], *, source: Path) -> tuple[str, dict[str, Any]]:
    table = _TABLES.get(told.get("table", ""))
    if table is None or set(told.get("row", ())) != set(table.columns.keys()):
        raise StoreError(f"{source} holds a row of no table of the store; nothing was restored")
    return table.name, {key: _in(value) for key, value in told["row"].items()}


def _out(value: Any) -> Any:
    return {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value


def _in(value: Any) -> Any:
    return b64decode(value["base64"]) if isinstance(value, dict) else value


def _write(packed: gzip.GzipFile, told: dict[str, Any]) -> None:
    packed.write(json.dumps(told, separators=(",", ":")).encode() + b"\n")


@contextmanager
def _new_file(out: Path) -> Iterator[IO[bytes]]:
    """Give a new file that only its owner can read; it is whole on the disk, or not there."""
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        out.unlink()
        raise
