"""A store in PostgreSQL holds nothing by which the planted device could be known, as little as the SQLite file does."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rules.store import Store
from tests.parts.canary_day import of_its_name, of_its_visits, of_the_device, planted, write_capture
from tests.parts.leak_search import LeakSearch, opened
from tests.parts.postgres import Postgres
from tests.parts.sealed_pieces import SealedPieces
from tests.parts.secrets import host
from tests.system.product import CAPTURE, copy_district, schoolgate

CONTROL = host("a host that the product must tell of", "quizgale.example")


def cells_of(store: Store) -> Iterator[tuple[str, bytes]]:
    """Yield table and octets of every cell, as a dump of the database would hold them."""
    tables = sa.MetaData()
    with store.database.reading() as connection:
        tables.reflect(connection)
        for name, table in tables.tables.items():
            for row in connection.execute(sa.select(table)):
                texts = []
                for cell in row:
                    if isinstance(cell, bytes | memoryview):
                        yield name, bytes(cell)
                    else:
                        texts.append(str(cell))
                yield name, "\n".join(texts).encode()


@pytest.fixture
def store(postgres: Postgres, tmp_path: Path) -> Iterator[Store]:
    """A store in PostgreSQL into which `run` has judged the day with the planted device."""
    folder, address = copy_district(tmp_path / "district"), postgres.database()
    write_capture(folder / "day.pcap.gz", day=gzip.decompress(CAPTURE.read_bytes()), more=planted().frames)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8").replace("store: sqlite:///cases.db", f"store: '{address}'")
    config.write_text(text, encoding="utf-8")
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    own = Store(address)
    yield own
    own.close()


def test_nothing_of_the_device_lies_in_a_table_nor_in_what_is_sealed_there(store: Store) -> None:
    secrets = (*of_the_device(planted()), *of_its_name(), *of_its_visits())
    search, sealed = LeakSearch([CONTROL, *secrets]), SealedPieces(store.live_keys())
    found = defaultdict[str, set[str]](set)
    for place, octets in cells_of(store):
        for layer in opened(octets):
            for name in search.find(layer):
                found[name].add(place)
            for inner in (each for piece in sealed.inside(layer) for each in opened(piece)):
                for name in search.find(inner):
                    found[name].add(f"{place}, opened")
    # Who looks there sees what is there: a product's own host stands sealed in cases and in their findings.
    assert {"cases, opened", "findings, opened"} <= found.pop(CONTROL.name)
    assert dict(found) == {}
