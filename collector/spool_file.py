"""The file of a spool: made or opened for one process alone, brought to today's form, and its errors in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER_ONLY = 0o600
FORMAT = 2
_APPLICATION = 0x53675370  # "SgSp"

_SCHEMA = """
CREATE TABLE batch (
    first INTEGER PRIMARY KEY, count INTEGER NOT NULL, kind TEXT NOT NULL, octets INTEGER NOT NULL,
    through_ns INTEGER, body BLOB NOT NULL, taken_s INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE capture (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, events INTEGER NOT NULL, finished INTEGER NOT NULL
);
CREATE TABLE counter (next INTEGER NOT NULL);
"""


class SpoolError(Exception):
    """The spool cannot be used: its disk is full, it is no spool, another process holds it. Nothing in it is harmed."""


def open_file(path: Path, *, origin: int, now_s: int) -> sqlite3.Connection:
    """Return the open file; made where there is none, readable by its owner alone. Two threads may use it.

    Args:
        path: the file.
        origin: first sequence number of a new file.
        now_s: the time, seconds since the epoch: what an older form does not say counts as taken now.

    Raises:
        SpoolError: another process holds it, it is no spool, or the disk does not take it.
    """
    with in_words(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
        # No waiting for locks: whoever holds a spool holds it for as long as it lives.
        db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        with in_words(path):
            _set_up(db)
            _bring_up(db, path=path, origin=origin, now_s=now_s)
    except SpoolError:
        db.close()
        raise
    return db


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Say what SQLite and the disk complain of in words for whoever runs this.

    Raises:
        SpoolError: they complained.
    """
    try:
        yield
    except OSError as error:
        raise SpoolError(f"{path}: the spool cannot be opened ({error.strerror})") from error
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {_meaning(error)}") from error


def _set_up(db: sqlite3.Connection) -> None:
    # Exclusive: a second process is refused by the lock on the file itself, which a dead process cannot keep.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    # Deleted events are overwritten, or they would lie in free pages for longer than they may be kept.
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {4 << 20}")


def _bring_up(db: sqlite3.Connection, *, path: Path, origin: int, now_s: int) -> None:
    db.execute("BEGIN EXCLUSIVE")
    try:
        mark = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and (mark != _APPLICATION or version not in {1, FORMAT}):
            raise SpoolError(f"{path}: this is no spool of this version; name another file under `spool`")  # noqa: TRY301 -- undone below
        if tables and version == 1:
            # What was taken before anybody noted when counts from now: it goes in time, and never too soon.
            db.execute("ALTER TABLE batch ADD COLUMN taken_s INTEGER NOT NULL DEFAULT 0")
            db.execute("UPDATE batch SET taken_s = ?", (now_s,))
            db.execute(f"PRAGMA user_version = {FORMAT}")
        if not tables:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("INSERT INTO counter VALUES (?)", (origin,))
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
    except (sqlite3.Error, SpoolError):
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _meaning(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_BUSY:
        return "another process holds this spool; stop it, or name another file under `spool`"
    if code == sqlite3.SQLITE_FULL:
        return "the disk of the spool is full; nothing in the spool is harmed, make room and start again"
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return "this file is no spool, or it is damaged; move it away"
    return f"the spool's disk does not do what it should ({error})"
