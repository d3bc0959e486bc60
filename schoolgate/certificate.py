"""What `schoolgate privacy certificate` and `privacy verify` do: a year of purges, and whether the log bears it out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.errors import StoreError
from rules.export.evidence_pack import Origin
from rules.export.purges_of_a_year import KIND, purges_of_a_year, rows_of_a_year
from rules.store.chain import Break, Head
from schoolgate.cases import opened
from schoolgate.configuration import configuration_at
from schoolgate.held import look
from schoolgate.purging import policy_of
from schoolgate.release import VERSION

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = frozenset({"file", "topic", "key"})
"""Places of which the log says nothing: there flow events, keys of pseudonyms and of judges' open days are."""


def certificate(config: Path, *, year: int, now: datetime) -> dict[str, Any]:
    """Return the certificate of a year.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be read, or its log was changed.
    """
    settings = configuration_at(config)
    held = [
        {**asdict(place), "name": place.name.rpartition("/")[2]}
        for place in asyncio.run(look(config, now=now))
        if place.place in SHOWN
    ]
    with opened(config) as store:
        head = store.verify()
        if isinstance(head, Break):
            raise StoreError(f"row {head.seq} of the case log: {head.what}; there is no certificate of a changed log")
        return purges_of_a_year(
            store.log(), year=year, keys=store.spent_keys(), policy=policy_of(settings), head=head, held=held,
            origin=Origin(
                district=load_network(config.parent / settings.network).district,
                made_at=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), software=VERSION,
            ),
        )  # fmt: skip


def borne_out(config: Path, *, source: Path) -> list[str]:
    """Return what the log does not bear out of the certificate in *source*; nothing: it does, row by row.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be read.
    """
    told = _read(source)
    end = Head(entries=told["log"]["entries"], hash=told["log"]["hash"])
    with opened(config) as store:
        found = store.verify([end])
        if isinstance(found, Break):
            return [f"row {found.seq} of the case log: {found.what}"]
        rows = [row for row in store.log() if row.seq <= end.entries]
        spent = {(key.owner, key.number, key.destroyed_at) for key in store.spent_keys()}
    wrong = [
        f"{part} of {told['year']} are not what the case log tells"
        for part, expected in rows_of_a_year(rows, year=told["year"]).items()
        if told[part] != expected
    ]
    strange = [key["of"] for key in told["keys"] if (key["of"], key["number"], key["destroyed_at"]) not in spent]
    return wrong + [f"the key of {owner} was not destroyed then" for owner in strange]


def _read(source: Path) -> dict[str, Any]:
    try:
        told = json.loads(source.read_text(encoding="utf-8"))
        is_ours = told["kind"] == KIND and {"purges", "cases", "keys", "year"} <= told.keys()
        int(told["log"]["entries"]), str(told["log"]["hash"]), int(told["year"])
        [(key["of"], key["number"], key["destroyed_at"]) for key in told["keys"]]
    except (ValueError, KeyError, TypeError):
        is_ours, told = False, {}
    if not is_ours:
        raise DocumentError(
            [Problem(path=str(source), line=1, what="this is no certificate of a year",
                     remedy="name a file that `schoolgate privacy certificate --json` wrote")]
        )  # fmt: skip
    return dict(told)
