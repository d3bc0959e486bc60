"""Whether the case store can be used. It is looked at, never made and never migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from collector.outcomes import failed, misconfigured, warning, well
from rules.errors import StoreError
from rules.store.database import Database
from rules.store.log import read_head
from rules.store.migration import stored_version
from rules.store.schema import STORE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.outcomes import Outcome


def store(address: str) -> Iterator[Outcome]:
    """Yield whether the store behind *address* is there, of the right version, and can be read."""
    try:
        database = Database(address)
    except StoreError as error:
        yield _told(error, wrong="configuration")
        return
    try:
        yield _look(database)
    except StoreError as error:
        yield _told(error, wrong="environment")
    finally:
        database.close()


def _look(database: Database) -> Outcome:
    if database.is_missing:
        return well(f"{database.address} is not there yet; the first start makes it")
    found = stored_version(database)
    if found is None:
        return well(f"{database.address} is empty; the first start makes its tables")
    if found < STORE_VERSION:
        return warning(
            f"{database.address} is of version {found}, and the next start brings it to {STORE_VERSION}",
            remedy="back it up first, with the program that wrote it: schoolgate store backup",
        )
    if found > STORE_VERSION:
        return misconfigured(
            f"{database.address} is of version {found}, this program reads version {STORE_VERSION}",
            remedy="name another store, or use the program that wrote it",
        )
    with database.reading() as connection:
        head = read_head(connection)
        cases = connection.execute(sa.text("SELECT count(*) FROM cases")).scalar()
    return well(f"{database.address} holds {cases:,} cases and {head.entries if head else 0:,} entries of the log")


def _told(error: StoreError, *, wrong: str) -> Outcome:
    what, _, remedy = str(error).rpartition("; ")
    make = misconfigured if wrong == "configuration" else failed
    return make(what or remedy, remedy=remedy if what else "correct `store` in the configuration")
