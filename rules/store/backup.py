"""The whole store as one file, and back: JSON Lines, gzip, the same from SQLite and PostgreSQL and into either.

Keys are never in it: those of pseudonyms do not lie in the store, those of cases and days go into a file of their own,
which is replaced with every backup. Of a key that was destroyed the backup says so, and no file of keys brings it back.
Keys of open days are in no file: what a backup holds of single devices is read by nobody, and is gone when restored.
"""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode, b64encode
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import IO, TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.case_keys import MATTER, OF_DAYS, OPEN_DAY, TASK_DAY
from rules.errors import StoreError
from rules.store import schema
from rules.store.chain import Head, check
from rules.store.log import read_head, read_raw
from rules.store.open_days import days_that_are_open
from rules.store.retention import ledger_in, let_go_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from rules.store.case_store import Store

KIND: Final = "schoolgate-store-backup/2"
KEYS_KIND: Final = "schoolgate-store-keys/1"
PORTION: Final = 500
# `meta` says which version the tables have: the store that is restored into has its own.
_TABLES: Final = {table.name: table for table in schema.tables.sorted_tables if table is not schema.meta}


def back_up(store: Store, out: Path, *, keys: Path | None = None) -> int:
    """Write everything that *store* holds now into the new file *out*, and return the number of rows.

    Args:
        store: the store.
        out: a new file; what tells of cases, or of contacts of a day, stands in it sealed.
        keys: the file of keys, replaced if it is there; None: they are not written, and a backup alone is never read.

    Raises:
        StoreError: the store cannot be read, what an earlier release left unsealed cannot be sealed first, or the file
            *keys* holds one that is not of this store.
        OSError: *out* is there already, or a file cannot be written; then *out* is not there.
    """
    if keys is not None:
        _refuse_to_lose(keys, store=store)
    store.seal_state()
    rows, live = 0, list[dict[str, Any]]()
    with _new_file(out) as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        with store.database.reading() as connection:
            # In one view with the rows: a purge in between would let evidence go of which this says nothing.
            horizon = ledger_in(connection).horizon
            gone = horizon.isoformat() if horizon else None
            _write(packed, {"kind": KIND, "store_version": schema.STORE_VERSION, "let_go_until": gone})
            for name, table in _TABLES.items():
                asked = sa.select(table).order_by(*table.primary_key.columns)
                with connection.execution_options(yield_per=PORTION).execute(asked) as found:
                    for row in found.mappings():
                        if table is schema.case_keys and row["case_id"].startswith(TASK_DAY):
                            # Nothing in here is sealed with it, and the topics are not put back with the store.
                            continue
                        told = {key: _out(value) for key, value in row.items()}
                        if table is schema.case_keys and told["key"] is not None:
                            if not told["case_id"].startswith(OPEN_DAY):
                                live.append({name: told[name] for name in ("case_id", "number", "key")})
                            told["key"] = None
                        _write(packed, {"table": name, "row": told})
                        rows += 1
        _write(packed, {"rows": rows})
        if keys is not None:
            _write_keys(keys, live)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back."""

    head: Head
    """Where the log ends."""
    keys: int
    """Keys of cases that are there again."""
    without: int
    """Cases that cannot be read: their keys were not in the file. Those that were forgotten are not counted."""
    forgotten: int
    """Keys that the file holds, and that stay destroyed."""


def restore(store: Store, source: Path, *, keys: Path | None = None) -> Restored:
    """Put what the backup *source* holds into the empty *store*, all or nothing.

    Args:
        store: the store.
        source: the backup.
        keys: the file of keys; None: it is seen that there are cases, and none can be read.

    Raises:
        StoreError: the store is not empty, a file is no whole backup, or its case log was changed.
        OSError: a file cannot be read.
    """
    told = [] if keys is None else read_keys(keys)
    gone = _let_go_until(source)
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
        # Nobody reads devices of open days any more: cases stand as they stood, as where evidence was let go before.
        let_go_of(connection, days_that_are_open(connection) | gone)
        return _with_keys(connection, told, head=found)


def _let_go_until(source: Path) -> set[date]:
    """Return the latest local day of which evidence had been let go before the backup, if there is one."""
    with closing(backup_rows(source)) as rows:
        _none, head = next(rows)
    told = head.get("let_go_until")
    try:
        return {date.fromisoformat(told)} if told else set()
    except (ValueError, TypeError) as error:
        raise StoreError(f"{source} is no whole backup ({error}); nothing was restored") from error


def _with_keys(connection: sa.Connection, told: list[dict[str, Any]], *, head: Head) -> Restored:
    """Put keys in their places; a destroyed one has none, nor has one that the backup does not know."""
    kept, back, forgotten = schema.case_keys.c, 0, 0
    for row in told:
        place = (kept.case_id == row["case_id"], kept.number == row["number"])
        fits = sa.update(schema.case_keys).where(*place, kept.destroyed_at.is_(None)).values(key=row["key"])
        if connection.execute(fits).rowcount:
            back += 1
        elif connection.execute(sa.select(kept.case_id).where(*place)).first():
            forgotten += 1
    empty = sa.select(sa.func.count()).where(
        kept.key.is_(None),
        kept.destroyed_at.is_(None),
        *(~kept.case_id.startswith(each, autoescape=True) for each in (MATTER, *OF_DAYS)),
    )
    without = connection.execute(empty).scalar() or 0
    return Restored(head=head, keys=back, without=without, forgotten=forgotten)


def _refuse_to_lose(path: Path, *, store: Store) -> None:
    """Let no key go that opens an earlier backup: each in the file is held by the store, or was destroyed there.

    A store that was lost and begun anew, or another one, would leave backups that nobody can ever read again.
    """
    if not path.exists():
        return
    try:
        told = read_keys(path)
    except StoreError:
        raise StoreError(
            f"{path} is no whole file of keys, and is not replaced; name another file for --keys; nothing was written"
        ) from None
    asked = sa.select(schema.case_keys).where(
        sa.or_(schema.case_keys.c.key.is_not(None), schema.case_keys.c.destroyed_at.is_not(None))
    )
    with store.database.reading() as connection:
        known = {(row.case_id, row.number): row.key for row in connection.execute(asked)}
    # None stands for one that was destroyed: it is to go from the file as well.
    strange = sum(known.get((row.get("case_id"), row.get("number")), b"") not in {None, row["key"]} for row in told)
    if strange:
        raise StoreError(
            f"{path} holds {strange:,} keys that the store {store.address} never had, and earlier backups cannot be "
            "read without them; name another file for --keys, or correct `store` in the configuration; nothing was "
            "written"
        )


def _write_keys(out: Path, rows: list[dict[str, Any]]) -> None:
    """Replace the file of keys, so that it is whole at every moment."""
    fresh = out.with_name(f"{out.name}.new")
    fresh.unlink(missing_ok=True)
    with _new_file(fresh) as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
        _write(packed, {"kind": KEYS_KIND})
        for row in rows:
            _write(packed, row)
        _write(packed, {"rows": len(rows)})
    fresh.replace(out)


def read_keys(source: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of keys: `case_id`, `number`, `key`.

    Raises:
        StoreError: it is none.
        OSError: it cannot be read.
    """
    try:
        with gzip.open(source, "rt", encoding="utf-8") as lines:
            head, *rows, end = map(json.loads, lines)
        if head != {"kind": KEYS_KIND} or end != {"rows": len(rows)}:
            raise StoreError(f"{source} is no whole file of keys; nothing was restored")
        return [{**row, "key": b64decode(row["key"]["base64"])} for row in rows]
    except (EOFError, gzip.BadGzipFile, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{source} is no whole file of keys ({error}); nothing was restored") from error


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


def backup_rows(source: Path) -> Generator[tuple[str, Any]]:
    """Yield what the first line says, under no table, and then table and row of every line: as written, unchecked.

    The last is again under no table, and says how many rows there were.

    Raises:
        StoreError: it is no whole backup.
        OSError: it cannot be read.
    """
    ended = False
    try:
        with gzip.open(source, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines, "null"))
            if not isinstance(head, dict) or head.get("kind") != KIND:
                raise StoreError(f"{source} is no backup of a case store")
            yield "", head
            for line in lines:
                told = json.loads(line)
                ended = "rows" in told
                yield ("", told) if ended else (str(told.get("table")), told.get("row"))
    except (EOFError, gzip.BadGzipFile, ValueError) as error:
        raise StoreError(f"{source} is no whole backup ({error}); nothing was restored") from error
    if not ended:
        raise StoreError(f"{source} ends too early; nothing was restored")


def _read(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield table and row of each line; at the end, with no table, what the last line says."""
    rows = backup_rows(source)
    version = next(rows)[1].get("store_version")
    if version != schema.STORE_VERSION:
        raise StoreError(
            f"{source} is of a store of version {version}, this program restores version {schema.STORE_VERSION}; "
            "restore it with the program that wrote it, then open it with this one"
        )
    for name, row in rows:
        yield (name, _row(name, row, source=source)) if name else (name, row)


def _row(name: str, row: Any, *, source: Path) -> dict[str, Any]:
    table = _TABLES.get(name)
    if table is None or set(row or ()) != set(table.columns.keys()):
        raise StoreError(f"{source} holds a row of no table of the store; nothing was restored")
    return {key: _in(value) for key, value in row.items()}


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
