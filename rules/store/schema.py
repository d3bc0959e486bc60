"""The tables as they are after the last migration. What changes here needs a migration, and a test compares the two."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

STORE_VERSION: Final = 2
"""Number of the last migration. Programs of other versions compare it before they touch anything else."""

tables = sa.MetaData()
meta = sa.Table(
    "meta", tables, sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
findings = sa.Table(
    "findings",
    tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("agreement", sa.String(64), nullable=False, index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
cases = sa.Table(
    "cases",
    tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False, server_default=""),
    sa.Column("status", sa.String(16), nullable=False, server_default="new"),
    # The entry of the log that told of the evidence last; what differs from it in a telling way is told again.
    sa.Column("told", sa.BigInteger, nullable=True),
)
engine_state = sa.Table(
    "engine_state",
    tables,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
inputs = sa.Table(
    "inputs",
    tables,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
)
# What several processes write: each part has one writer at a time, and the highest version wins.
report_parts = sa.Table(
    "report_parts",
    tables,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
# Append-only: triggers of the migration hold it, the hash chain shows what went around them. A plain INTEGER key in
# SQLite is the row's own number, so that no index stands between a row and its place.
SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")
case_log = sa.Table(
    "case_log",
    tables,
    sa.Column("seq", SEQ, primary_key=True, autoincrement=False),
    sa.Column("case_id", sa.String(64), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
# Apart from the log, so that rows missing at its end are noticed; whoever appends locks this row first.
case_log_head = sa.Table(
    "case_log_head",
    tables,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
