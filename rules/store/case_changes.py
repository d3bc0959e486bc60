"""What a new version of a case does to the store: its row, and an entry of the log where a person would be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.errors import StoreError
from rules.small_numbers import quarter
from rules.store.rows import CLOSED, NEW, STATUS_AFTER, Act
from rules.store.schema import case_log, cases
from rules.told import changed, told
from rules.versions import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.store.log import CaseLogWriter
    from rules.store.rows import CaseRow, LogEntry

CARRIED_OVER: Final = "carried_over"
"""Kind of the first entry of a case that is older than the log."""
# Below what either database takes as parameters of one statement.
PORTION: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store holds of a case before a new version of it."""

    version: int
    """Version of its evidence."""
    state: str
    """`open` or `withdrawn`."""
    status: str
    """What people made of it."""
    told: int | None
    """Number of the log's entry that told of it last."""
    entry: str | None
    """That entry."""


def record_cases(connection: sa.Connection, rows: Sequence[CaseRow], *, log: CaseLogWriter) -> list[dict[str, object]]:
    """Log what is told of *rows*, and return the rows of table `cases` to write; an old version gives none."""
    known = _known(connection, [row.id for row in rows])
    written: dict[str, dict[str, object]] = {}
    for row in rows:
        before = known.get(row.id)
        if before is not None and before.version >= row.version:
            continue
        case = json.loads(row.body)
        view = told(case)
        kind, anew = _kind(before, row.state, view)
        after = Known(
            version=row.version,
            state=row.state,
            status=NEW if before is None or kind == "returned" else before.status,
            told=before.told if before else None,
            entry=before.entry if before else None,
        )
        if kind is not None:
            entry = _json({"v": 1, "case": view, "changed": anew})
            seq = log.append(row.id, version=row.version, kind=kind, at=quarter(log.at), entry=entry).seq
            after = replace(after, told=seq, entry=entry)
        known[row.id] = after
        written[row.id] = {
            "id": row.id, "version": row.version, "state": row.state, "body": row.body, "evidence": row.evidence,
            "status": after.status, "told": after.told,
        }  # fmt: skip
    return list(written.values())


def record_carried_over(connection: sa.Connection, *, log: CaseLogWriter) -> None:
    """Log every case that has no entry yet: it is older than the log, and this says so."""
    rows = connection.execute(
        sa.select(cases.c.id, cases.c.version, cases.c.state, cases.c.body).where(cases.c.told.is_(None)).order_by("id")
    ).all()
    for row in rows:
        entry = _json({"v": 1, "case": told(json.loads(row.body)), "changed": [], "state": row.state})
        seq = log.append(row.id, version=row.version, kind=CARRIED_OVER, at=log.at, entry=entry).seq
        connection.execute(sa.update(cases).where(cases.c.id == row.id).values(told=seq))
    log.flush()


def note_act(
    connection: sa.Connection, *, log: CaseLogWriter, case_id: str, act: Act, by: str, text: str
) -> LogEntry:  # fmt: skip
    """Log what a person does about a case, and give the case its new status.

    Raises:
        StoreError: there is no such case.
    """
    found = connection.execute(sa.select(cases.c.version, cases.c.status).where(cases.c.id == case_id)).first()
    if found is None:
        raise StoreError(f"there is no case {case_id}; `schoolgate cases list` shows them")
    status = STATUS_AFTER.get(act, found.status)
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(status=status))
    entry = _json({"v": 1, "by": by, "text": text})
    return log.append(case_id, version=found.version, kind=act, at=log.at, entry=entry)


def _kind(before: Known | None, state: str, view: dict[str, Any]) -> tuple[str | None, list[str]]:
    """Return the kind of the entry to write, None: nothing is told; and what is told anew."""
    if before is None:
        return ("opened" if state == OPEN else "withdrawn"), []
    anew = changed(json.loads(before.entry)["case"], view) if before.entry else []
    if before.state != state:
        return ("returned" if state == OPEN else "withdrawn"), anew
    if not anew:
        return None, []
    # Somebody ended it for what was known then; what would be told anew opens it again.
    return ("returned" if before.status == CLOSED else "changed"), anew


def _known(connection: sa.Connection, ids: list[str]) -> dict[str, Known]:
    found = {}
    for portion in _portions(ids):
        asked = (
            sa.select(cases.c.id, cases.c.version, cases.c.state, cases.c.status, cases.c.told, case_log.c.entry)
            .select_from(cases.outerjoin(case_log, case_log.c.seq == cases.c.told))
            .where(cases.c.id.in_(portion))
        )
        for row in connection.execute(asked):
            found[row.id] = Known(
                version=row.version, state=row.state, status=row.status, told=row.told, entry=row.entry
            )
    return found


def _portions(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), PORTION):
        yield ids[start : start + PORTION]


def _json(content: object) -> str:
    # Keys sorted and characters beyond ASCII escaped: the same octets on both databases and for ever.
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
