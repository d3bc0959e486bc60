"""Opens a case store that is there already: who only looks at one, or takes from it, never makes one by a slip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.problems import DocumentError, Problem
from rules.store import Store
from rules.store.database import Database
from rules.store.migration import stored_version
from schoolgate.configuration import store_address

if TYPE_CHECKING:
    from pathlib import Path

    from schoolgate.configuration import Configuration


def existing_store(settings: Configuration, *, config: Path) -> Store:
    """Return the case store of the configuration; an older one is migrated first.

    Raises:
        DocumentError: there is none.
        StoreError: the address is wrong, or the database cannot be used.
    """
    existing_database(settings, config=config).close()
    return Store(store_address(settings.store, folder=config.parent))


def existing_database(settings: Configuration, *, config: Path) -> Database:
    """Return the database of the case store as it lies there, of whatever version; nothing is made or migrated.

    Raises:
        DocumentError: there is no store.
        StoreError: the address is wrong, or the database cannot be used.
    """
    database = Database(store_address(settings.store, folder=config.parent))
    try:
        _look_for_it(database, config=config)
    except BaseException:
        database.close()
        raise
    return database


def _look_for_it(database: Database, *, config: Path) -> None:
    if not database.is_missing and stored_version(database) is not None:
        return
    lines = config.read_text(encoding="utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, start=1) if text.startswith("store:")), 1)
    remedy = "start `schoolgate run`, which makes it, or correct `store:`"
    what = f"no store at {database.address}"
    raise DocumentError([Problem(path=str(config), line=line, what=what, remedy=remedy)])
