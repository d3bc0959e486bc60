"""Builds a store as the first release left it, with that release's own statements: what a district may still have."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

TABLES = """
CREATE TABLE meta (name VARCHAR(64) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE findings (id VARCHAR(64) NOT NULL, agreement VARCHAR(64) NOT NULL, body {octets} NOT NULL,
    PRIMARY KEY (id));
CREATE TABLE cases (id VARCHAR(64) NOT NULL, version INTEGER NOT NULL, state VARCHAR(16) NOT NULL,
    body {octets} NOT NULL, PRIMARY KEY (id));
CREATE TABLE engine_state (name VARCHAR(64) NOT NULL, body {octets} NOT NULL, PRIMARY KEY (name));
CREATE TABLE inputs (sha256 VARCHAR(64) NOT NULL, name TEXT NOT NULL, events INTEGER NOT NULL,
    finished BOOLEAN NOT NULL, PRIMARY KEY (sha256));
CREATE TABLE report_parts (name VARCHAR(64) NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (name));
CREATE INDEX ix_findings_agreement ON findings (agreement);
"""


def a_case(case_id: str, **changes: Any) -> dict[str, Any]:
    """Return a case of the contract, section 5."""
    return {
        "id": case_id, "agreement": "mathtrek", "rule": "undeclared-third-party", "subject": "adco.example",
        "verdict": "contradicted", "severity": "critical", "clause": "6d", "confidence": 0.97, "devices": 41,
        "schools": ["lincoln-es"], "groups": ["k-5"], "flows": 312, "bytes_up": 91234, "bytes_down": 771234,
        "first_seen": "2026-10-14T13:07:12.123456Z", "last_seen": "2026-10-16T19:44:59.000001Z",
        "summary": "MathTrek appears to send traffic to AdCo on 41 devices (counted per day) in 1 school.",
        "agreement_says": "The agreement says: no tracking.", "cannot_see": "What was sent cannot be seen.",
        **changes,
    }  # fmt: skip


def build_first_store(address: str) -> None:
    """Fill the empty database at *address* with a store of the first release: two open cases, a withdrawn one."""
    engine = sa.create_engine(address)
    octets = "BLOB" if engine.dialect.name == "sqlite" else "BYTEA"
    with engine.begin() as connection:
        for statement in TABLES.format(octets=octets).split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        connection.execute(sa.text("INSERT INTO meta VALUES ('version', '1')"))
        for number, state in enumerate(("open", "open", "withdrawn")):
            body = json.dumps(a_case(f"case-{number}"), separators=(",", ":")).encode()
            connection.execute(
                sa.text("INSERT INTO cases VALUES (:id, :version, :state, :body)"),
                {"id": f"case-{number}", "version": number + 1, "state": state, "body": body},
            )
        connection.execute(sa.text("INSERT INTO findings VALUES ('f1', 'mathtrek', :body)"), {"body": b"finding"})
        connection.execute(sa.text("INSERT INTO engine_state VALUES ('engine', :body)"), {"body": b"state"})
        connection.execute(
            sa.text("INSERT INTO inputs VALUES (:sha, 'day.pcap', 12, :finished)"), {"sha": "b" * 64, "finished": True}
        )
        connection.execute(sa.text("INSERT INTO report_parts VALUES ('frame', 3, '{}')"))
    engine.dispose()
