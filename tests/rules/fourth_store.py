"""Builds a store as the fourth version left it: with cases that a person ended, and no word of what was known then."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

import sqlalchemy as sa

from rules.store.chain import linked
from tests.rules.first_store import a_case
from tests.rules.second_store import build_second_store

TABLES: Final = """
CREATE TABLE outbox (channel VARCHAR(320) NOT NULL, item VARCHAR(64) NOT NULL, seq BIGINT NOT NULL,
    case_id VARCHAR(64) NOT NULL, due_at BIGINT NOT NULL, attempts INTEGER DEFAULT '0' NOT NULL,
    retry_at BIGINT DEFAULT '0' NOT NULL, reason TEXT DEFAULT '' NOT NULL, sent_at BIGINT,
    PRIMARY KEY (channel, item));
CREATE INDEX ix_outbox_sent_at ON outbox (sent_at);
CREATE TABLE notify_channels (name VARCHAR(320) NOT NULL, since BIGINT NOT NULL, planned BIGINT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL, failing_since BIGINT, retry_at BIGINT DEFAULT '0' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL, PRIMARY KEY (name));
CREATE TABLE leases (name VARCHAR(32) NOT NULL, holder VARCHAR(64) NOT NULL, beat BIGINT NOT NULL,
    PRIMARY KEY (name));
CREATE TABLE access_log (id VARCHAR(40) NOT NULL, at VARCHAR(32) NOT NULL, who VARCHAR(64) NOT NULL,
    what VARCHAR(32) NOT NULL, origin VARCHAR(64) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_cases_listed ON cases (id, version, state, status);
UPDATE alembic_version SET version_num = '0004';
UPDATE meta SET value = '4';
"""
ENDED: Final = {"case-3": "closed", "case-4": "disputed", "case-5": "closed"}
"""Case -> how a person ended it; the last one in a store whose log does not say so."""
ENDED_AT: Final = "2026-10-16T21:00:00.000000Z"


def known(case_id: str) -> dict[str, Any]:
    """Return a case as it lies there."""
    return a_case(case_id, devices=23, groups=["k-5", "6-8"])


def build_fourth_store(address: str) -> None:
    """Fill the empty database at *address*: what the second version held, and three cases that were ended."""
    build_second_store(address)
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        for statement in TABLES.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        seq, previous = connection.execute(sa.text("SELECT entries, hash FROM case_log_head")).one()
        for case_id, status in ENDED.items():
            row = {"id": case_id, "body": json.dumps(known(case_id)).encode(), "status": status}
            connection.execute(
                sa.text("INSERT INTO cases (id, version, state, body, status) VALUES (:id, 1, 'open', :body, :status)"),
                row,
            )
            if case_id == "case-5":
                continue
            seq += 1
            entry = json.dumps({"v": 1, "by": "officer", "text": "Because."})
            told = linked(seq=seq, case_id=case_id, version=1, kind=status, at=ENDED_AT, entry=entry, previous=previous)
            previous = told.hash
            connection.execute(
                sa.text(
                    "INSERT INTO case_log (seq, case_id, version, kind, at, entry, previous, hash) "
                    "VALUES (:seq, :case_id, :version, :kind, :at, :entry, :previous, :hash)"
                ),
                asdict(told),
            )
        connection.execute(
            sa.text("UPDATE case_log_head SET entries = :seq, hash = :hash"), {"seq": seq, "hash": previous}
        )
    engine.dispose()
