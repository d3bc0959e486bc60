"""What a new version of a case does to the store: its row, and an entry of the log where a person would be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from rules.errors import StepRefusedError, StoreError
from rules.life_cycle import ENDED, NEW, STATUS_AFTER, Ending, ending, refusal, returns, standing, verified
from rules.small_numbers import quarter
from rules.store.rows import LogRow
from rules.store.schema import case_log, cases
from rules.store.sealing import octets_in, open_entry, text_of
from rules.told import changed, told
from rules.versions import FORGOTTEN, OPEN, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from rules.case_keys import CaseKey
    from rules.life_cycle import Act
    from rules.store.keys import KeysInHand, WritingKeys
    from rules.store.log import CaseLogWriter
    from rules.store.rows import CaseRow, LogEntry

CARRIED_OVER: Final = "carried_over"
"""Kind of the first entry of a case that is older than the log."""
NOT_REOPENED: Final = "not_reopened"
"""Kind of an entry that says what changed of a case that a person ended, and that it stays ended."""
_LOG_COLUMNS: Final = tuple(field.name for field in fields(LogRow))
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
    ending: Ending | None
    """What was known when a person ended it; None: it is not ended."""
    readable: bool = True
    """Its key is there; without it a case begins anew, but for the number of its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What the log says of a new version."""

    kind: str
    """Kind of the entry."""
    changed: list[str]
    """What is told anew (`rules.told.TELLING`)."""
    because: tuple[str, ...] = ()
    """Why a case that had ended is open again (`rules.life_cycle.Return`)."""


def record_cases(connection: sa.Connection, rows: Sequence[CaseRow], *, log: CaseLogWriter) -> list[dict[str, object]]:
    """Log what is told of *rows*, and return the rows of table `cases` to write, sealed.

    An old version gives none, nor does evidence that was forgotten or cannot be opened.
    """
    log.keys.need(row.id for row in rows)
    known = _known(connection, [row.id for row in rows], keys=log.keys)
    written: dict[str, dict[str, object]] = {}
    for row in rows:
        before = known.get(row.id)
        if before is not None and before.version >= row.version:
            continue
        if row.state == FORGOTTEN:
            written |= _forgotten(row, before=before)
            continue
        if not row.body:
            # Sealed with a key that is not here, for it was destroyed or is another store's: it tells nothing.
            continue
        case = json.loads(row.body)
        if log.keys.is_past(row.id, seen=str(case.get("first_seen") or "")):
            continue
        view = told(case)
        telling = _telling(before, row.state, case=case, view=view)
        anew = before is None or not before.readable or (telling is not None and telling.kind == "returned")
        after = Known(
            version=row.version,
            state=row.state,
            status=NEW if before is None or anew else before.status,
            told=before.told if before else None,
            entry=before.entry if before else None,
            ending=None if before is None or anew else before.ending,
        )
        if telling is not None:
            entry = _entry(telling, view=view, state=row.state)
            seq = log.append(row.id, version=row.version, kind=telling.kind, at=quarter(log.at), entry=entry).seq
            after = replace(after, told=seq, entry=entry)
        known[row.id] = after
        written[row.id] = {
            "id": row.id, "version": row.version, "state": row.state, "status": after.status, "told": after.told,
            **sealed_case(row, key=log.keys.of(row.id)), **_columns(after.ending, key=log.keys.of(row.id)),
        }  # fmt: skip
    return list(written.values())


def sealed_case(row: CaseRow, *, key: CaseKey) -> dict[str, object]:
    """Return the columns of a case that tell of it, sealed."""
    evidence = text_of(key.seal(row.evidence.encode(), kind="evidence")) if row.evidence else ""
    return {"body": key.seal(row.body, kind="case"), "evidence": evidence}


def record_carried_over(connection: sa.Connection, *, log: CaseLogWriter) -> None:
    """Log every case that has no entry yet: it is older than the log, and this says so."""
    rows = connection.execute(
        sa.select(cases.c.id, cases.c.version, cases.c.state, cases.c.body).where(cases.c.told.is_(None)).order_by("id")
    ).all()
    for row in rows:
        body = log.keys.open(row.id, row.body, "case")
        if body is None:
            continue
        entry = _json({"v": 1, "case": told(json.loads(body)), "changed": [], "state": row.state})
        seq = log.append(row.id, version=row.version, kind=CARRIED_OVER, at=log.at, entry=entry).seq
        connection.execute(sa.update(cases).where(cases.c.id == row.id).values(told=seq))
    log.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a person does about a case."""

    act: Act
    """The step."""
    by: str
    """Who does it, as the log shall name them."""
    text: str
    """The reason in their own words, or a note."""
    reason: str | None
    """Reason code, for acts that have codes (`rules.life_cycle.CODES`)."""


