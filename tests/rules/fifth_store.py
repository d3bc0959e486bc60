"""Builds a store as the fifth version left it: nothing in it is sealed."""

from __future__ import annotations

import json
from typing import Any, Final

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from rules.store.chain import Head
from rules.store.migration import load_migrations
from tests.rules.fourth_store import build_fourth_store

WAIVED: Final = {
    "agreement": "mathtrek", "rule": "review-missing", "clause": "R3", "subject": "waivedco.example", "devices": 6,
    "flows": 13,
}  # fmt: skip
MET: Final = {"agreement": "mathtrek", "party": "metco.example", "audiences": {}, "only": [], "unclear": []}
FINDING: Final = {
    "id": "f2", "agreement": "mathtrek", "rule": "undeclared-third-party", "clause": "6d", "subject": "adco.example",
}  # fmt: skip


def build_fifth_store(address: str) -> Head:
    """Fill the empty database at *address*, and return where its log ends."""
    build_fourth_store(address)
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        migrations = load_migrations()

        def steps(revision: Any, _context: MigrationContext) -> Any:
            return migrations._upgrade_revs("0005", revision)

        context = MigrationContext.configure(connection, opts={"fn": steps, "transactional_ddl": True})
        with Operations.context(context):
            context.run_migrations()
        rows: list[tuple[str, dict[str, object]]] = [
            ("UPDATE meta SET value = '5'", {}),
            ("UPDATE cases SET evidence = :body", {"body": json.dumps({"v": 1, "words": "adco.example"})}),
            ("INSERT INTO findings VALUES ('f2', 'mathtrek', :body)", {"body": json.dumps(FINDING).encode()}),
            ("INSERT INTO report_parts VALUES ('waived/0', 1, :body)", {"body": json.dumps([WAIVED])}),
            ("UPDATE report_parts SET body = :body WHERE name = 'frame'", {"body": json.dumps(frame())}),
            ("INSERT INTO engine_state VALUES ('report', :body)", {"body": json.dumps(frame()).encode()}),
        ]
        for text, values in rows:
            connection.execute(sa.text(text), values)
        entries, digest = connection.execute(sa.text("SELECT entries, hash FROM case_log_head")).one()
    engine.dispose()
    return Head(entries=entries, hash=digest)


def frame() -> dict[str, Any]:
    """Return what surrounds the cases in a report."""
    return {"v": 1, "coverage": {"flows": 7}, "agreements": [], "differential": [MET], "waived": [WAIVED]}
