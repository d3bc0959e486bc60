"""What `schoolgate privacy certificate` and `privacy verify` do: a year of purges, and whether the log bears it out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from collector.problems import DocumentError, Problem
from collector.segments import load_network
from rules.errors import StoreError
from rules.export.evidence_pack import Origin
from rules.export.purges_of_a_year import LIMITS, purges_of_a_year, rows_of_a_year
from rules.small_numbers import quarter_start
from rules.store.certified import certify, is_certified, plain
from rules.store.chain import Break, Head
from rules.store.keys import SpentKey
from schoolgate.cases import opened
from schoolgate.configuration import configuration_at
from schoolgate.held import look
from schoolgate.purging import policy_of
from schoolgate.release import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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


def put_down(config: Path, *, told: Mapping[str, Any]) -> None:
    """Let the case log tell that this certificate was made: what no row tells of is borne out by that alone.

    Raises:
        StoreError: the store cannot be written.
    """
    with opened(config) as store:
        certify(store, told)


def borne_out(config: Path, *, source: Path) -> list[str]:
    """Return what the log does not bear out of the certificate in *source*; nothing: it does, word by word.

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
        log, spent = store.log(), store.spent_keys()
    wrong = [
        f"{part} of {told['year']} are not what the case log tells"
        for part, expected in rows_of_a_year((row for row in log if row.seq <= end.entries), year=told["year"]).items()
        if plain(told[part]) != plain(expected)
    ]
    wrong += _wrong_keys(told, spent=spent)
    if not is_certified(told, log=(row for row in log if row.seq > end.entries)):
        wrong += _unborne(told, district=load_network(config.parent / configuration_at(config).network).district)
    return wrong


def _wrong_keys(told: Mapping[str, Any], *, spent: Sequence[SpentKey]) -> list[str]:
    named = Counter(SpentKey(key["of"], key["number"], key["destroyed_at"]) for key in told["keys"])
    there = {key for key in spent if key.destroyed_at.startswith(f"{told['year']:04}-")}
    # Keys of days carry the beginning of a quarter: what was destroyed in the last one may be younger than this.
    by = quarter_start(datetime.fromisoformat(told["made_at"]))
    due = {key for key in there if datetime.fromisoformat(key.destroyed_at) < by}
    return [
        *(f"the key of {key.owner} was not destroyed then" for key in named.keys() - there),
        *(f"the key of {key.owner} stands there {times} times" for key, times in named.items() if times > 1),
        *(f"the key of {key.owner}, destroyed at {key.destroyed_at}, is not there" for key in due - named.keys()),
    ]


def _unborne(told: Mapping[str, Any], *, district: str) -> list[str]:
    """Return what is left open of a certificate of which no row tells."""
    what = "no row of the case log tells that just this certificate was made: nothing bears out `made_at`, `software`, "
    wrong = [what + "`rules`, `held` and which keys went in the last quarter of an hour before"]
    if told["district"] != district:
        wrong.append("`district` is not that of the network file")
    if told["limits"] != list(LIMITS):
        wrong.append("`limits` are not those that this release writes")
    return wrong


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Key(_Strict):
    of: str
    number: int
    destroyed_at: str


class _End(_Strict):
    entries: int
    hash: str


class _Certificate(_Strict):
    """What `privacy certificate --json` prints; rows are compared with the log, whatever they say."""

    v: Literal[1]
    kind: Literal["schoolgate-purges-of-a-year"]
    district: str
    year: Annotated[int, Field(ge=1970, le=9999)]
    made_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    software: str
    rules: dict[str, str]
    purges: list[dict[str, JsonValue]]
    cases: list[dict[str, JsonValue]]
    keys: list[_Key]
    held: list[dict[str, JsonValue]]
    log: _End
    limits: list[str]


def _read(source: Path) -> dict[str, Any]:
    try:
        told = json.loads(source.read_text(encoding="utf-8"), object_pairs_hook=_once)
        _Certificate.model_validate(told)
        datetime.fromisoformat(told["made_at"])
    except (ValueError, RecursionError) as error:
        raise DocumentError(
            [Problem(path=str(source), line=1, what="this is no certificate of a year",
                     remedy="name a file that `schoolgate privacy certificate --json` wrote")]
        ) from error  # fmt: skip
    return dict(told)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object each of whose names stands there once: of two, people may read the other."""
    whole = dict(pairs)
    if len(whole) != len(pairs):
        raise ValueError("a name stands there twice")
    return whole
