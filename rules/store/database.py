"""One database behind an address: reading sees one moment, writing is one after the other, errors are sentences.

Both databases behave the same: a reader sees the state of the moment it began; on SQLite a writer holds the whole
database, on PostgreSQL those rows that must not change under it (`rules.store.log`).
"""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from rules.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
# Four judges that start at once on a slow disk wait for each other; longer than this and something hangs.
BUSY_TIMEOUT_MS: Final = 30_000
BUSY_PAUSE_S: Final = 0.01
_KIND: Final = re.compile(r"([\w+]+)://")


def load_driver(address: str) -> None:
    """Load the code that the database at *address* needs, without touching the database.

    A process that is about to give up its rights calls this: afterwards it may not reach the program's folder.

    Raises:
        StoreError: the address is wrong.
    """
    from rules.store.migration import bring_up_to_date  # noqa: PLC0415 -- migrations stand on this module

    _engine(address).dispose()
    # Libraries load some of their parts when they are first used: once through all of it, in memory.
    rehearsal = Database("sqlite://")
    bring_up_to_date(rehearsal, then=lambda _connection: None)
    rehearsal.close()


class Database:
    """The database behind *address*.

    Args:
        address: database address, for example `sqlite:///schoolgate.db`.

    Raises:
        StoreError: the address is wrong.
    """

    def __init__(self, address: str) -> None:
        self.engine = _engine(address)
        self.address = _shown(self.engine.url)
        self._readers = self.engine
        self._writers = self.engine.execution_options(schoolgate_writes=True)
        if self.kind == SQLITE:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self._readers = self.engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def is_missing(self) -> bool:
        """Whether its file is not there: opening it would make it. A server has none."""
        file = self.engine.url.database if self.kind == SQLITE else None
        return bool(file) and not Path(str(file)).exists()

    def close(self) -> None:
        """Let the database go."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees the database as it is now, whatever others write meanwhile.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._sentences(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are kept at the end, all or nothing.

        Raises:
            StoreError: nothing was written.
        """
        with self._sentences(), self._writers.begin() as connection:
            yield connection

    @contextmanager
    def outside(self) -> Iterator[sa.Connection]:
        """Give a connection outside of any transaction, for what a database does in none.

        Raises:
            StoreError: the database cannot be used.
        """
        with self._sentences(), self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            yield connection

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn what a database driver says into one sentence that says what to do."""
        try:
            yield
        except OperationalError as error:
            raise StoreError(
                f"the store {self.address} cannot be used ({_flat(error.orig)}); look at its folder, its rights and "
                "the disk"
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(f"the store {self.address} refused ({_flat(error)})") from error


def _flat(error: BaseException | None) -> str:
    return " ".join(str(error).split())


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver begins transactions late and by guessing; ours begin where `_begin_sqlite` says.
    connection.isolation_level = None
    cursor = connection.cursor()
    # First of all: the other lines may have to wait too.
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    # WAL lets `schoolgate cases` read while `schoolgate run` writes; FULL survives a power cut.
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    # Of several that switch a new database at one moment SQLite refuses all but one at once, without any waiting.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # The low octet is the kind; the others say more of it.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_PAUSE_S)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    # A transaction that reads first and writes later fails when somebody wrote in between: writers lock at once.
    writes = connection.get_execution_options().get("schoolgate_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(url: sa.URL) -> str:
    """Return the address as a person may see it: no password, and nothing after a question mark but its names."""
    return url.set(query=dict.fromkeys(url.query, "***")).render_as_string(hide_password=True)


def _engine(address: str) -> sa.Engine:
    named = _KIND.match(address)
    if named is None:
        # Nobody knows what it is: it may be a password.
        raise StoreError(
            "the store address does not begin with a kind and ://; write for example sqlite:///schoolgate.db"
        )
    kind = named[1]
    if kind != SQLITE and address.count("@") > 1:
        # Part of the password would be taken for the host, and shown as one that cannot be found.
        raise StoreError(
            f"the store address that starts with `{kind}` has more than one @; write each but the one before the host "
            "as %40, or leave the password to a file (PGPASSFILE)"
        )
    try:
        # A connection that a restarted server has forgotten is noticed before it is used.
        engine = sa.create_engine(address, pool_pre_ping=not address.startswith(SQLITE))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        # The address may hold a password: only the part before it is shown.
        raise StoreError(
            f"the store address that starts with `{kind}` does not work here ({type(error).__name__}); "
            "write for example sqlite:///schoolgate.db"
        ) from None
    if engine.dialect.name not in {SQLITE, POSTGRESQL}:
        raise StoreError(
            f"the store address starts with `{kind}`; the store is SQLite or PostgreSQL: write for example "
            "sqlite:///schoolgate.db or postgresql+psycopg://user@host/schoolgate"
        )
    return engine
