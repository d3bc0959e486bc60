"""Builds a store as the second version left it: with the case log, and nothing of what is told to whom."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

import sqlalchemy as sa

from rules.store.chain import FIRST, linked
from rules.store.migrations.v0002_case_log import POSTGRESQL_TRIGGERS, SQLITE_TRIGGERS
from rules.told import told
from tests.rules.first_store import a_case, build_first_store

TABLES: Final = """
ALTER TABLE cases ADD COLUMN evidence TEXT DEFAULT '' NOT NULL;
ALTER TABLE cases ADD COLUMN status VARCHAR(16) DEFAULT 'new' NOT NULL;
ALTER TABLE cases ADD COLUMN told BIGINT;
CREATE TABLE case_log (seq {number} NOT NULL, case_id VARCHAR(64) NOT NULL, version INTEGER NOT NULL,
    kind VARCHAR(16) NOT NULL, at VARCHAR(32) NOT NULL, entry TEXT NOT NULL, previous VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL, PRIMARY KEY (seq));
CREATE INDEX ix_case_log_case_id ON case_log (case_id);
CREATE TABLE case_log_head (name VARCHAR(16) NOT NULL, entries BIGINT NOT NULL, hash VARCHAR(64) NOT NULL,
    PRIMARY KEY (name));
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('0002');
"""
LOG: Final = (
    ("case-0", "carried_over", {"state": "open"}),
    ("case-1", "carried_over", {"state": "open"}),
    ("case-2", "carried_over", {"state": "withdrawn"}),
    ("case-1", "acknowledged", None),
)
"""Case, kind, and what the entry says beside the case; None: a person did it."""


def build_second_store(address: str) -> None:
    """Fill the empty database at *address*: an open case, one that was acknowledged, and one that was withdrawn."""
    build_first_store(address)
    engine = sa.create_engine(address)
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        for statement in TABLES.format(number="INTEGER" if sqlite else "BIGINT").split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        previous = FIRST
        for seq, (case_id, kind, more) in enumerate(LOG, start=1):
            view = {"v": 1, "case": told(a_case(case_id)), "changed": [], **(more or {})}
            entry = json.dumps({"v": 1, "by": "officer", "text": ""} if more is None else view, sort_keys=True)
            at = "2026-10-16T20:07:31.000250Z"
            row = linked(seq=seq, case_id=case_id, version=1, kind=kind, at=at, entry=entry, previous=previous)
            previous = row.hash
            columns = asdict(row)
            connection.execute(
                sa.text(f"INSERT INTO case_log VALUES ({', '.join(f':{name}' for name in columns)})"),  # noqa: S608 -- ours
                columns,
            )
            if more is not None:
                connection.execute(sa.text("UPDATE cases SET told = :seq WHERE id = :id"), {"seq": seq, "id": case_id})
        connection.execute(sa.text("UPDATE cases SET status = 'acknowledged' WHERE id = 'case-1'"))
        head = {"entries": len(LOG), "hash": previous}
        connection.execute(sa.text("INSERT INTO case_log_head VALUES ('case_log', :entries, :hash)"), head)
        for statement in SQLITE_TRIGGERS if sqlite else POSTGRESQL_TRIGGERS:
            connection.exec_driver_sql(statement)
        connection.execute(sa.text("UPDATE meta SET value = '2'"))
    engine.dispose()
