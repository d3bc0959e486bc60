"""The case log, append-only; what people make of a case; evidence beside each case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# BEFORE INSERT runs before SQLite clears the way for INSERT OR REPLACE, which fires no trigger on what it deletes.
SQLITE_TRIGGERS = (
    """CREATE TRIGGER case_log_no_update BEFORE UPDATE ON case_log
    BEGIN SELECT RAISE(ABORT, 'the case log is append-only'); END""",
    """CREATE TRIGGER case_log_no_delete BEFORE DELETE ON case_log
    BEGIN SELECT RAISE(ABORT, 'the case log is append-only'); END""",
    """CREATE TRIGGER case_log_only_append BEFORE INSERT ON case_log
    WHEN NEW.seq IS NULL OR NEW.seq < 1 OR EXISTS (SELECT 1 FROM case_log WHERE seq >= NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the case log is append-only'); END""",
)
POSTGRESQL_TRIGGERS = (
    """CREATE FUNCTION schoolgate_append_only() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the case log is append-only''; END'""",
    """CREATE TRIGGER case_log_no_change BEFORE UPDATE OR DELETE ON case_log
    FOR EACH ROW EXECUTE FUNCTION schoolgate_append_only()""",
    """CREATE TRIGGER case_log_no_truncate BEFORE TRUNCATE ON case_log
    FOR EACH STATEMENT EXECUTE FUNCTION schoolgate_append_only()""",
)


def upgrade() -> None:
    """Make the log, and the columns that stand on it."""
    op.add_column("cases", sa.Column("evidence", sa.Text, nullable=False, server_default=""))
    op.add_column("cases", sa.Column("status", sa.String(16), nullable=False, server_default="new"))
    op.add_column("cases", sa.Column("told", sa.BigInteger, nullable=True))
    sqlite = op.get_context().dialect.name == "sqlite"
    op.create_table(
        "case_log",
        sa.Column("seq", sa.Integer if sqlite else sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_case_log_case_id", "case_log", ["case_id"])
    head = op.create_table(
        "case_log_head",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"name": "case_log", "entries": 0, "hash": "0" * 64}])
    for statement in SQLITE_TRIGGERS if sqlite else POSTGRESQL_TRIGGERS:
        op.execute(sa.text(statement.replace(":", r"\:")))
