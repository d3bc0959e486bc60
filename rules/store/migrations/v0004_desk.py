"""What the case desk needs: who signed in when, and a way to see which cases changed without reading them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the access log, and the index."""
    op.create_table(
        "access_log",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
    )
    op.create_index("ix_cases_listed", "cases", ["id", "version", "state", "status"])
