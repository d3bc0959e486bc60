"""Seals what tells of cases, each with a key of its own; the log is chained anew, and says where it ended before."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

from rules.case_keys import KEY_OCTETS, CaseKey
from rules.sealed_rows import seal_report
from rules.store.chain import FIRST, linked
from rules.store.migrations.v0002_case_log import POSTGRESQL_TRIGGERS, SQLITE_TRIGGERS
from rules.store.sealing import RESEALED_KIND, seal_entry, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

revision = "0006"
down_revision = "0005"

PORTION = 500
DROPPED = ("ended_devices", "ended_groups", "ended_seen")

findings = sa.table(
    "findings", sa.column("id", sa.String), sa.column("case_id", sa.String), sa.column("body", sa.LargeBinary)
)
cases = sa.table(
    "cases", sa.column("id", sa.String), sa.column("body", sa.LargeBinary), sa.column("evidence", sa.Text),
    sa.column("ended_at", sa.String), sa.column("ended_devices", sa.Integer), sa.column("ended_groups", sa.Text),
    sa.column("ended_seen", sa.String), sa.column("ended", sa.Text),
)  # fmt: skip
case_log = sa.table(
    "case_log", sa.column("seq", sa.BigInteger), sa.column("case_id", sa.String), sa.column("version", sa.Integer),
    sa.column("kind", sa.String), sa.column("at", sa.String), sa.column("entry", sa.Text),
    sa.column("previous", sa.String), sa.column("hash", sa.String),
)  # fmt: skip
head = sa.table(
    "case_log_head", sa.column("name", sa.String), sa.column("entries", sa.BigInteger), sa.column("hash", sa.String)
)
engine_state = sa.table("engine_state", sa.column("name", sa.String), sa.column("body", sa.LargeBinary))
report_parts = sa.table("report_parts", sa.column("name", sa.String), sa.column("body", sa.Text))


class _Keys:
    """The keys that this migration makes."""

    def __init__(self) -> None:
        self.made: dict[str, CaseKey] = {}

    def of(self, case_id: str) -> CaseKey:
        if case_id not in self.made:
            self.made[case_id] = CaseKey(case_id=case_id, number=1, octets=os.urandom(KEY_OCTETS))
        return self.made[case_id]

    def seal_row(self, case_id: str, octets: bytes) -> bytes:
        return self.of(case_id).seal(octets, kind="row")


def upgrade() -> None:
    """Make the table of keys, and seal everything."""
    table = op.create_table(
        "case_keys",
        sa.Column("case_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=True),
        sa.Column("made_at", sa.String(32), nullable=False),
        sa.Column("destroyed_at", sa.String(32), nullable=True),
        sa.Column("until", sa.String(32), nullable=True),
        sa.Column("told", sa.BigInteger, nullable=True),
    )
    op.add_column("findings", sa.Column("case_id", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_findings_case_id", "findings", ["case_id"])
    op.add_column("cases", sa.Column("ended", sa.Text, nullable=True))
    connection, keys = op.get_bind(), _Keys()
    _seal_findings(connection, keys=keys)
    _seal_cases(connection, keys=keys)
    _seal_log(connection, keys=keys)
    _seal_reports(connection, keys=keys)
    for column in DROPPED:
        op.drop_column("cases", column)
    made_at = _now()
    rows = [
        {"case_id": key.case_id, "number": key.number, "key": key.octets, "made_at": made_at}
        for key in keys.made.values()
    ]
    if rows:
        op.bulk_insert(table, rows)


def _seal_findings(connection: sa.Connection, *, keys: _Keys) -> None:
    for row in _all(connection, findings, key=findings.c.id):
        case_id = _case_of(row.body)
        sealed = keys.of(case_id).seal(row.body, kind="finding")
        changed = sa.update(findings).where(findings.c.id == row.id).values(case_id=case_id, body=sealed)
        connection.execute(changed)


def _case_of(body: bytes) -> str:
    """Return the id of the case that a finding belongs to, as the store of version 5 made it; empty: it is none."""
    try:
        told = json.loads(body)
        promise = "|".join((told["agreement"], told["rule"], told["clause"], told["subject"]))
    except (ValueError, KeyError, TypeError):
        return ""
    return blake2b(promise.encode(), digest_size=12).hexdigest()


def _seal_cases(connection: sa.Connection, *, keys: _Keys) -> None:
    for row in _all(connection, cases, key=cases.c.id):
        key = keys.of(row.id)
        sealed: dict[str, Any] = {"body": key.seal(row.body, kind="case")}
        if row.evidence:
            sealed["evidence"] = text_of(key.seal(row.evidence.encode(), kind="evidence"))
        if row.ended_at is not None:
            known = {
                "devices": row.ended_devices or 0, "groups": json.loads(row.ended_groups or "[]"),
                "seen": row.ended_seen or "",
            }  # fmt: skip
            sealed["ended"] = text_of(key.seal(json.dumps(known).encode(), kind="ending"))
        connection.execute(sa.update(cases).where(cases.c.id == row.id).values(sealed))


def _seal_log(connection: sa.Connection, *, keys: _Keys) -> None:
    """Seal every entry and chain the rows anew; the last row says where the log ended before.

    A log that was changed before is not made whole: the new chain breaks where the old one did, because a row that did
    not follow on the one before keeps what stood in it.
    """
    before = connection.execute(sa.select(head).where(head.c.name == "case_log")).first()
    if before is None or not before.entries:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _without_triggers(is_sqlite=is_sqlite):
        connection.exec_driver_sql(statement)
    was, now, seq, is_whole = FIRST, FIRST, 0, True
    for row in _all(connection, case_log, key=case_log.c.seq):
        columns = {name: getattr(row, name) for name in ("case_id", "version", "kind", "at")}
        old = linked(seq=row.seq, entry=row.entry, previous=was, **columns)
        is_whole = is_whole and row.seq == seq + 1 and row.previous == was and old.hash == row.hash
        new = linked(seq=row.seq, entry=seal_entry(row.entry, key=keys.of(row.case_id)), previous=now, **columns)
        links = {"previous": new.previous, "hash": new.hash} if is_whole else {}
        connection.execute(sa.update(case_log).where(case_log.c.seq == row.seq).values(entry=new.entry, **links))
        was, now, seq = row.hash, new.hash, row.seq
    if is_whole and (before.entries, before.hash) == (seq, was):
        said = {"v": 1, "entries": before.entries, "hash": before.hash}
        entry = json.dumps(said, sort_keys=True, separators=(",", ":"))
        last = linked(seq=seq + 1, case_id="", version=0, kind=RESEALED_KIND, at=_now(), entry=entry, previous=now)
        names = ("seq", "case_id", "version", "kind", "at", "entry", "previous", "hash")
        connection.execute(sa.insert(case_log).values({name: getattr(last, name) for name in names}))
        connection.execute(sa.update(head).values(entries=last.seq, hash=last.hash))
    for statement in SQLITE_TRIGGERS if is_sqlite else POSTGRESQL_TRIGGERS[1:]:
        connection.exec_driver_sql(statement)


def _without_triggers(*, is_sqlite: bool) -> tuple[str, ...]:
    if is_sqlite:
        return tuple(f"DROP TRIGGER {name}" for name in ("case_log_no_update", "case_log_no_delete",
                                                         "case_log_only_append"))  # fmt: skip
    return tuple(f"DROP TRIGGER {name} ON case_log" for name in ("case_log_no_change", "case_log_no_truncate"))


def _seal_reports(connection: sa.Connection, *, keys: _Keys) -> None:
    """Seal what reports say of single promises: waived cases, and who meets which party."""
    for state in connection.execute(sa.select(engine_state).where(engine_state.c.name == "report")).all():
        sealed = json.dumps(seal_report(json.loads(state.body), seal=keys.seal_row)).encode()
        connection.execute(sa.update(engine_state).where(engine_state.c.name == state.name).values(body=sealed))
    for part in connection.execute(sa.select(report_parts)).all():
        told = json.loads(part.body)
        whole = told if isinstance(told, dict) else {"waived": told}
        sealed_part = seal_report(whole, seal=keys.seal_row)
        body = json.dumps(sealed_part if isinstance(told, dict) else sealed_part["waived"], separators=(",", ":"))
        connection.execute(sa.update(report_parts).where(report_parts.c.name == part.name).values(body=body))


def _all(connection: sa.Connection, table: sa.TableClause, *, key: sa.ColumnClause[Any]) -> Iterator[Any]:
    """Yield every row by *key*, some at a time: rows are changed meanwhile."""
    last: Any = None
    while True:
        asked = sa.select(table).order_by(key).limit(PORTION)
        rows = connection.execute(asked if last is None else asked.where(key > last)).all()
        if not rows:
            return
        yield from rows
        last = getattr(rows[-1], key.name)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