def note_act(
    connection: sa.Connection, *, log: CaseLogWriter, case_id: str, deed: Deed, until: Callable[[], date | None]
) -> LogEntry:
    """Log what a person does about a case, and give the case its new status.

    Args:
        connection: where the case lies; nobody else changes it before this transaction ends.
        log: the case log.
        case_id: the case.
        deed: what is done.
        until: returns the last day on which the network was judged, None: nothing was.

    Raises:
        StepRefusedError: the step is not allowed as the case stands.
        StoreError: there is no such case.
    """
    asked = sa.select(cases).where(cases.c.id == case_id)
    found = connection.execute(asked).first()
    if found is None:
        raise StoreError(f"there is no case {case_id}; `schoolgate cases list` shows them")
    body = log.keys.open(case_id, found.body, "case")
    if body is None:
        raise StepRefusedError(f"case {case_id} cannot be read any more: nothing can be done about it")
    case = json.loads(body)
    known = ending_in(found, keys=log.keys)
    is_verified = found.status == "fixed" and verified(known, last_seen=case.get("last_seen") or "", until=until())
    stands = standing(found.status, supported=found.state == OPEN, is_verified=is_verified)
    refused = refusal(deed.act, at=stands, text=deed.text, reason=deed.reason)
    if refused is not None:
        raise StepRefusedError(f"case {case_id}: {refused}")
    status = STATUS_AFTER.get(deed.act, found.status)
    if deed.act != "noted":
        # Whoever ends it again has looked again: what is known now counts.
        known = ending(case, at=log.at) if status in ENDED else None
    values = {"status": status, **_columns(known, key=log.keys.of(case_id))}
    connection.execute(sa.update(cases).where(cases.c.id == case_id).values(values))
    said = {"v": 1, "by": deed.by, "text": deed.text} | ({} if deed.reason is None else {"reason": deed.reason})
    return log.append(case_id, version=found.version, kind=deed.act, at=log.at, entry=_json(said))


def ending_in(row: Any, *, keys: KeysInHand | WritingKeys) -> Ending | None:
    """Return what was known when the case in a row of table `cases` was ended, None: it is not ended."""
    octets = None if row.ended_at is None else keys.open(row.id, octets_in(row.ended or ""), "ending")
    if octets is None:
        return None
    said = json.loads(octets)
    return Ending(at=row.ended_at, devices=said["devices"], groups=tuple(said["groups"]), seen=said["seen"])


def _columns(known: Ending | None, *, key: CaseKey) -> dict[str, object]:
    if known is None:
        return {"ended_at": None, "ended": None}
    said = _json({"devices": known.devices, "groups": known.groups, "seen": known.seen})
    return {"ended_at": known.at, "ended": text_of(key.seal(said.encode(), kind="ending"))}


def _forgotten(row: CaseRow, *, before: Known | None) -> dict[str, dict[str, object]]:
    """Return the row of a case whose evidence is gone: where case tasks count its versions, the store counts along."""
    if before is None or before.readable:
        return {}
    return {
        row.id: {
            "id": row.id, "version": row.version, "state": before.state, "status": before.status, "told": before.told,
            "body": b"", "evidence": "", "ended_at": None, "ended": None,
        }
    }  # fmt: skip


def _telling(before: Known | None, state: str, *, case: dict[str, Any], view: dict[str, Any]) -> Telling | None:
    """Return what the log says of a new version, None: nothing."""
    if before is None or not before.readable:
        return Telling(kind="opened" if state == OPEN else "withdrawn", changed=[])
    anew = changed(json.loads(before.entry)["case"], view) if before.entry else []
    if state != OPEN:
        kind = "changed" if before.state == state else "withdrawn"
        return Telling(kind=kind, changed=anew) if anew or kind == "withdrawn" else None
    ended = before.status in ENDED
    if ended and before.ending is not None:
        because = returns(before.ending, case, status=before.status)
        if because:
            return Telling(kind="returned", changed=anew, because=because)
    if before.state != state and not ended:
        return Telling(kind="returned", changed=anew, because=("supported_again",))
    if before.state == state and not anew:
        return None
    # Somebody ended it, and knew enough then: it stays ended, and that it changed stays visible.
    return Telling(kind=NOT_REOPENED if ended else "changed", changed=anew)


def _entry(telling: Telling, *, view: dict[str, Any], state: str) -> str:
    said: dict[str, object] = {"v": 1, "case": view, "changed": telling.changed}
    if telling.because:
        said["because"] = list(telling.because)
    if telling.kind == NOT_REOPENED:
        said["state"] = state
    return _json(said)


def _known(connection: sa.Connection, ids: list[str], *, keys: WritingKeys) -> dict[str, Known]:
    found = {}
    columns = [case_log.c[name].label(f"log_{name}") for name in _LOG_COLUMNS]
    for portion in _portions(ids):
        asked = (
            sa.select(
                cases.c.id, cases.c.version, cases.c.state, cases.c.status, cases.c.told, cases.c.ended_at,
                cases.c.ended, *columns,
            )
            .select_from(cases.outerjoin(case_log, case_log.c.seq == cases.c.told))
            .where(cases.c.id.in_(portion))
        )  # fmt: skip
        for row in connection.execute(asked):
            entry = _entry_of(row, keys=keys)
            found[row.id] = Known(
                version=row.version, state=row.state, status=row.status, told=row.told, entry=entry,
                ending=ending_in(row, keys=keys), readable=entry is not None,
            )  # fmt: skip
    return found


def _entry_of(row: Any, *, keys: WritingKeys) -> str | None:
    """Return the entry that told of a case last, None: it cannot be read."""
    if row.log_seq is None or row.state == FORGOTTEN:
        return None
    lies = LogRow(**{name: getattr(row, f"log_{name}") for name in _LOG_COLUMNS})
    opened = open_entry(lies, opener=keys.open)
    return None if opened.entry == UNREADABLE else opened.entry


def _portions(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), PORTION):
        yield ids[start : start + PORTION]


def _json(content: object) -> str:
    # Keys sorted and characters beyond ASCII escaped: the same octets on both databases and for ever.
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
