"""The tables as they are after the last migration. What changes here needs a migration, and a test compares the two."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

STORE_VERSION: Final = 6
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
    # The case that it belongs to, whose key it is sealed with.
    sa.Column("case_id", sa.String(64), nullable=False, server_default="", index=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
# What bodies, evidence, endings, entries of the log and state of days are sealed with (`rules.case_keys`). Never in a
# backup.
case_keys = sa.Table(
    "case_keys",
    tables,
    sa.Column("case_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    # Null: destroyed where `destroyed_at` says when, else not here (a backup was restored without its keys).
    sa.Column("key", sa.LargeBinary, nullable=True),
    # A quarter of an hour: a key is made when the first device shows something, long before there is a case.
    sa.Column("made_at", sa.String(32), nullable=False),
    sa.Column("destroyed_at", sa.String(32), nullable=True),
    # What was seen up to this moment makes no case again.
    sa.Column("until", sa.String(32), nullable=True),
    # The entry of the log that tells of it.
    sa.Column("told", sa.BigInteger, nullable=True),
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
    # When a person ended it; null: it is not ended. What was known then (`rules.life_cycle.Ending`) is sealed.
    sa.Column("ended_at", sa.String(32), nullable=True),
    sa.Column("ended", sa.Text, nullable=True),
    # What says whether a case is another than before: read without its body, which is a hundred times as long.
    sa.Index("ix_cases_listed", "id", "version", "state", "status", "ended_at"),
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
# What is still to be told, and what was told when. Times are seconds since 1970.
outbox = sa.Table(
    "outbox",
    tables,
    sa.Column("channel", sa.String(320), primary_key=True),
    # `entry/NUMBER` of the case log, or `digest/DATE`: planned twice, it is there once.
    sa.Column("item", sa.String(64), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("case_id", sa.String(64), nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("sent_at", sa.BigInteger, nullable=True, index=True),
)
notify_channels = sa.Table(
    "notify_channels",
    tables,
    sa.Column("name", sa.String(320), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    # The log is read up to this entry, and what it asks for lies in the outbox.
    sa.Column("planned", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failing_since", sa.BigInteger, nullable=True),
    sa.Column("retry_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)
# Who may do what only one process at a time may do. No time stands in it: hosts need not agree on one.
leases = sa.Table(
    "leases",
    tables,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
)
# Who signed in to the desk, or tried to, and who may. The id grows with time and needs no counter, so that a backup
# goes into any database.
access_log = sa.Table(
    "access_log",
    tables,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("who", sa.String(64), nullable=False),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("origin", sa.String(64), nullable=False),
)
