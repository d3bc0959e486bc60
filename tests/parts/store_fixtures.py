"""pytest fixtures of the databases behind the case store: every test that takes one runs on both kinds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.parts import postgres as postgres_part
from tests.parts.cache import PartMissingError
from tests.parts.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that the whole run shares; skips where it cannot be had."""
    own: Postgres | None = None
    try:
        own = Postgres(postgres_part.set_up())
        own.start()
        yield own
    except PartMissingError as missing:
        pytest.skip(str(missing))
    finally:
        if own is not None:
            own.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes an empty database at every call and returns its address: each test runs on both kinds."""
    if request.param == "sqlite":
        numbers = itertools.count()
        return lambda: f"sqlite:///{tmp_path}/store-{next(numbers)}.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database


@pytest.fixture
def store_address(new_store: Callable[[], str]) -> str:
    """Address of an empty database."""
    return new_store()
