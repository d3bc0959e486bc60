"""The case store: findings, cases and the position in the input, kept together so that one commit moves all three.

SQLite by default, PostgreSQL in production. Synchronous: one writer, and asynchrony gains nothing here.
"""

from __future__ import annotations

from rules.errors import StepRefusedError, StoreError
from rules.store.case_store import Store
from rules.store.database import load_driver
from rules.store.rows import CaseRow, FindingRow, LogEntry, Position, Unreadable

__all__ = [
    "CaseRow", "FindingRow", "LogEntry", "Position", "StepRefusedError", "Store", "StoreError", "Unreadable",
    "load_driver",
]  # fmt: skip
