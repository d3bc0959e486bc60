"""What was known of a case when a person ended it: what it is measured by when it is seen again."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# As they were in the store of version 4. A dispute left a case open there; now it ends it.
ENDED = ("closed", "disputed")


def upgrade() -> None:
    """Add the columns, and fill them for cases that are ended already."""
    op.add_column("cases", sa.Column("ended_at", sa.String(32), nullable=True))
    op.add_column("cases", sa.Column("ended_devices", sa.Integer, nullable=True))
    op.add_column("cases", sa.Column("ended_groups", sa.Text, nullable=True))
    op.add_column("cases", sa.Column("ended_seen", sa.String(32), nullable=True))
    op.drop_index("ix_cases_listed", "cases")
    op.create_index("ix_cases_listed", "cases", ["id", "version", "state", "status", "ended_at"])
    connection = op.get_bind()
    cases = sa.table(
        "cases", sa.column("id", sa.String), sa.column("body", sa.LargeBinary), sa.column("status", sa.String),
        sa.column("ended_at", sa.String), sa.column("ended_devices", sa.Integer),
        sa.column("ended_groups", sa.Text), sa.column("ended_seen", sa.String),
    )  # fmt: skip
    log = sa.table(
        "case_log", sa.column("seq", sa.BigInteger), sa.column("case_id", sa.String), sa.column("kind", sa.String),
        sa.column("at", sa.String),
    )  # fmt: skip
    for case_id, body in connection.execute(sa.select(cases.c.id, cases.c.body).where(cases.c.status.in_(ENDED))).all():
        told = sa.select(log.c.at).where(log.c.case_id == case_id, log.c.kind.in_(ENDED)).order_by(log.c.seq.desc())
        at = connection.execute(told.limit(1)).scalar()
        known = json.loads(body)
        # Nobody wrote down what was known then. What is known now is no less, and in the same band where it was closed.
        connection.execute(
            sa.update(cases)
            .where(cases.c.id == case_id)
            .values(
                ended_at=at or "1970-01-01T00:00:00.000000Z",
                ended_devices=known.get("devices", 0),
                ended_groups=json.dumps(sorted(known.get("groups", ()))),
                ended_seen=known.get("last_seen") or "",
            )
        )
