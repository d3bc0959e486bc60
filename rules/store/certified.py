"""The row of the case log that tells that a certificate of a year was made, by a hash of all that it says."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rules.store.sealing import CERTIFIED_KIND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.store.case_store import Store
    from rules.store.rows import LogEntry


def certify(store: Store, told: Mapping[str, Any]) -> None:
    """Let the log tell that this certificate was made.

    Raises:
        StoreError: the store cannot be written.
    """
    said = {"v": 1, "year": told["year"], "sha256": _digest(told)}
    with store.database.writing() as connection:
        log = store.log_writer(connection)
        log.append("", version=0, kind=CERTIFIED_KIND, at=log.at, entry=json.dumps(said, sort_keys=True))
        log.flush()


def is_certified(told: Mapping[str, Any], *, log: Iterable[LogEntry]) -> bool:
    """Return whether the log tells that just this certificate was made, whatever spaces and lines it is written with.

    Args:
        told: the certificate.
        log: rows after the one that it names as the end of the log.
    """
    wanted = _digest(told)
    return any(row.kind == CERTIFIED_KIND and json.loads(row.entry).get("sha256") == wanted for row in log)


def plain(told: object) -> str:
    """Return JSON in the one form in which equal things alone are the same text: 1 is neither 1.0 nor true."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _digest(told: Mapping[str, Any]) -> str:
    return sha256(plain(told).encode()).hexdigest()
