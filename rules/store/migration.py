"""Brings a store up to the tables of this program; of several programs that start at once, one does it.

The migrations are Alembic's. They are loaded when `load_migrations` is first called and kept: a process that has given
up its rights may not be able to read the program's folder any more.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from rules.errors import StoreError
from rules.store.database import POSTGRESQL, Database
from rules.store.schema import STORE_VERSION, meta

if TYPE_CHECKING:
    from collections.abc import Callable

# Any number will do that nobody else uses as an advisory lock in the same database: these are letters of our name.
ADVISORY_LOCK: Final = int.from_bytes(b"schoolgt", "big") >> 1
FIRST_RELEASE: Final = "0001"


@cache
def load_migrations() -> ScriptDirectory:
    """Return the migrations, all of them read into memory."""
    here = str(Path(__file__).with_name("migrations"))
    config = Config()
    config.set_main_option("script_location", here.replace("%", "%%"))
    config.set_main_option("version_locations", here.replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    migrations = ScriptDirectory.from_config(config)
    list(migrations.walk_revisions())
    return migrations


def bring_up_to_date(database: Database, *, then: Callable[[sa.Connection], None]) -> bool:
    """Migrate the store if it is older than this program, and return whether a filled one was migrated here.

    Args:
        database: the store.
        then: runs in the same transaction after a migration.

    Raises:
        StoreError: the store is newer than this program, or cannot be migrated; nothing was changed.
    """
    migrated = False
    with database.reading() as connection:
        found = _version(connection)
    if found is None or found < STORE_VERSION:
        with database.writing() as connection:
            if database.kind == POSTGRESQL:
                # SQLite's writers hold the whole database already.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            found = _version(connection)
            if found is None or found < STORE_VERSION:
                migrated = found is not None
                _upgrade(connection, found=found)
                then(connection)
            found = _version(connection)
    if found != STORE_VERSION:
        raise StoreError(
            f"{database.address} holds a store of version {found}, this program reads version {STORE_VERSION}; "
            "name another store or use the program that wrote it"
        )
    return migrated


def stored_version(database: Database) -> int | None:
    """Return the version of the store as it lies there, None: an empty database. Nothing is migrated.

    Raises:
        StoreError: the store cannot be read.
    """
    with database.reading() as connection:
        return _version(connection)


def _version(connection: sa.Connection) -> int | None:
    """Return the version of the store, None: an empty database.

    Raises:
        StoreError: the version is no number.
    """
    if not sa.inspect(connection).has_table(meta.name):
        return None
    told = connection.execute(sa.select(meta.c.value).where(meta.c.name == "version")).scalar()
    if told is None:
        return None
    if not told.isdigit():
        raise StoreError(f"the store says that its version is {told!r}, which is no number; restore a backup of it")
    return int(told)


def _upgrade(connection: sa.Connection, *, found: int | None) -> None:
    migrations = load_migrations()

    def steps(revision: Any, _context: MigrationContext) -> Any:
        # The first release knew no Alembic; its tables are those of the first migration.
        return migrations._upgrade_revs("head", revision or (FIRST_RELEASE if found else None))  # type: ignore[arg-type] # noqa: SLF001 -- what Alembic's own `upgrade` command hands to its context

    context = MigrationContext.configure(connection, opts={"fn": steps, "transactional_ddl": True})
    if found is not None and context.get_current_revision() is None:
        context.stamp(migrations, FIRST_RELEASE)
    with Operations.context(context):
        context.run_migrations()
    connection.execute(sa.delete(meta).where(meta.c.name == "version"))
    connection.execute(sa.insert(meta).values(name="version", value=str(STORE_VERSION)))
