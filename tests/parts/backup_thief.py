"""Who has a backup of the store and every key that was ever in a file of keys or is left, and opens what opens."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from rules.store.keys import KeysInHand
from rules.store.open_days import open_for_day
from rules.store.state import day_key_of, is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rules.case_keys import CaseKey


def opened_backup(backup: Path, *, keys: Iterable[CaseKey]) -> Iterator[tuple[str, bytes]]:
    """Yield table and octets of what is in a backup: in the clear, and opened; of cases only what lies in the clear.

    What a case says to the last digit, as its contract wants, is not looked for.
    """
    hand = KeysInHand(keys)
    with gzip.open(backup, "rt", encoding="utf-8") as lines:
        for table, row in ((told["table"], told["row"]) for told in map(json.loads, lines) if "row" in told):
            yield table, json.dumps(row).encode()
            found = _opened(table, row, keys=hand)
            if found is not None:
                yield table, found


def _opened(table: str, row: dict[str, Any], *, keys: KeysInHand) -> bytes | None:
    if table not in {"findings", "engine_state"}:
        return None
    body = b64decode(row["body"]["base64"])
    if table == "findings":
        sealed = keys.open(row["case_id"], body, "finding")
        return None if sealed is None else open_for_day(sealed, keys=keys)
    owner = day_key_of(row["name"])
    return body if owner is None or not is_sealed(body) else keys.open(owner, body, "state")
