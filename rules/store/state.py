"""Named parts of the engine's state in the store. What tells of one local day is sealed with a key of that day.

Whom devices met, and the counts that days leave behind, belong to no case, so no key of a case covers them. The key of
counts goes with the last of their day, that of contacts when the day is closed: then no backup of before can be read,
either. Sums of the whole district stay as they are.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from rules.case_keys import day_id, number_in, open_day_id
from rules.contact_book import CONTACTS, COUNTED
from rules.small_numbers import quarter
from rules.store.keys import PORTION, KeysInHand, live_keys
from rules.store.schema import case_keys, engine_state
from rules.store.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rules.store.keys import WritingKeys

DAILY: Final[Mapping[str, Callable[[date], str]]] = {CONTACTS: open_day_id, COUNTED: day_id}
"""How names of state begin that tell of one local day, which follows -> the id of the key that seals them."""


def read_states(connection: sa.Connection, asked: sa.ColumnElement[bool]) -> dict[str, bytes]:
    """Return the state that is asked for, by name; what nobody can read any more is left out.

    Args:
        connection: where to look.
        asked: which rows of the table.
    """
    kept = engine_state.c
    rows = connection.execute(sa.select(kept.name, kept.body).where(asked).order_by(kept.name)).all()
    owners = sorted({owner for row in rows if (owner := day_key_of(row.name)) is not None})
    keys = KeysInHand(live_keys(connection, ids=owners) if owners else ())
    found: dict[str, bytes] = {}
    for row in rows:
        owner = day_key_of(row.name)
        body = row.body if owner is None or not is_sealed(row.body) else keys.open(owner, row.body, "state")
        if body is not None:
            found[row.name] = body
    return found


def write_state(
    connection: sa.Connection,
    state: Mapping[str, bytes],
    *,
    dropped: Iterable[str],
    at: str,
    keys: Callable[[], WritingKeys],
) -> None:
    """Write named parts of state, and forget others.

    Args:
        connection: a writing transaction.
        state: by name; replaces what stands under it.
        dropped: names that are to be forgotten; a key that opens nothing more is destroyed.
        at: the time, ISO 8601 UTC.
        keys: gives what is sealed with in this transaction; asked once, and only for state of days.
    """
    gone = list(dropped)
    for start in range(0, len(gone), PORTION):
        connection.execute(sa.delete(engine_state).where(engine_state.c.name.in_(gone[start : start + PORTION])))
    upsert(connection, engine_state, _rows(state, keys=keys))
    destroy_day_keys(connection, filter(None, map(day_key_of, gone)), at=at)


def destroy_day_keys(connection: sa.Connection, owners: Iterable[str], *, at: str) -> tuple[str, ...]:
    """Destroy those of these keys of days that open nothing in the store any more, and return them.

    Args:
        connection: a writing transaction.
        owners: ids of days (`rules.case_keys.day_id`, `open_day_id`).
        at: the time, ISO 8601 UTC.
    """
    gone = tuple(owner for owner in sorted({*owners}) if not _is_used(connection, owner))
    if gone:
        still = (case_keys.c.case_id.in_(gone), case_keys.c.destroyed_at.is_(None))
        connection.execute(sa.update(case_keys).where(*still).values(key=None, destroyed_at=quarter(at)))
    return gone


def seal_plain(connection: sa.Connection, *, keys: Callable[[], WritingKeys]) -> int:
    """Seal what an earlier release left as it was, and return how many parts those were.

    Args:
        connection: a writing transaction.
        keys: gives what is sealed with in it; asked once, and only if there is anything.
    """
    kept = engine_state.c
    of_days = sa.or_(*(kept.name.startswith(prefix, autoescape=True) for prefix in DAILY))
    rows = connection.execute(sa.select(kept.name, kept.body).where(of_days)).all()
    plain = {row.name: row.body for row in rows if not is_sealed(row.body)}
    upsert(connection, engine_state, _rows(plain, keys=keys))
    return len(plain)


def day_key_of(name: str) -> str | None:
    """Return the id of the key that the state of this name is sealed with, None: it tells of no single day."""
    for prefix, key_of in DAILY.items():
        if name.startswith(prefix):
            return key_of(date.fromisoformat(name.removeprefix(prefix).partition("/")[0]))
    return None


def is_sealed(body: bytes) -> bool:
    """Return whether state of a day is sealed. That of releases before begins with another octet."""
    return number_in(body) is not None


def _rows(state: Mapping[str, bytes], *, keys: Callable[[], WritingKeys]) -> list[dict[str, object]]:
    owners = {name: owner for name in state if (owner := day_key_of(name)) is not None}
    bodies = dict(state)
    if owners:
        sealing = keys()
        sealing.need(owners.values())
        bodies |= {name: sealing.of(owner).seal(state[name], kind="state") for name, owner in owners.items()}
    return [{"name": name, "body": body} for name, body in bodies.items()]


def _is_used(connection: sa.Connection, owner: str) -> bool:
    names = connection.execute(sa.select(engine_state.c.name)).scalars()
    return any(day_key_of(name) == owner for name in names)
